package user

import "hash/maphash"

// Fingerprinter makes short values that differ, but for a chance of one in 2⁶⁴, when rows differ in a column that is
// ours. Its values mean nothing to another Fingerprinter, so nobody can choose rows that look alike.
type Fingerprinter struct{ seed maphash.Seed }

// NewFingerprinter makes a Fingerprinter.
func NewFingerprinter() Fingerprinter { return Fingerprinter{seed: maphash.MakeSeed()} }

// Fingerprint is the fingerprint of the columns that [Row.Diff] compares.
func (f Fingerprinter) Fingerprint(r Row) uint64 {
	var h maphash.Hash
	h.SetSeed(f.seed)
	for _, text := range [...]string{r.Email, r.FirstName, r.LastName, r.Phone, string(r.Role)} {
		_, _ = h.WriteString(text)
		_ = h.WriteByte(0xff) // never part of UTF-8, so no two columns run into each other
	}
	return h.Sum64()
}
