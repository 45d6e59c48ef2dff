package controllers_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

// roleChanges returns the notes of the RoleChanged events since the last call.
func (w *world) roleChanges() []string {
	var notes []string
	for {
		select {
		case line := <-w.recorder.Events:
			if note, ok := strings.CutPrefix(line, "Normal RoleChanged "); ok {
				notes = append(notes, note)
			}
		default:
			return notes
		}
	}
}

// keepLog collects the log lines of reconciles from now on.
func (w *world) keepLog() (lines func() string) {
	var mu sync.Mutex
	var all strings.Builder
	w.ctx = logf.IntoContext(w.ctx, funcr.New(func(prefix, args string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintln(&all, prefix, args)
	}, funcr.Options{}))
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		return all.String()
	}
}

// setRole changes spec.role with that field manager.
func (w *world) setRole(u *v1alpha1.FitUser, role v1alpha1.Role, manager string) {
	w.Helper()
	w.reload(u)
	u.Spec.Role = role
	if err := w.client.Update(w.ctx, u, client.FieldOwner(manager)); err != nil {
		w.Fatal(err)
	}
	w.reload(u)
}

func TestRoleChanged_EachChangeIsReportedOnce(t *testing.T) {
	w := newWorld(t)
	log := w.keepLog()
	jane := w.signUp("jane")
	coach := w.manifest("coach-jane", jane, v1alpha1.FitUserSpec{})
	w.reconcileUntilStable(jane)

	changes := []struct {
		act    func()
		change string
	}{
		{func() { w.clerk.SetNames(string(jane), "Janet", "Doe") }, ""},
		{
			func() { w.setRole(coach, "trainer", "argocd-controller") },
			"from client to trainer (source: manifest coach-jane, written by argocd-controller)",
		},
		{
			func() { w.setRole(coach, "admin", "kubectl-edit") },
			"from trainer to admin (source: manifest coach-jane, written by kubectl-edit)",
		},
		{func() { w.setRole(coach, "", "kubectl-edit") }, "from admin to client (source: Revoked)"},
		{
			func() { w.clerk.SetPublicMetadata(string(jane), clerktest.Metadata{"role": "trainer"}) },
			"from client to trainer (source: Clerk)",
		},
		{func() { w.setRole(coach, "trainer", "kustomize-controller") }, ""}, // the source changes, the role does not
		{
			func() { w.setRole(coach, "admin", "kustomize-controller") },
			"from trainer to admin (source: manifest coach-jane, written by kustomize-controller)",
		},
		{
			func() {
				w.clerk.SetPublicMetadata(string(jane), clerktest.Metadata{"role": "trainer"})
				w.setRole(coach, "", "kustomize-controller")
			},
			"from admin to trainer (source: Clerk)",
		},
		{func() { w.clerk.SetPublicMetadata(string(jane), nil) }, "from trainer to client (source: Default)"},
		{
			func() { w.setRole(coach, "admin", "kubectl-edit") },
			"from client to admin (source: manifest coach-jane, written by kubectl-edit)",
		},
		{
			func() { w.remove(coach); w.endGrace() },
			"from admin to client (source: Revoked)",
		},
	}
	var want []string
	for _, c := range changes {
		c.act()
		w.reconcileUntilStable(jane)
		if c.change != "" {
			want = append(want, fmt.Sprintf("role of %s changed %s", jane, c.change))
		}
	}
	w.wantNoWrites(jane)
	if diff := cmp.Diff(want, w.roleChanges()); diff != "" {
		t.Errorf("role changes (-want +got):\n%s", diff)
	}
	if got := strings.Count(log(), `"Role changed"`); got != len(want) {
		t.Errorf("%d log lines, want %d:\n%s", got, len(want), log())
	}
	for _, secret := range []string{"jane@example.com", "Doe", "Janet"} {
		if strings.Contains(log(), secret) {
			t.Errorf("the log contains %q", secret)
		}
	}
	if want := fmt.Sprintf(`"user"=%q "from"="client" "to"="trainer" "source"="Manifest"`, jane); !strings.Contains(log(), want) {
		t.Errorf("no log line has %s:\n%s", want, log())
	}
}

// A role that a manifest grants to a new user is reported. The default role of a new user is not, and neither is the role of a
// user who is older than the operator.
func TestRoleChanged_FirstReconcileReportsOnlyItsChanges(t *testing.T) {
	w := newWorld(t)
	jane, joe, jim := w.signUp("jane"), w.signUp("joe"), w.signUp("jim")
	w.clerk.SetPublicMetadata(string(joe), clerktest.Metadata{"role": "trainer"})
	w.manifest("jim", jim, v1alpha1.FitUserSpec{Role: "admin"})
	w.reconcileUntilStable(jane, joe, jim)
	if changes := w.roleChanges(); len(changes) != 1 || !strings.Contains(changes[0], fmt.Sprintf("%s changed from client to admin", jim)) {
		t.Errorf("role changes: %q", changes)
	}
}

// A deleted FitUser's status is deleted too, but the row still has the previous role. So the change is reported even when the
// role was removed from Clerk by someone else.
func TestRoleChanged_ReportedByTheProcessThatFinishes(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	coach := w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "admin"})
	w.reconcileUntilStable(jane)
	w.roleChanges()
	w.remove(coach)
	w.clerk.SetPublicMetadata(string(jane), nil)
	w.clerk.SetPrivateMetadata(string(jane), nil)
	w.endGrace()
	w.reconcileUntilStable(jane)
	if changes := w.roleChanges(); len(changes) != 1 || !strings.Contains(changes[0], "from admin to client") {
		t.Errorf("role changes: %q", changes)
	}
}

// The event of the operator's own write may precede its status: the status write conflicts, and the next reconcile repeats it.
// The deleted FitUser's status no longer exists then, and the row is already correct.
func TestRoleChanged_ReportedAfterStatusConflict(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	coach := w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "admin"})
	w.reconcileUntilStable(jane)
	w.roleChanges()
	w.remove(coach)
	w.reconcileUntilStable(jane)
	w.endGrace()
	w.clerk.Inject(clerktest.Fault{
		Match: clerktest.On("PATCH", "/users/*/metadata"), Times: 1,
		Respond: func(answer http.ResponseWriter, r *http.Request, next http.Handler) {
			next.ServeHTTP(answer, r)
			w.event(jane, v1alpha1.UserUpdated)
		},
	})
	w.reconcileUntilStable(jane)
	want := []string{fmt.Sprintf("role of %s changed from admin to client (source: Revoked)", jane)}
	if diff := cmp.Diff(want, w.roleChanges()); diff != "" {
		t.Errorf("role changes (-want +got):\n%s", diff)
	}
	w.reconcileUntilStable(jane)
	if changes := w.roleChanges(); len(changes) != 0 {
		t.Errorf("role changes reported again: %q", changes)
	}
}

// A change is reported relative to the role in the status. An edited row is restored without a report; a row that was written
// before a crash is reported with its status.
func TestRoleChanged_EditedRowIsNotReported(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.reconcileUntilStable(jane)
	change := func(role string) { w.table.Exec("UPDATE users SET role = $1 WHERE id = $2", role, string(jane)) }
	change("admin")
	w.reconcileUntilStable(jane)
	w.wantRow(jane, user.Client)
	if changes := w.roleChanges(); len(changes) != 0 {
		t.Errorf("a role change that never was is reported: %q", changes)
	}
	w.clerk.SetPublicMetadata(string(jane), clerktest.Metadata{"role": "trainer"})
	change("trainer")
	w.reconcileUntilStable(jane)
	if changes := w.roleChanges(); len(changes) != 1 || !strings.Contains(changes[0], "from client to trainer") {
		t.Errorf("role changes: %q", changes)
	}
}
