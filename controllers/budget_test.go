package controllers_test

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/state"
	"github.com/fitai/fituser-operator/internal/user"
)

// overrideBudget sets the annotation that overrides the budget, as a person does.
func (w *world) overrideBudget() {
	w.Helper()
	s, err := w.Budget.State.Read(w.ctx)
	if err != nil {
		w.Fatal(err)
	}
	metav1.SetMetaDataAnnotation(&s.Object.ObjectMeta, state.AnnotationAllowDeletions, "true")
	if err := w.live().Update(w.ctx, s.Object); err != nil {
		w.Fatal(err)
	}
}

// requeueDeferred does what the schedule does when it polls: it reconciles deferred users, and sweeps where that is needed.
func (w *world) requeueDeferred() {
	w.Helper()
	w.catchUp()
	needed, err := w.sweeper().RequeueDeferred(w.ctx)
	if err != nil {
		w.Fatal(err)
	}
	done := make(chan struct{})
	close(done)
	w.reconcileUntil(done)
	if needed {
		w.mustSweep()
	}
}

func (w *world) deferredUsers() int {
	w.Helper()
	deferred := 0
	for _, u := range w.allFitUsers() {
		if reasonOf(u) == v1alpha1.ReasonDeletionDeferred {
			deferred++
		}
	}
	return deferred
}

func TestBudget_DefersDeletionsBeyondTheLimit(t *testing.T) {
	for name, cause := range map[string]func(w *world, ids []user.ID){
		"found by a sweep": func(w *world, _ []user.ID) { w.mustSweep() },
		"reported by events": func(w *world, ids []user.ID) {
			for _, id := range ids {
				w.event(id, v1alpha1.UserDeleted)
				w.reconcileUntilStable(id)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			var ids []user.ID
			for i := range 30 {
				ids = append(ids, w.signUp(fmt.Sprintf("user%d", i)))
			}
			w.mustSweep()
			w.limitDeletions(7)
			w.clock.Step(time.Hour) // a new period
			for _, id := range ids[:20] {
				w.clerk.Delete(string(id))
			}
			wantRows := func(when string, want int) {
				t.Helper()
				if got := w.rows(); got != want {
					t.Fatalf("%s %d rows are left, want %d", when, got, want)
				}
			}
			cause(w, ids[:20])
			wantRows("at first", 30-7)
			s, err := w.Budget.State.Read(w.ctx)
			if err != nil || s.Deletions.Deferred+w.deferredUsers() != 13 {
				t.Errorf("a sweep deferred %d, and %d FitUsers report it, %v; want 13 in all", s.Deletions.Deferred, w.deferredUsers(), err)
			}

			w.restartBudget()
			cause(w, ids[:20])
			wantRows("after a restart", 30-7)

			w.overrideBudget()
			w.requeueDeferred()
			wantRows("after the override", 10)
			if w.deferredUsers() != 0 {
				t.Errorf("%d FitUsers still report a deferred deletion", w.deferredUsers())
			}

			w.clock.Step(w.Budget.Period)
			w.requeueDeferred()
			if s, err := w.Budget.State.Read(w.ctx); err != nil || s.OverrideRequested || s.Deletions.Deferred != 0 {
				t.Errorf("the override outlives its period: %+v, %v", s, err)
			}
		})
	}
}

// A new period allows as many deletions again, without an override.
func TestBudget_NextPeriodContinuesDeferredDeletions(t *testing.T) {
	w := newWorld(t)
	var ids []user.ID
	for i := range 9 {
		ids = append(ids, w.signUp(fmt.Sprintf("user%d", i)))
	}
	w.mustSweep()
	w.limitDeletions(4)
	w.clock.Step(w.Budget.Period)
	for _, id := range ids {
		w.clerk.Delete(string(id))
		w.event(id, v1alpha1.UserDeleted)
		w.reconcileUntilStable(id)
	}
	for _, want := range []int{5, 1, 0} {
		if got := w.rows(); got != want || w.deferredUsers() != want {
			t.Fatalf("%d rows are left and %d users deferred, want %d", got, w.deferredUsers(), want)
		}
		w.clock.Step(w.Budget.Period)
		w.requeueDeferred()
	}
}

// A CRD that is deleted and applied again takes all FitUsers with it: rows stay, and only some roles are revoked.
func TestBudget_CountsRolesOfDeletedFitUsers(t *testing.T) {
	w := newWorld(t)
	w.limitDeletions(2)
	var ids []user.ID
	for i := range 6 {
		id := w.signUp(fmt.Sprintf("user%d", i))
		ids = append(ids, id)
		manifest := w.manifest(fmt.Sprintf("coach%d", i), id, v1alpha1.FitUserSpec{Role: "trainer"})
		w.reconcileUntilStable(id)
		w.remove(manifest)
		w.reconcileUntilStable(id)
	}
	w.endGrace()
	w.reconcileUntilStable(ids...)
	left := 0
	for _, id := range ids {
		if role, _ := w.metadata(id); role == "trainer" {
			left++
			w.wantReason(id, v1alpha1.ReasonDeletionDeferred)
		}
	}
	if left != 4 || w.rows() != 6 {
		t.Errorf("%d roles and %d rows are left", left, w.rows())
	}
}

// A user whose deletion is not due any more is not deferred any more.
func TestBudget_UserWhoReturnsIsNotDeferred(t *testing.T) {
	for name, change := range map[string]func(w *world, jane user.ID){
		"the row is retained": func(w *world, jane user.ID) {
			w.change(w.fitUser(jane), func(u *v1alpha1.FitUser) { u.Spec.DeletionPolicy = v1alpha1.DeletionPolicyRetain })
		},
		"the FitUser is deleted": func(w *world, jane user.ID) { w.remove(w.fitUser(jane)) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.limitDeletions(0)
			jane := w.signUp("jane")
			w.reconcileUntilStable(jane)
			w.clerk.Delete(string(jane))
			w.reconcileUntilStable(jane)
			w.wantReason(jane, v1alpha1.ReasonDeletionDeferred)
			change(w, jane)
			w.reconcileUntilStable(jane)
			if got := w.deferredUsers(); got != 0 {
				t.Errorf("%d users are deferred", got)
			}
		})
	}
}

// A manifest that is created again while the revocation is deferred keeps the role, also in a new process.
func TestBudget_ReplacedManifestIsNotDeferred(t *testing.T) {
	w := newWorld(t)
	w.limitDeletions(0)
	jane := w.signUp("jane")
	coach := w.manifest("coach", jane, v1alpha1.FitUserSpec{Role: "trainer"})
	w.reconcileUntilStable(jane)
	w.remove(coach)
	w.reconcileUntilStable(jane)
	w.endGrace()
	w.reconcileUntilStable(jane)
	w.wantReason(jane, v1alpha1.ReasonDeletionDeferred)

	w.restartBudget()
	w.manifest("trainer", jane, v1alpha1.FitUserSpec{Role: "trainer"})
	w.reconcileUntilStable(jane)
	w.requeueDeferred()
	w.wantReady(jane)
	if got := w.deferredUsers(); got != 0 {
		t.Errorf("%d users are deferred", got)
	}
}

// A listing that lacked a user may have been wrong: when the next one has them, no deletion is deferred.
func TestBudget_UserListedAgainIsNotDeferred(t *testing.T) {
	w := newWorld(t)
	w.limitDeletions(0)
	jane, joe := w.signUp("jane"), w.signUp("joe")
	w.reconcileUntilStable(jane, joe)
	if err := w.Budget.SetDeferred(w.ctx, 1); err != nil {
		t.Fatal(err)
	}
	w.mustSweep()
	if s, err := w.Budget.State.Read(w.ctx); err != nil || s.Deletions.Deferred != 0 {
		t.Errorf("%d users are deferred, %v", s.Deletions.Deferred, err)
	}
}
