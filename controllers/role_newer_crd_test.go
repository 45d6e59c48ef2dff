package controllers_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/fitai/fituser-operator/api/v1alpha1"
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
