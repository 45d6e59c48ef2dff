package controllers_test

import (
	"testing"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

func TestRow_EditedOrDeletedIsRestored(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.reconcileUntilStable(jane)
	w.table.Exec("UPDATE users SET role = 'admin', first_name = 'Eve', phone = '1' WHERE id = $1", string(jane))
	w.wantWrites(0, 0, func() { w.reconcileUntilStable(jane) })
	w.wantRow(jane, user.Client)
	w.table.Exec("DELETE FROM users")
	w.wantWrites(0, 0, func() { w.reconcileUntilStable(jane) })
	w.wantRow(jane, user.Client)
}

func TestRow_UserWithoutEmail(t *testing.T) {
	w := newWorld(t)
	jane := user.ID(w.clerk.SignUp(clerktest.Person{Phone: "+15550100"}))
	w.event(jane, v1alpha1.UserCreated)
	w.reconcileUntilStable(jane)
	w.wantReason(jane, v1alpha1.ReasonEmailMissing)
	w.wantNoRow(jane)
	w.wantNoWrites(jane)

	w.clerk.SetPrimaryEmail(string(jane), "jane@example.com")
	w.reconcileUntilStable(jane)
	w.wantReady(jane)
	w.wantRow(jane, user.Client)
	if got := w.table.Column(jane, "phone"); got != "+15550100" {
		t.Errorf("phone is %v", got)
	}
}

// A row needs an address, so it keeps one that Clerk no longer has. Everything else is updated, above all the role.
func TestRow_RemovedEmailKeepsRow(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	coach := w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "admin"})
	w.reconcileUntilStable(jane)
	w.clerk.SetPrimaryEmail(string(jane), "")
	w.change(coach, func(u *v1alpha1.FitUser) { u.Spec.Role = "" })
	w.reconcileUntilStable(jane)
	w.wantReason(jane, v1alpha1.ReasonEmailMissing)
	if row := w.table.Row(jane); row["email"] != "jane@example.com" || row["role"] != "client" {
		t.Errorf("row: %v", row)
	}
	w.wantNoWrites(jane)
}

func TestRow_InvalidText(t *testing.T) {
	w := newWorld(t)
	w.table.Exec("DROP TABLE users")
	w.table.Exec(`CREATE TABLE users (id text PRIMARY KEY NOT NULL, email text NOT NULL UNIQUE,
		first_name text NOT NULL CHECK (length(first_name) < 10), last_name text NOT NULL, password text,
		role text DEFAULT 'client' NOT NULL, phone text, created_at integer NOT NULL, updated_at integer NOT NULL)`)
	jane, joe := w.signUp("jane"), w.signUp("joe")
	w.clerk.SetNames(string(jane), "much too long a name", "")
	w.reconcileUntilStable(jane, joe)
	w.wantReason(jane, v1alpha1.ReasonInvalidData)
	w.wantReady(joe)
	w.wantNoWrites(jane)
	w.clerk.SetNames(string(jane), "Jane", "")
	w.reconcileUntilStable(jane)
	w.wantReady(jane)
}

func TestRow_EmailSwap(t *testing.T) {
	for name, order := range map[string]func(a, b user.ID) []user.ID{
		"one reconciled first":   func(a, b user.ID) []user.ID { return []user.ID{a, b} },
		"other reconciled first": func(a, b user.ID) []user.ID { return []user.ID{b, a} },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			jane, joe := w.signUp("jane"), w.signUp("joe")
			w.reconcileUntilStable(jane, joe)
			w.clerk.SwapEmails(string(jane), string(joe))
			w.reconcileUntilStable(order(jane, joe)[0])
			w.wantRow(jane, user.Client) // one write updates both rows
			w.wantRow(joe, user.Client)
			w.reconcileUntilStable(jane, joe)
			w.wantReady(jane)
			w.wantReady(joe)
			w.wantNoWrites(jane, joe)
		})
	}
}

func TestRow_EmailRing(t *testing.T) {
	w := newWorld(t)
	a, b, c := w.signUp("a"), w.signUp("b"), w.signUp("c")
	w.reconcileUntilStable(a, b, c)
	w.clerk.SwapEmails(string(a), string(b))
	w.clerk.SwapEmails(string(b), string(c))
	w.reconcileUntilStable(a)
	for _, id := range []user.ID{a, b, c} {
		w.wantRow(id, user.Client)
	}
	w.reconcileUntilStable(b, c)
	w.wantNoWrites(a, b, c)
}

func TestRow_EmailHandedOver(t *testing.T) {
	w := newWorld(t)
	jane, joe := w.signUp("jane"), w.signUp("joe")
	w.reconcileUntilStable(jane, joe)
	w.clerk.SetPrimaryEmail(string(jane), "jane.doe@example.com")
	w.clerk.SetPrimaryEmail(string(joe), "jane@example.com")
	w.reconcileUntilStable(joe)
	w.wantRow(joe, user.Client)
	w.wantRow(jane, user.Client)
}

// Of another user's row only the address is written, and nothing while that user's FitUser is suspended.
func TestRow_EmailHeldBySuspendedUser(t *testing.T) {
	w := newWorld(t)
	jane, joe := w.signUp("jane"), w.signUp("joe")
	w.reconcileUntilStable(jane, joe)
	w.manifest("jane", jane, v1alpha1.FitUserSpec{Suspend: true})
	w.clerk.SetPrimaryEmail(string(jane), "jane.doe@example.com")
	w.clerk.SetPrimaryEmail(string(joe), "jane@example.com")
	w.reconcileUntilStable(joe)
	w.wantReason(joe, v1alpha1.ReasonEmailConflict)
	if got := w.table.Column(jane, "email"); got != "jane@example.com" {
		t.Errorf("the suspended user's row has %v", got)
	}
	w.wantNoWrites(joe)
}

func TestRow_DeletedAccountSignsUpAgain(t *testing.T) {
	w := newWorld(t)
	before := w.signUp("jane")
	w.reconcileUntilStable(before)
	w.clerk.Delete(string(before))
	after := w.signUp("jane")
	if _, err := w.reconcile(after); err == nil {
		t.Error("the new account is not requeued for its row")
	}
	w.wantReason(after, v1alpha1.ReasonRowPending)
	select {
	case e := <-w.Requests():
		w.reconcileUntilStable(e.Object.ID)
	default:
		t.Fatal("the old account was not requested")
	}
	w.reconcileUntilStable(after)
	w.wantNoRow(before)
	w.wantRow(after, user.Client)
	w.wantReady(after)
}

func TestRow_EmailHeldByOrphanedRow(t *testing.T) {
	for name, id := range map[string]string{"an id of the application's": "42", "an id Clerk does not know": "user_gone"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.table.Exec(`INSERT INTO users VALUES ($1, 'jane@example.com', 'Old', 'Hand', 'pw', 'admin', NULL, 1, 1)`, id)
			jane := w.signUp("jane")
			w.reconcileUntilStable(jane)
			w.wantReason(jane, v1alpha1.ReasonEmailConflict)
			if row := w.table.Row(user.ID(id)); row["first_name"] != "Old" || row["email"] != "jane@example.com" {
				t.Errorf("the orphaned row was changed: %v", row)
			}
			w.wantNoRow(jane)
			w.wantNoWrites(jane)

			w.table.Exec("DELETE FROM users")
			w.reconcileUntilStable(jane)
			w.wantReady(jane)
		})
	}
}

func TestRow_EmailHeldByRetainedRow(t *testing.T) {
	w := newWorld(t)
	before := w.signUp("jane")
	w.manifest("jane", before, v1alpha1.FitUserSpec{DeletionPolicy: v1alpha1.DeletionPolicyRetain})
	w.reconcileUntilStable(before)
	w.clerk.Delete(string(before))
	w.reconcileUntilStable(before)
	after := w.signUp("jane")
	w.reconcileUntilStable(after)
	w.wantReason(after, v1alpha1.ReasonEmailConflict)
	w.wantNoWrites(before, after)
}
