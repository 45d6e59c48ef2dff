package controllers_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/user"
)

func TestManifest_RenameKeepsRole(t *testing.T) {
	for name, operatorsOwn := range map[string]bool{"alone": false, "with an event in between": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			jane := w.signUp("jane")
			before := w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "admin"})
			w.reconcileUntilStable(jane)
			w.wantWrites(6, 0, func() { // delete; the operator's FitUser and status; create and status; delete the operator's
				w.remove(before)
				if _, err := w.reconcile(jane); err != nil {
					t.Fatal(err)
				}
				w.manifest("jane-doe", jane, v1alpha1.FitUserSpec{Role: "admin"})
				w.reconcileUntilStable(jane)
			})
			if operatorsOwn {
				w.event(jane, v1alpha1.UserUpdated)
				w.reconcileUntilStable(jane)
			}
			w.wantRole(jane, user.Admin, user.FromManifest, "admin", markerOf("admin"))
			w.wantReasonOf(w.fitUser(jane), v1alpha1.ReasonSynced)
		})
	}
}

func TestManifest_UserSignsUpLater(t *testing.T) {
	w := newWorld(t)
	const jane = user.ID("user_2abc123")
	coach := w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "trainer"})
	w.reconcileUntilStable(jane)
	w.wantReason(jane, v1alpha1.ReasonUserNotFound)
	w.wantNoRow(jane)
	w.wantNoWrites(jane)

	w.clerk.SignUp(clerktest.Person{ID: string(jane), Email: "jane@example.com"})
	w.event(jane, v1alpha1.UserCreated)
	w.reconcileUntilStable(jane)
	w.wantReady(jane)
	w.wantRole(jane, user.Trainer, user.FromManifest, "trainer", markerOf("trainer"))

	w.clerk.Delete(string(jane))
	w.event(jane, v1alpha1.UserDeleted)
	w.reconcileUntilStable(jane)
	w.wantReasonOf(coach, v1alpha1.ReasonUserNotFound)
	w.wantNoRow(jane)
}

func TestManifest_TwoForOneUser(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	older := w.manifest("jane-a", jane, v1alpha1.FitUserSpec{Role: "trainer"})
	newer := w.manifest("jane-b", jane, v1alpha1.FitUserSpec{Role: "admin"})
	if first := fitusers.Select(jane, []*v1alpha1.FitUser{older, newer}, nil).Active; first != older {
		older, newer = newer, older // created within one second: the smaller UID is active
	}
	w.reconcileUntilStable(jane)
	w.wantReasonOf(older, v1alpha1.ReasonSynced)
	w.wantReasonOf(newer, v1alpha1.ReasonDuplicateUser)
	role := string(older.Spec.Role)
	w.wantRole(jane, user.Role(role), user.FromManifest, role, markerOf(role))
	w.wantNoWrites(jane)

	w.remove(older)
	w.reconcileUntilStable(jane)
	role = string(newer.Spec.Role)
	w.wantRole(jane, user.Role(role), user.FromManifest, role, markerOf(role))
	w.wantReasonOf(newer, v1alpha1.ReasonSynced)
}

// Another user's manifest may have the derived name of a user's FitUser.
func TestFitUser_NameTakenByAnotherUsersManifest(t *testing.T) {
	w := newWorld(t)
	jane, joe := w.signUp("jane"), w.signUp("joe")
	w.manifest(fitusers.NameFor(string(jane), 0), joe, v1alpha1.FitUserSpec{Role: "trainer"})
	w.reconcileUntilStable(jane, joe)
	w.wantReady(jane)
	w.wantReady(joe)
	w.wantRow(jane, user.Client)
	w.wantRow(joe, user.Trainer)
	w.wantNoWrites(jane, joe)
}

func TestSuspend_WritesNothing(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.reconcileUntilStable(jane)
	w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "admin", Suspend: true})
	w.clerk.SetNames(string(jane), "Janet", "Doe")
	row := w.table.Row(jane)
	w.wantWrites(2, 0, func() { w.reconcileUntilStable(jane) }) // the status, and the deletion of the operator's FitUser
	w.wantReason(jane, v1alpha1.ReasonSuspended)
	want := "spec.suspend is true. Without it the operator would grant the role admin in Clerk, and update the row (first_name)"
	if got := meta.FindStatusCondition(w.fitUser(jane).Status.Conditions, v1alpha1.ConditionReady).Message; got != want {
		t.Errorf("the message is %q, want %q", got, want)
	}
	if diff := cmp.Diff(row, w.table.Row(jane)); diff != "" {
		t.Errorf("the row was written:\n%s", diff)
	}
	if got := w.fitUser(jane).Status.Profile.FirstName; got != "Janet" {
		t.Errorf("the status is not updated: %q", got)
	}
	w.clerk.Delete(string(jane))
	w.reconcileUntilStable(jane)
	if w.table.Row(jane) == nil {
		t.Error("the row is deleted")
	}
	w.wantNoWrites(jane)

	w.change(w.fitUser(jane), func(u *v1alpha1.FitUser) { u.Spec.Suspend = false })
	w.reconcileUntilStable(jane)
	w.wantNoRow(jane)
}
