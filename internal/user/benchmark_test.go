package user_test

import (
	"testing"

	"github.com/fitai/fituser-operator/internal/user"
)

// A sweep calls Fingerprint and Diff for every user.
func BenchmarkFingerprint(b *testing.B) {
	f, row := user.NewFingerprinter(), user.DesiredRow(jane(), user.Trainer)
	b.ReportAllocs()
	for b.Loop() {
		_ = f.Fingerprint(row)
	}
}

func BenchmarkDiff(b *testing.B) {
	row, same := user.DesiredRow(jane(), user.Trainer), user.DesiredRow(jane(), user.Trainer)
	b.ReportAllocs()
	for b.Loop() {
		_ = row.Diff(same)
	}
}
