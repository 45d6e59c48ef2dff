package inspect

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/user"
)

func exportOf(accounts ...user.User) Export {
	var e Export
	for i := range accounts {
		e.add(&accounts[i], user.DefaultRoles(), noon())
	}
	e.disambiguate()
	return e
}

// A manifest names an address that the user holds, and a Clerk id where there is none.
func TestExport_Address(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		primary  string
		verified []string
		want     string
	}{
		"primary":            {"Jane@fitai.dev", []string{"a@example.com", "jane@fitai.dev"}, "jane-fitai-dev jane@fitai.dev"},
		"unverified primary": {"jane@fitai.dev", []string{"b@example.com", "a@example.com"}, "a-example-com a@example.com"},
		"test address":       {"jane+clerk_test@fitai.dev", []string{"jane+clerk_test@fitai.dev"}, "user-2abc-4 user_2aBc"},
		"none":               {"", nil, "user-2abc-4 user_2aBc"},
		"no name":            {"ü@ü", []string{"ü@ü"}, "user-2abc-4 user_2aBc"},
		"too long":           {"a@b", []string{"a@" + strings.Repeat("b", 320)}, "user-2abc-4 user_2aBc"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := exportOf(user.User{ID: "user_2aBc", Email: test.primary, VerifiedEmails: test.verified, Role: "admin"})
			m := e.Manifests[0]
			if got := m.Metadata.Name + " " + m.Spec.Email + m.Spec.ClerkUserID; got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// Users who hold no role of their own have no manifest.
func TestExport_Holders(t *testing.T) {
	t.Parallel()
	holder := func(id user.ID, role string, marker user.Marker) user.User {
		return user.User{ID: id, Role: role, HasMarker: marker.Role != "", Marker: marker}
	}
	e := exportOf(
		holder("user_none", "", user.Marker{}), holder("user_default", "client", user.Marker{Role: "client", Owner: "here"}),
		holder("user_unknown", "owner", user.Marker{}), holder("user_clerk", "admin", user.Marker{}),
		holder("user_rule", "trainer", user.Marker{Role: "trainer", Rule: "staff"}),
		holder("user_promoted", "admin", user.Marker{Role: "trainer", Rule: "staff"}),
		holder("user_expired", "trainer", user.Marker{Role: "trainer", Until: noon()}),
		holder("user_until", "trainer", user.Marker{Role: "trainer", Until: noon().Add(time.Hour)}),
	)
	var got []string
	for _, m := range e.Manifests {
		got = append(got, m.Spec.ClerkUserID+" "+string(m.Spec.Role))
		if expires := m.Spec.RoleExpiresAt != nil; expires != (m.Spec.ClerkUserID == "user_until") {
			t.Errorf("%s expires at %v", m.Spec.ClerkUserID, m.Spec.RoleExpiresAt)
		}
	}
	if diff := cmp.Diff([]string{"user_clerk admin", "user_promoted admin", "user_until trainer"}, got); diff != "" || e.ByRule != 1 || e.Expired != 1 {
		t.Errorf("%d by rule, %d expired (-want +got):\n%s", e.ByRule, e.Expired, diff)
	}
}

// Addresses that lead to one name get different ones, which do not depend on other users.
func TestExport_NamesAreUnique(t *testing.T) {
	t.Parallel()
	holder := func(address string) user.User {
		return user.User{ID: user.ID("user_" + nameOfAddress(address)), Email: address, VerifiedEmails: []string{address}, Role: "admin"}
	}
	first, second, third := holder("jane.doe@fitai.dev"), holder("jane-doe@fitai.dev"), holder("joe@fitai.dev")
	names := func(accounts ...user.User) (names []string) {
		for _, m := range exportOf(accounts...).Manifests {
			names = append(names, m.Metadata.Name)
		}
		slices.Sort(names)
		return names
	}
	got := names(first, second, third)
	if len(slices.Compact(slices.Clone(got))) != 3 || got[2] != "joe-fitai-dev" || !slices.Equal(got, names(third, second, first)) {
		t.Errorf("the names are %q", got)
	}
}

func entries(t *testing.T, directory string) (names []string) {
	t.Helper()
	found, err := os.ReadDir(directory)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range found {
		names = append(names, entry.Name())
	}
	return names
}

// An export replaces only files of an earlier one, and only with --force.
func TestExport_WriteDirectory(t *testing.T) {
	t.Parallel()
	directory := filepath.Join(t.TempDir(), "people", "base")
	jane := user.User{ID: "user_jane", Email: "jane@fitai.dev", VerifiedEmails: []string{"jane@fitai.dev"}, Role: "admin"}
	joe := user.User{ID: "user_joe", Role: "trainer"}
	write := func(force bool, accounts ...user.User) error {
		return exportOf(accounts...).WriteDirectory(directory, force)
	}

	if err := write(false, jane, joe); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"jane-fitai-dev.yaml", "kustomization.yaml", "user-joe-0.yaml"}, entries(t, directory)); diff != "" {
		t.Error(diff)
	}
	if err := write(false, jane); err == nil || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("a second export: %v", err)
	}
	own := filepath.Join(directory, "own.yaml")
	if err := os.WriteFile(own, []byte("kind: FitUser\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := write(true, jane); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"jane-fitai-dev.yaml", "kustomization.yaml", "own.yaml"}, entries(t, directory)); diff != "" {
		t.Error(diff)
	}
	edited := filepath.Join(directory, "jane-fitai-dev.yaml")
	if err := os.WriteFile(edited, []byte("# mine\nkind: FitUser\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := write(true, jane); err == nil || !strings.Contains(err.Error(), "jane-fitai-dev.yaml") {
		t.Errorf("an export over a file of somebody else: %v", err)
	}
	if content, err := os.ReadFile(edited); err != nil || !strings.HasPrefix(string(content), "# mine") {
		t.Errorf("the file contains %q, %v", content, err)
	}
	if diff := cmp.Diff([]string{"jane-fitai-dev.yaml", "kustomization.yaml", "own.yaml"}, entries(t, directory)); diff != "" {
		t.Errorf("the refused export changed the directory:\n%s", diff)
	}
}
