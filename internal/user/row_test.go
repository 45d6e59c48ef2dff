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

// desiredRow is the row of a user in FitAI's own table.
func desiredRow(u user.User, role user.Role) user.Row {
	return user.DefaultMapping().DesiredRow(u, role)
}

func TestDesiredRow_HasTheUsersValuesAndTheRole(t *testing.T) {
	t.Parallel()
	want := user.Row{
		ID: "user_jane", Email: "jane@example.com", FirstName: "Jane", LastName: "Doe", Phone: "+15550100",
		Role: user.Trainer, CreatedAt: signedUp,
	}
	if diff := cmp.Diff(want, desiredRow(jane(), user.Trainer)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDiff_ReturnsDifferingColumns(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*user.Row)
		want   []string
	}{
		"equal rows":                    {func(*user.Row) {}, nil},
		"email":                         {func(r *user.Row) { r.Email = "doe@example.com" }, []string{"email"}},
		"case of the email":             {func(r *user.Row) { r.Email = "Jane@example.com" }, []string{"email"}},
		"first name":                    {func(r *user.Row) { r.FirstName = "" }, []string{"first_name"}},
		"last name":                     {func(r *user.Row) { r.LastName = "Doe " }, []string{"last_name"}},
		"phone":                         {func(r *user.Row) { r.Phone = "" }, []string{"phone"}},
		"role":                          {func(r *user.Row) { r.Role = user.Admin }, []string{"role"}},
		"empty role":                    {func(r *user.Row) { r.Role = "" }, []string{"role"}},
		"creation time is not compared": {func(r *user.Row) { r.CreatedAt = r.CreatedAt.Add(time.Hour) }, nil},
		"all columns in the table's order": {
			func(r *user.Row) { *r = user.Row{ID: r.ID} },
			[]string{
				"email", "first_name", "last_name", "role", "phone",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			desired := desiredRow(jane(), user.Trainer)
			observed := desired
			test.change(&observed)
			if diff := cmp.Diff(test.want, user.DefaultMapping().Diff(desired, observed)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.want, user.DefaultMapping().Diff(observed, desired)); diff != "" {
				t.Errorf("reversed (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDiff_SignInIsNotADifference(t *testing.T) {
	t.Parallel()
	before, after := jane(), jane()
	after.UpdatedAt = after.UpdatedAt.Add(time.Hour)
	if got := user.DefaultMapping().Diff(desiredRow(after, user.Client), desiredRow(before, user.Client)); got != nil {
		t.Errorf("columns %v differ", got)
	}
}
