package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/store/storetest"
	"github.com/fitai/fituser-operator/internal/testenv"
)

// The manifests of an export give every user the role that they hold: in an empty namespace with the same owner id, no role
// would change.
func TestExport_RoundTrip(t *testing.T) {
	s := newSystem(t, storetest.SQLite(t))
	s.start("FITUSER_OWNER_ID=here")
	for _, p := range []clerktest.Person{
		{ID: "user_root", Email: "root@example.com"}, {ID: "user_jane", Email: "Jane.Doe@fitai.dev"}, {ID: "user_phone", Phone: "+12025550123"},
		{ID: "user_max", Email: "max@staff.dev"}, {ID: "user_none", Email: "none@example.com"},
		{ID: "user_clerk", Email: "clerk@example.com", PublicMetadata: clerktest.Metadata{"role": "trainer"}},
		{
			ID: "user_lena", Email: "lena@example.com", PublicMetadata: clerktest.Metadata{"role": "admin"},
			PrivateMetadata: clerktest.Metadata{"fituser": map[string]any{"role": "admin", "owner": "there"}},
		},
	} {
		s.clerk.SignUp(p)
	}
	s.deliver()
	until := metav1.NewTime(time.Now().Add(time.Hour).Truncate(time.Second))
	jane := s.manifestByEmail("coach-jane", "jane.doe@fitai.dev", "trainer")
	jane.Spec.RoleExpiresAt = &until
	staff := v1alpha1.RoleRuleSpec{Role: "trainer", EmailDomains: []string{"staff.dev"}}
	s.create(s.manifest("root", "user_root", "admin"), s.manifest("phone", "user_phone", "trainer"), jane, s.roleRule("staff", staff))
	s.eventually("the roles are granted", func() error {
		for _, id := range []string{"user_root", "user_jane", "user_phone", "user_max"} {
			if u := must(s.clerk.User(id)); u.PrivateMetadata["fituser"] == nil {
				return fmt.Errorf("%s has no role", id)
			}
		}
		return nil
	})
	s.stop()

	printed := s.command("export", "--roles", "-")
	for _, want := range []string{
		"# Users with a manifest: 5\n# Users without one, because a RoleRule gives their role: 1\n",
		"name: jane-doe-fitai-dev\nspec:\n  email: jane.doe@fitai.dev\n  role: trainer\n  roleExpiresAt: \"" + until.UTC().Format(time.RFC3339) + "\"\n",
		"name: user-phone-0\nspec:\n  clerkUserID: user_phone\n  role: trainer\n",
	} {
		if !strings.Contains(printed, want) {
			t.Errorf("the export does not contain %q:\n%s", want, printed)
		}
	}
	if again := s.command("export", "roles", "-"); again != printed {
		t.Errorf("a second export differs:\n%s", again)
	}
	directory := filepath.Join(t.TempDir(), "people")
	s.command("export", "--roles="+directory)

	s.namespace = s.env.Namespace(t)
	s.mustKubectl("", "apply", "-k", directory)
	s.create(s.roleRule("staff", staff))
	plan := s.command("plan", "--all", "--namespace="+s.namespace, "--owner-id=here")
	t.Logf("$ manager plan\n%s", plan)
	if strings.Contains(plan, "revoke") {
		t.Errorf("the plan revokes roles:\n%s", plan)
	}
	// user_clerk has the role already. Only the marker is added: a manifest decides the role from now on.
	if grants := regexp.MustCompile(`(?m)^(user_\w+) .*\n(?: +.*\n)*? +grant the role`).FindAllString(plan, -1); len(grants) > 1 || strings.Count(plan, "grant the role") != 1 {
		t.Errorf("the plan grants roles: %q\n%s", grants, plan)
	}
}

// An export needs nothing but Clerk.
func TestExport_NeedsOnlyClerk(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	env := environmentOf(map[string]string{"CLERK_SECRET_KEY": clerktest.DefaultSecretKey, "CLERK_API_URL": "http://" + testenv.FreeAddress(t) + "/v1"})
	err := run(t.Context(), []string{"export", "--roles", filepath.Join(t.TempDir(), "people")}, env, &out, os.Stderr)
	if err == nil || strings.Contains(err.Error(), "DATABASE_URL") || !strings.Contains(err.Error(), "counting users") {
		t.Errorf("the error is: %v", err)
	}
}

func TestExportArguments(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"export --roles people --force":         "export roles people --force",
		"export --roles=people":                 "export roles people",
		"export roles people":                   "export roles people",
		"--roles=a,b export --roles -":          "--roles=a,b export roles -",
		"export":                                "export",
		"status --roles a,b":                    "status --roles a,b",
		"export roles people --roles=a,trainer": "export roles people --roles=a,trainer",
	} {
		if got := strings.Join(exportArguments(strings.Fields(given)), " "); got != want {
			t.Errorf("%s becomes %s, want %s", given, got, want)
		}
	}
	if got := exportArguments([]string{"plan"}); !slices.Equal(got, []string{"plan"}) {
		t.Errorf("plan becomes %v", got)
	}
}
