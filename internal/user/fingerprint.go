package user

import "hash/maphash"

// Fingerprinter computes short values that differ when rows differ in an owned column, except for a chance of one in
// 2⁶⁴. Each Fingerprinter has its own random seed, so that nobody can choose rows whose fingerprints collide.
type Fingerprinter struct{ seed maphash.Seed }

// NewFingerprinter returns a Fingerprinter with a new seed.
func NewFingerprinter() Fingerprinter { return Fingerprinter{seed: maphash.MakeSeed()} }

// Fingerprint returns the fingerprint of the columns that [Row.Diff] compares.
func (f Fingerprinter) Fingerprint(r Row) uint64 {
	var h maphash.Hash
	h.SetSeed(f.seed)
	for _, cell := range r.Cells() {
		_, _ = h.WriteString(*cell.Text)
		_ = h.WriteByte(0xff) // UTF-8 never contains it, so that the texts of two columns cannot run into each other
	}
	return h.Sum64()
}
