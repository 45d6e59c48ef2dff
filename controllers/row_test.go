package controllers_test

import (
	"testing"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

func TestEditedAndDeletedRowsComeBack(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.settle(jane)
	w.table.Exec("UPDATE users SET role = 'admin', first_name = 'Eve', phone = '1' WHERE id = $1", string(jane))
	w.wantWrites(0, 0, func() { w.settle(jane) })
	w.wantRow(jane, user.Client)
	w.table.Exec("DELETE FROM users")
	w.wantWrites(0, 0, func() { w.settle(jane) })
	w.wantRow(jane, user.Client)
}

func TestUserWithoutEmail(t *testing.T) {
	w := newWorld(t)
	jane := user.ID(w.clerk.SignUp(clerktest.Person{Phone: "+15550100"}))
	w.event(jane, v1alpha1.UserCreated)
	w.settle(jane)
	w.wantReason(jane, v1alpha1.ReasonEmailMissing)
	w.wantNoRow(jane)
	w.silent(jane)

	w.clerk.SetPrimaryEmail(string(jane), "jane@example.com")
	w.settle(jane)
	w.wantReady(jane)
	w.wantRow(jane, user.Client)
	if got := w.table.Column(jane, "phone"); got != "+15550100" {
		t.Errorf("phone is %v", got)
	}
}

// A row keeps an address that Clerk no longer has, for it must have one; in all else it follows, the role above all.
func TestEmailTakenAwayLeavesTheRow(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	coach := w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "admin"})
	w.settle(jane)
	w.clerk.SetPrimaryEmail(string(jane), "")
	w.change(coach, func(u *v1alpha1.FitUser) { u.Spec.Role = "" })
	w.settle(jane)
	w.wantReason(jane, v1alpha1.ReasonEmailMissing)
	if row := w.table.Row(jane); row["email"] != "jane@example.com" || row["role"] != "client" {
		t.Errorf("row: %v", row)
	}
	w.silent(jane)
}

func TestTextTheDatabaseCannotHold(t *testing.T) {
	w := newWorld(t)
	w.table.Exec("DROP TABLE users")
	w.table.Exec(`CREATE TABLE users (id text PRIMARY KEY NOT NULL, email text NOT NULL UNIQUE,
		first_name text NOT NULL CHECK (length(first_name) < 10), last_name text NOT NULL, password text,
		role text DEFAULT 'client' NOT NULL, phone text, created_at integer NOT NULL, updated_at integer NOT NULL)`)
	jane, joe := w.signUp("jane"), w.signUp("joe")
	w.clerk.SetNames(string(jane), "much too long a name", "")
	w.settle(jane, joe)
	w.wantReason(jane, v1alpha1.ReasonInvalidData)
	w.wantReady(joe)
	w.silent(jane)
	w.clerk.SetNames(string(jane), "Jane", "")
	w.settle(jane)
	w.wantReady(jane)
}

func TestEmailSwap(t *testing.T) {
	for name, order := range map[string]func(a, b user.ID) []user.ID{
		"one looked at first":   func(a, b user.ID) []user.ID { return []user.ID{a, b} },
		"other looked at first": func(a, b user.ID) []user.ID { return []user.ID{b, a} },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			jane, joe := w.signUp("jane"), w.signUp("joe")
			w.settle(jane, joe)
			w.clerk.SwapEmails(string(jane), string(joe))
			w.settle(order(jane, joe)[0])
			w.wantRow(jane, user.Client) // both rows at once
			w.wantRow(joe, user.Client)
			w.settle(jane, joe)
			w.wantReady(jane)
			w.wantReady(joe)
			w.silent(jane, joe)
		})
	}
}

func TestEmailRing(t *testing.T) {
	w := newWorld(t)
	a, b, c := w.signUp("a"), w.signUp("b"), w.signUp("c")
	w.settle(a, b, c)
	w.clerk.SwapEmails(string(a), string(b))
	w.clerk.SwapEmails(string(b), string(c))
	w.settle(a)
	for _, id := range []user.ID{a, b, c} {
		w.wantRow(id, user.Client)
	}
	w.settle(b, c)
	w.silent(a, b, c)
}

func TestEmailHandedOver(t *testing.T) {
	w := newWorld(t)
	jane, joe := w.signUp("jane"), w.signUp("joe")
	w.settle(jane, joe)
	w.clerk.SetPrimaryEmail(string(jane), "jane.doe@example.com")
	w.clerk.SetPrimaryEmail(string(joe), "jane@example.com")
	w.settle(joe)
	w.wantRow(joe, user.Client)
	w.wantRow(jane, user.Client)
}

// Of somebody else's row only the address is written, and not even that while their FitUser is suspended.
func TestEmailHeldByASuspendedUser(t *testing.T) {
	w := newWorld(t)
	jane, joe := w.signUp("jane"), w.signUp("joe")
	w.settle(jane, joe)
	w.manifest("jane", jane, v1alpha1.FitUserSpec{Suspend: true})
	w.clerk.SetPrimaryEmail(string(jane), "jane.doe@example.com")
	w.clerk.SetPrimaryEmail(string(joe), "jane@example.com")
	w.settle(joe)
	w.wantReason(joe, v1alpha1.ReasonEmailConflict)
	if got := w.table.Column(jane, "email"); got != "jane@example.com" {
		t.Errorf("the suspended user's row says %v", got)
	}
	w.silent(joe)
}

func TestAccountDeletedAndSignedUpAgain(t *testing.T) {
	w := newWorld(t)
	before := w.signUp("jane")
	w.settle(before)
	w.clerk.Delete(string(before))
	after := w.signUp("jane")
	if _, err := w.reconcile(after); err == nil {
		t.Error("the new account does not come back for its row")
	}
	w.wantReason(after, v1alpha1.ReasonRowPending)
	select {
	case e := <-w.Requests():
		w.settle(e.Object.ID)
	default:
		t.Fatal("the old account was not asked for")
	}
	w.settle(after)
	w.wantNoRow(before)
	w.wantRow(after, user.Client)
	w.wantReady(after)
}

func TestEmailHeldByNobody(t *testing.T) {
	for name, id := range map[string]string{"an id of the application's": "42", "an id Clerk does not know": "user_gone"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.table.Exec(`INSERT INTO users VALUES ($1, 'jane@example.com', 'Old', 'Hand', 'pw', 'admin', NULL, 1, 1)`, id)
			jane := w.signUp("jane")
			w.settle(jane)
			w.wantReason(jane, v1alpha1.ReasonEmailConflict)
			if row := w.table.Row(user.ID(id)); row["first_name"] != "Old" || row["email"] != "jane@example.com" {
				t.Errorf("somebody else's row was touched: %v", row)
			}
			w.wantNoRow(jane)
			w.silent(jane)

			w.table.Exec("DELETE FROM users")
			w.settle(jane)
			w.wantReady(jane)
		})
	}
}

func TestEmailHeldByARetainedRow(t *testing.T) {
	w := newWorld(t)
	before := w.signUp("jane")
	w.manifest("jane", before, v1alpha1.FitUserSpec{DeletionPolicy: v1alpha1.DeletionPolicyRetain})
	w.settle(before)
	w.clerk.Delete(string(before))
	w.settle(before)
	after := w.signUp("jane")
	w.settle(after)
	w.wantReason(after, v1alpha1.ReasonEmailConflict)
	w.silent(before, after)
}
