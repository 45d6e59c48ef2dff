package user

import "hash/maphash"

// Fingerprinter computes short values that differ when rows differ in a mapped column, except for a chance of one in
// 2⁶⁴. Each Fingerprinter has its own random seed, so that nobody can choose rows whose fingerprints collide.
type Fingerprinter struct {
	seed    maphash.Seed
	mapping *Mapping
}

// NewFingerprinter returns a Fingerprinter with a new seed.
func NewFingerprinter(m *Mapping) Fingerprinter {
	return Fingerprinter{seed: maphash.MakeSeed(), mapping: m}
}

// Fingerprint returns the fingerprint of what [Mapping.Diff] compares.
func (f Fingerprinter) Fingerprint(r *Row) uint64 {
	var h maphash.Hash
	h.SetSeed(f.seed)
	for _, c := range f.mapping.Columns {
		_, _ = h.WriteString(r.Text(c.From))
		_ = h.WriteByte(0xff) // UTF-8 never contains it, so that the texts of two columns cannot run into each other
	}
	if f.mapping.SoftDelete != nil && !r.DeletedAt.IsZero() {
		_ = h.WriteByte(0xfe)
	}
	return h.Sum64()
}
