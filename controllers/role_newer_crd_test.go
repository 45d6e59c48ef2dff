package controllers_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/testenv"
	"github.com/fitai/fituser-operator/internal/user"
)

// A newer CRD may allow roles that this program does not know. For such a manifest it writes and revokes nothing.
func TestRole_UnknownRoleOfNewerCRD(t *testing.T) {
	t.Parallel()
	w := newWorldOn(t, newerCRD(t, "coach"))
	jane, joe := w.signUp("jane"), w.signUp("joe")
	had := w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "trainer"})
	w.reconcileUntilStable(jane)
	w.setRole(had, "coach", "kubectl-edit")
	never := w.manifest("joe", joe, v1alpha1.FitUserSpec{Role: "coach"})
	before := len(w.clerk.Writes())
	w.reconcileUntilStable(jane, joe)
	for _, u := range []*v1alpha1.FitUser{had, never} {
		w.wantReasonOf(u, v1alpha1.ReasonUnknownRole)
		if !meta.IsStatusConditionTrue(u.Status.Conditions, v1alpha1.ConditionStalled) {
			t.Errorf("%s is not Stalled", u.Name)
		}
	}
	w.wantRole(jane, user.Trainer, user.FromManifest, "trainer", markerOf("trainer"))
	w.wantRole(joe, user.Client, user.FromDefault, nil, nil)
	if got := len(w.clerk.Writes()) - before; got != 0 {
		t.Errorf("%d writes to Clerk", got)
	}
	w.wantPendingRevocations(0)
	w.wantNoWrites(jane, joe)

	w.setRole(had, "", "kubectl-edit")
	w.reconcileUntilStable(jane)
	w.wantRole(jane, user.Client, user.FromDefault, nil, nil)
}

// newerCRD starts a control plane whose CRD allows one more role.
func newerCRD(t *testing.T, role string) *testenv.Environment {
	t.Helper()
	const file = "identity.fitai.dev_fitusers.yaml"
	crd, err := os.ReadFile(filepath.Join("..", "config", "crd", "bases", file))
	if err != nil {
		t.Fatal(err)
	}
	newer := strings.Replace(string(crd), "                - trainer\n", "                - trainer\n                - "+role+"\n", 1)
	if newer == string(crd) {
		t.Fatal("the CRD's roles were not found")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, file), []byte(newer), 0o600); err != nil {
		t.Fatal(err)
	}
	rules := "identity.fitai.dev_rolerules.yaml"
	crd, err = os.ReadFile(filepath.Join("..", "config", "crd", "bases", rules))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, rules), crd, 0o600); err != nil {
		t.Fatal(err)
	}
	env, err := testenv.Start(t.Context(), testenv.Options{CRDDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := env.Stop(); err != nil {
			t.Error(err)
		}
	})
	return env
}

// The application has a fourth role: the CRD and --roles list it. Everything that knows three knows it.
func TestRole_FourthRole(t *testing.T) {
	t.Parallel()
	w := newWorldOn(t, newerCRD(t, "coach"))
	roles, err := user.NewRoles([]string{"admin", "trainer", "coach", "client"}, "client", "admin")
	if err != nil {
		t.Fatal(err)
	}
	w.Roles = roles
	w.limitDeletions(1)
	jane, joe := w.signUp("jane"), w.signUp("joe")
	w.clerk.SetPublicMetadata(string(joe), clerktest.Metadata{"role": "coach"})
	coach := w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "coach"})
	w.reconcileUntilStable(jane, joe)
	w.wantReady(jane)
	w.wantRole(jane, "coach", user.FromManifest, "coach", markerOf("coach"))
	w.wantRole(joe, "coach", user.FromClerk, "coach", nil)
	if report := w.mustSweep(); report.Differing != 0 {
		t.Errorf("%+v", report)
	}
	w.setRole(coach, "trainer", "kubectl-edit") // a raise needs no budget
	w.reconcileUntilStable(jane)
	w.limitDeletions(0)
	w.setRole(coach, "coach", "kubectl-edit") // a lower role does
	w.reconcileUntilStable(jane)
	w.wantReason(jane, v1alpha1.ReasonDeletionDeferred)
	w.wantRow(jane, "trainer")
	w.limitDeletions(1)
	w.reconcileUntilStable(jane)
	w.wantRole(jane, "coach", user.FromManifest, "coach", markerOf("coach"))
}
