package user_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/user"
)

// newRoles returns roles that must be valid.
func newRoles(t *testing.T, byDefault, protected string, names ...string) user.Roles {
	t.Helper()
	roles, err := user.NewRoles(names, byDefault, protected)
	if err != nil {
		t.Fatal(err)
	}
	return roles
}

func TestNewRoles_KeepsNamesInOrder(t *testing.T) {
	t.Parallel()
	names := []string{"owner", "admin", "Head-coach_2", strings.Repeat("x", 63)}
	roles := newRoles(t, "Head-coach_2", "owner", names...)
	want := []user.Role{"owner", "admin", "Head-coach_2", user.Role(strings.Repeat("x", 63))}
	if diff := cmp.Diff(want, roles.Names()); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if roles.Default() != "Head-coach_2" || roles.Protected() != "owner" {
		t.Errorf("default %q, protected %q", roles.Default(), roles.Protected())
	}
	roles.Names()[0], names[0] = "changed", "changed"
	if diff := cmp.Diff(want, roles.Names()); diff != "" {
		t.Errorf("names changed from outside (-want +got):\n%s", diff)
	}
}

func TestDefaultRoles_EqualTheirNames(t *testing.T) {
	t.Parallel()
	want := newRoles(t, "client", "admin", "admin", "trainer", "client")
	if diff := cmp.Diff(want, user.DefaultRoles(), cmp.AllowUnexported(user.Roles{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNewRoles_RejectsUnusableRoles(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		names                []string
		byDefault, protected string
		want                 string // part of the error
	}{
		"none":                   {nil, "", "", "no role is named"},
		"none but a default":     {nil, "client", "", "no role is named"},
		"empty name":             {[]string{"admin", ""}, "admin", "", `role ""`},
		"blank in a name":        {[]string{"head coach"}, "head coach", "", `role "head coach"`},
		"digit first":            {[]string{"2fa"}, "2fa", "", `role "2fa"`},
		"newline after":          {[]string{"admin\n"}, "admin\n", "", `role "admin\n"`},
		"other letters":          {[]string{"entraîneur"}, "entraîneur", "", "role "},
		"64 characters":          {[]string{strings.Repeat("x", 64)}, "x", "", "63 at most"},
		"true":                   {[]string{"true"}, "true", "", `role "true"`},
		"null":                   {[]string{"null"}, "null", "", `role "null"`},
		"twice":                  {[]string{"admin", "client", "admin"}, "client", "", `"admin" is named twice`},
		"default unknown":        {[]string{"admin", "client"}, "trainer", "", `the default role "trainer"`},
		"default missing":        {[]string{"admin", "client"}, "", "", `the default role ""`},
		"default in other case":  {[]string{"admin", "client"}, "Client", "", `the default role "Client"`},
		"protected unknown":      {[]string{"admin", "client"}, "client", "owner", `the protected role "owner"`},
		"protected is a default": {[]string{"admin", "client"}, "client", "client", "cannot be protected"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			roles, err := user.NewRoles(test.names, test.byDefault, test.protected)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
			if len(roles.Names()) != 0 || roles.Default() != "" || roles.Protected() != "" {
				t.Errorf("roles %v are returned with the error", roles)
			}
		})
	}
}

func TestNewRoles_ProtectedIsOptional(t *testing.T) {
	t.Parallel()
	if got := newRoles(t, "client", "", "client").Protected(); got != "" {
		t.Errorf("protected role %q, want none", got)
	}
}

func TestRolesParse_AcceptsOnlyTheKnownRoles(t *testing.T) {
	t.Parallel()
	roles := newRoles(t, "client", "admin", "admin", "trainer", "coach", "client")
	for _, known := range roles.Names() {
		if got, ok := roles.Parse(string(known)); got != known || !ok {
			t.Errorf("Parse(%q) = %q, %v", known, got, ok)
		}
	}
	for _, unknown := range []string{"", "Admin", "ADMIN", " admin", "admin ", "admin\n", "owner", `"admin"`, "null"} {
		if got, ok := roles.Parse(unknown); got != "" || ok {
			t.Errorf("Parse(%q) = %q, %v; want an unknown role", unknown, got, ok)
		}
	}
	if got, ok := (user.Roles{}).Parse(""); got != "" || ok {
		t.Errorf("no roles: Parse = %q, %v", got, ok)
	}
}

func TestRolesLower_FollowsTheOrderOfTheNames(t *testing.T) {
	t.Parallel()
	roles := newRoles(t, "client", "admin", "admin", "trainer", "client")
	order := []user.Role{"admin", "trainer", "client", "owner"} // owner is unknown: less than all others
	for i, a := range order {
		for j, b := range order {
			if got := roles.Lower(a, b); got != (i > j) {
				t.Errorf("Lower(%q, %q) = %v", a, b, got)
			}
		}
	}
	if roles.Lower("owner", "") || roles.Lower("", "owner") {
		t.Error("one of two unknown roles is lower")
	}
}

func TestIsRoleName_ExcludesJSONOfOtherValues(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"admin", "A", "Head-coach_2", "nullable", "True"} {
		if !user.IsRoleName(name) {
			t.Errorf("%q is no name", name)
		}
	}
	for _, text := range []string{
		"", "true", "false", "null", "7", "-1", `"admin"`, `["admin"]`, "{}", "ad min", "admin\n", "_admin",
	} {
		if user.IsRoleName(text) {
			t.Errorf("%q is a name", text)
		}
	}
}

// A log or a failing test must not panic on an unknown value.
func TestRoleChange_String(t *testing.T) {
	t.Parallel()
	for change, want := range map[user.RoleChange]string{
		user.NoRoleChange: "none", user.GrantRole: "grant", user.RevokeRole: "revoke", user.RemoveMarker: "remove_marker",
		-1: "RoleChange(-1)", user.RemoveMarker + 1: "RoleChange(4)",
	} {
		if got := change.String(); got != want {
			t.Errorf("%d is %q, want %q", int(change), got, want)
		}
	}
}

func TestRoleSources_AreInOrderOfPrecedence(t *testing.T) {
	t.Parallel()
	want := []user.RoleSource{"Manifest", "Clerk", "RoleRule", "Default"}
	if diff := cmp.Diff(want, user.RoleSources()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
