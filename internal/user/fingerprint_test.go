package user_test

import (
	"testing"

	"github.com/fitai/fituser-operator/internal/user"
)

// lookalikes returns different rows whose concatenated columns are equal or nearly equal.
func lookalikes() []user.Row {
	row := desiredRow(jane(), user.Trainer)
	rows := []user.Row{row}
	for _, change := range []func(*user.Row){
		func(r *user.Row) { r.Email, r.FirstName = "jane@example.comJane", "" },
		func(r *user.Row) { r.FirstName, r.LastName = "JaneDoe", "" },
		func(r *user.Row) { r.FirstName, r.LastName = "", "JaneDoe" },
		func(r *user.Row) { r.FirstName, r.LastName = "Doe", "Jane" },
		func(r *user.Row) { r.LastName, r.Phone = r.LastName+r.Phone, "" },
		func(r *user.Row) { r.Phone, r.Role = "", user.Role(r.Phone)+r.Role },
		func(r *user.Row) { r.Email = "Jane@example.com" },
		func(r *user.Row) { r.FirstName = "Jane\x00" },
		func(r *user.Row) { r.Role = "" },
		func(r *user.Row) { *r = user.Row{ID: r.ID} },
	} {
		changed := row
		change(&changed)
		rows = append(rows, changed)
	}
	return rows
}

func TestFingerprint_DiffersWhenRowsDiffer(t *testing.T) {
	t.Parallel()
	f := user.NewFingerprinter(user.DefaultMapping())
	for _, a := range lookalikes() {
		for _, b := range lookalikes() {
			same := f.Fingerprint(&a) == f.Fingerprint(&b)
			if differing := user.DefaultMapping().Diff(a, b); same != (len(differing) == 0) {
				t.Errorf("equal fingerprints: %v, columns that differ: %v\n%+v\n%+v", same, differing, a, b)
			}
		}
	}
}

func TestFingerprint_IgnoresIDAndTimes(t *testing.T) {
	t.Parallel()
	f, row := user.NewFingerprinter(user.DefaultMapping()), desiredRow(jane(), user.Trainer)
	other := row
	other.ID, other.CreatedAt = "user_doe", row.CreatedAt.AddDate(1, 0, 0)
	if f.Fingerprint(&row) != f.Fingerprint(&other) {
		t.Error("rows with equal columns have different fingerprints")
	}
}

func TestFingerprint_DependsOnARandomSeed(t *testing.T) {
	t.Parallel()
	row := desiredRow(jane(), user.Trainer)
	one, other := user.NewFingerprinter(user.DefaultMapping()), user.NewFingerprinter(user.DefaultMapping())
	if one.Fingerprint(&row) == other.Fingerprint(&row) {
		t.Error("two Fingerprinters return equal fingerprints")
	}
}
