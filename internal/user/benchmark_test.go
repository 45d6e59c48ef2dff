package user_test

import (
	"testing"

	"github.com/fitai/fituser-operator/internal/user"
)

// A sweep calls Fingerprint and Diff for every user.
func BenchmarkFingerprint(b *testing.B) {
	f, row := user.NewFingerprinter(user.DefaultMapping()), desiredRow(jane(), user.Trainer)
	b.ReportAllocs()
	for b.Loop() {
		_ = f.Fingerprint(&row)
	}
}

func BenchmarkDiff(b *testing.B) {
	m, row, same := user.DefaultMapping(), desiredRow(jane(), user.Trainer), desiredRow(jane(), user.Trainer)
	b.ReportAllocs()
	for b.Loop() {
		_ = m.Diff(row, same)
	}
}

// A sweep calls Plan and Match for every user.
func BenchmarkPlan(b *testing.B) {
	p, facts := policy(), desiring(user.Admin, granted(user.Marker{Role: "admin", Owner: own}))
	b.ReportAllocs()
	for b.Loop() {
		_ = p.Plan(facts)
	}
}

func BenchmarkRulesMatch(b *testing.B) {
	rules, u := user.NewRules(user.DefaultRoles(), []user.Rule{staff()}), holding("jane@example.com", "jane@example.org")
	b.ReportAllocs()
	for b.Loop() {
		_ = rules.Match(u)
	}
}
