package user_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/user"
)

var signedUp = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func jane() user.User {
	return user.User{
		ID: "user_jane", Email: "jane@example.com", FirstName: "Jane", LastName: "Doe", Phone: "+15550100",
		Role: "owner", HasMarker: true, Marker: user.Marker{Role: "trainer", Owner: "prod-eu"}, RequestedRole: "admin",
		VerifiedEmails: []string{"jane@example.com", "jane@fitai.dev"}, Banned: true, Locked: true, Deprovisioned: true,
		CreatedAt: signedUp, UpdatedAt: signedUp.Add(time.Hour),
	}
}

func TestDesiredRow_HasTheUsersValuesAndTheRole(t *testing.T) {
	t.Parallel()
	want := user.Row{
		ID: "user_jane", Email: "jane@example.com", FirstName: "Jane", LastName: "Doe", Phone: "+15550100",
		Role: user.Trainer, CreatedAt: signedUp,
	}
	if diff := cmp.Diff(want, user.DesiredRow(jane(), user.Trainer)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDiff_ReturnsDifferingColumns(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*user.Row)
		want   []user.Column
	}{
		"equal rows":                    {func(*user.Row) {}, nil},
		"email":                         {func(r *user.Row) { r.Email = "doe@example.com" }, []user.Column{user.ColumnEmail}},
		"case of the email":             {func(r *user.Row) { r.Email = "Jane@example.com" }, []user.Column{user.ColumnEmail}},
		"first name":                    {func(r *user.Row) { r.FirstName = "" }, []user.Column{user.ColumnFirstName}},
		"last name":                     {func(r *user.Row) { r.LastName = "Doe " }, []user.Column{user.ColumnLastName}},
		"phone":                         {func(r *user.Row) { r.Phone = "" }, []user.Column{user.ColumnPhone}},
		"role":                          {func(r *user.Row) { r.Role = user.Admin }, []user.Column{user.ColumnRole}},
		"empty role":                    {func(r *user.Row) { r.Role = "" }, []user.Column{user.ColumnRole}},
		"creation time is not compared": {func(r *user.Row) { r.CreatedAt = r.CreatedAt.Add(time.Hour) }, nil},
		"all columns in the table's order": {
			func(r *user.Row) { *r = user.Row{ID: r.ID} },
			[]user.Column{
				user.ColumnEmail, user.ColumnFirstName, user.ColumnLastName, user.ColumnRole, user.ColumnPhone,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			desired := user.DesiredRow(jane(), user.Trainer)
			observed := desired
			test.change(&observed)
			if diff := cmp.Diff(test.want, desired.Diff(observed)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.want, observed.Diff(desired)); diff != "" {
				t.Errorf("reversed (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDiff_SignInIsNotADifference(t *testing.T) {
	t.Parallel()
	before, after := jane(), jane()
	after.UpdatedAt = after.UpdatedAt.Add(time.Hour)
	if got := user.DesiredRow(after, user.Client).Diff(user.DesiredRow(before, user.Client)); got != nil {
		t.Errorf("columns %v differ", got)
	}
}
