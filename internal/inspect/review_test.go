package inspect

import (
	"encoding/csv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

// No cell of a person's own text is a formula for a spreadsheet.
func TestAccessReview_CSVIsSafeForSpreadsheets(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	review := AccessReview{Holders: []Holder{
		{User: "user_a", Email: `=HYPERLINK("http://evil","x")@fitai.dev`, Role: "admin", WrittenBy: []string{"-cmd", "b"}, Since: noon()},
		{User: "user_b", Email: "+1@fitai.dev", Manifest: "@sum", Owner: "\tx"},
	}}
	if err := review.CSV(&out); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(out.String())).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"user", "email", "role", "source", "manifest", "owner", "writtenBy", "since", "expiresAt"},
		{"user_a", `'=HYPERLINK("http://evil","x")@fitai.dev`, "admin", "", "", "", "'-cmd, b", "2026-11-29T12:00:00Z", ""},
		{"user_b", "'+1@fitai.dev", "", "", "'@sum", "'\tx", "", "", ""},
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A role that only Clerk holds counts too; a role whose manifest is gone names none.
func TestAccessReview_Holder(t *testing.T) {
	t.Parallel()
	roles := user.DefaultRoles()
	fitUser := func(status v1alpha1.FitUserStatus) *v1alpha1.FitUser {
		return byID("coach", func(u *v1alpha1.FitUser) { u.Status = status })
	}
	for name, test := range map[string]struct {
		fitUser *v1alpha1.FitUser
		want    string
	}{
		"manifest":         {fitUser(v1alpha1.FitUserStatus{Role: "trainer", RoleSource: "Manifest"}), "trainer Manifest coach"},
		"to be revoked":    {fitUser(v1alpha1.FitUserStatus{Role: "admin", RoleSource: "Manifest"}), "admin Manifest "},
		"rule":             {fitUser(v1alpha1.FitUserStatus{Role: "trainer", RoleSource: "RoleRule", RoleRule: "staff"}), "trainer RoleRule staff"},
		"default":          {fitUser(v1alpha1.FitUserStatus{Role: "client", RoleSource: "Default"}), ""},
		"only in Clerk":    {fitUser(v1alpha1.FitUserStatus{Clerk: &v1alpha1.AccountState{Role: "admin"}}), "admin Clerk "},
		"not yet written":  {fitUser(v1alpha1.FitUserStatus{Role: "client", RoleSource: "Manifest", Clerk: &v1alpha1.AccountState{Role: "admin"}}), "admin Clerk "},
		"unknown in Clerk": {fitUser(v1alpha1.FitUserStatus{Role: "client", Clerk: &v1alpha1.AccountState{Role: "owner"}}), ""},
		"unknown before":   {fitUser(v1alpha1.FitUserStatus{Role: "former", RoleSource: "Clerk"}), "former Clerk "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			holder, holds := holderOf(test.fitUser, roles, noon())
			got := strings.Join([]string{holder.Role, holder.Source, holder.Manifest}, " ")
			if holds != (test.want != "") || holds && got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	expired := byID("coach", until(noon().Add(-time.Second)))
	expired.Status = v1alpha1.FitUserStatus{Role: "trainer", RoleSource: "Manifest"}
	if holder, _ := holderOf(expired, roles, noon()); holder.Manifest != "" {
		t.Errorf("an expired manifest gives the role: %+v", holder)
	}
}
