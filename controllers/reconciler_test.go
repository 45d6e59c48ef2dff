package controllers_test

import (
	"testing"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/user"
)

func TestReconcile_NewUser(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.wantWrites(2, 0, func() { // the receiver's FitUser with its hint, and one status
		w.event(jane, v1alpha1.UserCreated)
		w.reconcileUntilStable(jane)
	})
	w.wantReady(jane)
	w.wantRow(jane, user.Client)
	status := w.fitUser(jane).Status
	if status.Profile.Email != "jane@example.com" || status.Role != "client" || status.RoleSource != "Default" {
		t.Errorf("status: %+v", status)
	}
	w.wantNoWrites(jane)
}

func TestReconcile_CreatesMissingFitUser(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.wantWrites(2, 0, func() { w.reconcileUntilStable(jane) })
	w.wantReady(jane)
	w.wantRow(jane, user.Client)
	if !w.fitUser(jane).ManagedByOperator() {
		t.Error("the FitUser is not operator-managed")
	}
	w.wantNoWrites(jane)
}

func TestReconcile_EventWithoutChangeWritesNothing(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.reconcileUntilStable(jane)
	row := w.table.Row(jane)
	w.wantWrites(1, 0, func() { // the hint itself
		w.clerk.SignIn(string(jane))
		w.event(jane, v1alpha1.UserUpdated)
		w.reconcileUntilStable(jane)
	})
	if w.table.Row(jane)["updated_at"] != row["updated_at"] {
		t.Error("the row was written")
	}
}

func TestReconcile_ChangedUser(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.reconcileUntilStable(jane)
	w.table.Exec("UPDATE users SET password = 'secret' WHERE id = $1", string(jane))
	w.clerk.SetNames(string(jane), "Janet", "")
	w.wantWrites(2, 0, func() { // hint and status
		w.event(jane, v1alpha1.UserUpdated)
		w.reconcileUntilStable(jane)
	})
	w.wantRow(jane, user.Client)
	if w.table.Column(jane, "password") != "secret" {
		t.Error("the application's password was changed")
	}
	if got := w.fitUser(jane).Status.Profile.FirstName; got != "Janet" {
		t.Errorf("the status has %q", got)
	}
}

func TestStatus_AccountStateChangesNoRow(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.reconcileUntilStable(jane)
	w.clerk.Ban(string(jane))
	w.clerk.Deprovision(string(jane))
	w.clerk.SetPrimaryEmail(string(jane), "jane+clerk_test@example.com")
	w.reconcileUntilStable(jane)
	w.wantReady(jane)
	w.wantRow(jane, user.Client)
	if account := w.fitUser(jane).Status.Clerk; !account.Banned || !account.Deprovisioned || !account.TestUser {
		t.Errorf("the status has %+v", account)
	}
}

func TestReconcile_DeletedUser(t *testing.T) {
	w := newWorld(t)
	jane, joe := w.signUp("jane"), w.signUp("joe")
	w.reconcileUntilStable(jane, joe)
	w.clerk.Delete(string(jane))
	w.event(jane, v1alpha1.UserDeleted)
	w.reconcileUntilStable(jane)
	w.wantNoRow(jane)
	if w.fitUser(jane) != nil {
		t.Error("the operator's FitUser is still there")
	}
	w.wantRow(joe, user.Client)
	w.wantNoWrites(jane, joe)
}

func TestReconcile_DeletionPolicyRetain(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.manifest("jane", jane, v1alpha1.FitUserSpec{DeletionPolicy: v1alpha1.DeletionPolicyRetain})
	w.reconcileUntilStable(jane)
	w.clerk.Delete(string(jane))
	w.reconcileUntilStable(jane)
	w.wantReason(jane, v1alpha1.ReasonUserNotFound)
	if w.table.Row(jane) == nil {
		t.Error("the row is deleted")
	}
	w.wantNoWrites(jane)

	w.change(w.fitUser(jane), func(u *v1alpha1.FitUser) { u.Spec.DeletionPolicy = v1alpha1.DeletionPolicyDelete })
	w.reconcileUntilStable(jane)
	w.wantNoRow(jane)
	w.wantReason(jane, v1alpha1.ReasonUserNotFound)
}

func TestReconcile_RowInUseIsKept(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.reconcileUntilStable(jane)
	w.table.Exec("CREATE TABLE workouts (user_id text REFERENCES users(id))")
	w.table.Exec("INSERT INTO workouts VALUES ($1)", string(jane))
	w.clerk.Delete(string(jane))
	w.reconcileUntilStable(jane)
	w.wantReason(jane, v1alpha1.ReasonRowInUse)
	if w.table.Row(jane) == nil {
		t.Fatal("the row is deleted")
	}
	w.wantNoWrites(jane)
	w.table.Exec("DELETE FROM workouts")
	w.reconcileUntilStable(jane)
	w.wantNoRow(jane)
	if w.fitUser(jane) != nil {
		t.Error("the FitUser is still there")
	}
}

// The operator does not change the row of a user that it never observed in Clerk.
func TestReconcile_RowOfUnobservedUserIsKept(t *testing.T) {
	const stranger = user.ID("user_stranger")
	events := map[string]func(*world){
		"forged deletion": func(w *world) { w.event(stranger, v1alpha1.UserDeleted) },
		"forged creation": func(w *world) { w.event(stranger, v1alpha1.UserCreated) },
		"manifest":        func(w *world) { w.manifest("stranger", stranger, v1alpha1.FitUserSpec{Role: "admin"}) },
	}
	for name, act := range events {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.table.Exec(`INSERT INTO users VALUES ($1, 'old@example.com', 'Old', 'Hand', 'pw', 'admin', NULL, 1, 1)`, string(stranger))
			act(w)
			w.clock.Step(fituser.DefaultLagTolerance)
			w.reconcileUntilStable(stranger)
			if w.table.Column(stranger, "email") != "old@example.com" {
				t.Error("the row was changed")
			}
			if u := w.fitUser(stranger); name != "manifest" && u != nil {
				t.Errorf("%s is left", u.Name)
			}
			w.wantNoWrites(stranger)
		})
	}
}

func TestReconcile_DashboardExampleEventLeavesNothing(t *testing.T) {
	w := newWorld(t)
	example := user.ID("user_2g7np7Hrk0SN6kj5EDMLDaKNL0S")
	for _, eventType := range []v1alpha1.EventType{v1alpha1.UserCreated, v1alpha1.UserUpdated, v1alpha1.UserDeleted} {
		w.event(example, eventType)
	}
	w.clock.Step(fituser.DefaultLagTolerance)
	w.reconcileUntilStable(example)
	if w.fitUser(example) != nil {
		t.Error("a FitUser is left")
	}
	w.wantNoRow(example)
}
