package controllers_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/store/storetest"
	"github.com/fitai/fituser-operator/internal/user"
)

// externalWorld returns a world whose rows have Clerk's external_id as their key.
func externalWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	mapping := user.DefaultMapping()
	mapping.Key.Holds = user.HoldsExternalID
	w.useTable(storetest.SQLite(t), mapping)
	return w
}

// external gives a user an external id.
func (w *world) external(id, external user.ID) {
	w.clerk.Update(string(id), func(u *clerktest.User) {
		text := string(external)
		u.ExternalID = &text
	})
}

func (w *world) wantRowKey(id, key user.ID) {
	w.Helper()
	if got := w.fitUser(id).Status.RowKey; got != string(key) {
		w.Errorf("status.rowKey of %s is %q, want %q", id, got, key)
	}
}

// Clerk does not know a deleted user's external_id any more: the status has the row's key.
func TestRowKey_DeletedUsersRowIsFound(t *testing.T) {
	for _, policy := range []v1alpha1.DeletionPolicy{v1alpha1.DeletionPolicyDelete, v1alpha1.DeletionPolicyAnonymize} {
		t.Run(string(policy), func(t *testing.T) {
			w := externalWorld(t)
			w.Config.DeletionPolicy = policy
			jane, joe := w.signUp("jane"), w.signUp("joe")
			w.external(jane, "42")
			w.reconcileUntilStable(jane, joe)
			w.wantReady(jane)
			w.wantRowKey(jane, "42")
			w.wantRowKey(joe, "")
			w.wantNoWrites(jane, joe)
			if report := w.mustSweep(); report.OrphanedRows+report.Differing+report.New != 0 {
				t.Errorf("the sweep reports %+v", report)
			}
			w.restart()
			w.leave(jane)
			if policy == v1alpha1.DeletionPolicyAnonymize {
				w.wantColumns("42", anonymous("42"))
			} else {
				w.wantNoRow("42")
			}
			w.wantNoFitUser(jane)
			w.wantRow(joe, user.Client)
		})
	}
}

func TestRowKey_WaitingRow(t *testing.T) {
	w := externalWorld(t)
	w.DeletionDelay = week
	jane := w.trainer("jane")
	w.leave(jane)
	joe := w.signUp("joe")
	w.external(joe, "43")
	w.reconcileUntilStable(joe)
	at := w.clock.Now().Add(week)
	w.leave(joe)
	w.wantRowKey(joe, "43")
	w.signUp("jim")
	if report := w.mustSweep(); report.OrphanedRows != 0 {
		t.Errorf("the sweep reports %+v", report)
	}
	again := w.signUp("joe")
	w.external(again, "44")
	w.reconcileUntilStable(again)
	w.wantReady(again)
	w.wantColumns("43", map[string]any{"email": "deleted-43@deleted.invalid", "first_name": "joe"})
	w.clock.SetTime(at)
	w.restart()
	w.alarm()
	w.wantNoRow("43")
	w.wantColumns("44", map[string]any{"email": "joe@example.com"})
}

// Users exchange their addresses by the keys of their rows.
func TestRowKey_EmailsAreSwapped(t *testing.T) {
	w := externalWorld(t)
	jane, joe := w.signUp("jane"), w.signUp("joe")
	w.external(jane, "42")
	w.external(joe, "43")
	w.reconcileUntilStable(jane, joe)
	w.catchUp()
	w.clerk.SwapEmails(string(jane), string(joe))
	w.reconcileUntilStable(jane)
	w.reconcileUntilStable(joe)
	w.wantReady(jane)
	w.wantReady(joe)
	w.wantColumns("42", map[string]any{"email": "joe@example.com"})
	w.wantColumns("43", map[string]any{"email": "jane@example.com"})
}

// A changed external_id makes no second row: the message has both keys and the next step.
func TestRowKey_ExternalIDChanges(t *testing.T) {
	for name, c := range map[string]struct{ before, after user.ID }{
		"to another":        {"42", "43"},
		"from the Clerk id": {"", "43"},
	} {
		t.Run(name, func(t *testing.T) {
			w := externalWorld(t)
			jane := w.signUp("jane")
			if c.before == "" {
				c.before = jane
			} else {
				w.external(jane, c.before)
			}
			w.reconcileUntilStable(jane)
			w.external(jane, c.after)
			w.clerk.SetPrimaryEmail(string(jane), "janet@example.com") // no conflict would show it
			w.reconcileUntilStable(jane)
			w.wantReason(jane, v1alpha1.ReasonRowKeyChanged)
			ready := meta.FindStatusCondition(w.fitUser(jane).Status.Conditions, v1alpha1.ConditionReady)
			for _, key := range []user.ID{c.before, c.after} {
				if !strings.Contains(ready.Message, `"`+string(key)+`"`) {
					t.Errorf("the message does not name %s: %s", key, ready.Message)
				}
			}
			w.wantNoRow(c.after)
			w.wantNoWrites(jane)
			w.table.Exec("UPDATE users SET id = $1", string(c.after))
			w.reconcileUntilStable(jane)
			w.wantReady(jane)
			w.wantRowKey(jane, c.after)
			w.wantColumns(c.after, map[string]any{"email": "janet@example.com"})
		})
	}
}

// A second row under the new key has the same effect: the message names the former one.
func TestRowKey_FormerRowHoldsTheAddress(t *testing.T) {
	w := externalWorld(t)
	jane := w.signUp("jane")
	w.external(jane, "42")
	w.reconcileUntilStable(jane)
	w.table.Exec(`INSERT INTO users VALUES ('43', 'other@example.com', 'Jane', 'Doe', NULL, 'client', NULL, 1, 1)`)
	w.external(jane, "43")
	w.catchUp()
	w.reconcileUntilStable(jane)
	w.wantReason(jane, v1alpha1.ReasonEmailConflict)
	ready := meta.FindStatusCondition(w.fitUser(jane).Status.Conditions, v1alpha1.ConditionReady)
	if !strings.Contains(ready.Message, `"42"`) || !strings.Contains(ready.Message, "external_id") {
		t.Errorf("the message is %q", ready.Message)
	}
}

// A user who was deleted by mistake is created again in Clerk with the row's key as external_id: the row is theirs, with all
// that refers to it. The wait of the former user ends.
func TestRowKey_UserIsCreatedAgain(t *testing.T) {
	for name, key := range map[string]user.ID{"an id of the application's": "42", "the former Clerk id": ""} {
		t.Run(name, func(t *testing.T) {
			w := externalWorld(t)
			w.DeletionDelay = week
			before, joe := w.signUp("jane"), w.signUp("joe")
			if key == "" {
				key = before
			} else {
				w.external(before, key)
			}
			w.reconcileUntilStable(before, joe)
			w.table.Exec("UPDATE users SET password = 'secret'")
			at := w.clock.Now().Add(week)
			w.leave(before)

			w.clock.Step(time.Hour)
			after := w.signUp("jane")
			w.external(after, key)
			w.reconcileUntilStable(after)
			w.wantReady(after)
			w.wantColumns(key, map[string]any{"email": "jane@example.com", "password": "secret"})
			w.catchUp()
			w.clerk.SwapEmails(string(after), string(joe)) // the row is found by the user who has it now
			w.reconcileUntilStable(joe)
			w.wantReady(joe)
			w.clock.SetTime(at)
			w.restart()
			w.alarm()
			w.wantColumns(key, map[string]any{"email": "joe@example.com", "password": "secret"})
			w.wantNoFitUser(before)
			w.wantReady(joe)
			if got := w.rows(); got != 2 {
				t.Errorf("%d rows, want 2", got)
			}
		})
	}
}

// Users whose rows were never written are in no status: Clerk knows whose the rows are.
func TestRowKey_EmailsAreSwappedBeforeTheFirstReconcile(t *testing.T) {
	w := externalWorld(t)
	jane, joe := w.signUp("jane"), w.signUp("joe")
	w.external(jane, "42")
	w.external(joe, "43")
	for key, address := range map[string]string{"42": "joe@example.com", "43": "jane@example.com"} {
		w.legacyRow("'"+key+"'", address)
	}
	w.reconcileUntilStable(jane, joe)
	w.wantReady(jane)
	w.wantReady(joe)
	w.wantColumns("42", map[string]any{"email": "jane@example.com", "password": "secret"})
	w.wantColumns("43", map[string]any{"email": "joe@example.com", "password": "secret"})
}

// Another user can have the former row by external_id. This user still gets a row.
func TestRowKey_FormerKeyIsAnotherUsers(t *testing.T) {
	w := externalWorld(t)
	jane := w.signUp("jane")
	w.external(jane, "42")
	w.reconcileUntilStable(jane)
	w.external(jane, "43")
	joe := w.signUp("joe")
	w.external(joe, "42")
	w.catchUp()
	w.reconcileUntilStable(joe)
	w.reconcileUntilStable(jane)
	w.wantReady(joe)
	w.wantReady(jane)
	w.wantColumns("42", map[string]any{"email": "joe@example.com"})
	w.wantColumns("43", map[string]any{"email": "jane@example.com"})
}

// An external_id may be the Clerk id of another user in Clerk. The row with that key belongs to the other user.
func TestRowKey_IDOfAnotherUser(t *testing.T) {
	w := externalWorld(t)
	jane := w.signUp("jane")
	w.reconcileUntilStable(jane)
	joe := w.signUp("joe")
	w.external(joe, jane)
	w.reconcileUntilStable(joe)
	w.wantReason(joe, v1alpha1.ReasonRowKeyChanged)
	w.wantColumns(jane, map[string]any{"email": "jane@example.com"})
	w.leave(joe)
	w.wantColumns(jane, map[string]any{"email": "jane@example.com"})
	w.wantNoWrites(jane)
}

// reloadedTable has another mapping after the first read of a row.
type reloadedTable struct {
	store.Store
	next *user.Mapping
	read bool
}

func (r *reloadedTable) Get(context.Context, user.ID) (user.Row, error) {
	r.read = true
	return user.Row{}, store.ErrNotFound // the table of the next mapping has no such key
}

func (r *reloadedTable) Table() store.Table {
	table := r.Store.Table()
	if r.read {
		table.Mapping = r.next
	}
	return table
}

// The row of a deleted user may have another key under a mapping that is reloaded meanwhile: a missing row proves nothing.
func TestRowKey_MappingIsReloadedDuringADeletion(t *testing.T) {
	w := externalWorld(t)
	jane := w.signUp("jane")
	w.external(jane, "42")
	w.reconcileUntilStable(jane)
	table := w.Store
	w.Store = &reloadedTable{Store: table, next: user.DefaultMapping()}
	w.clerk.Delete(string(jane))
	w.catchUp()
	_, _ = w.ReconcileUser(w.ctx, jane)
	w.fitUser(jane) // it is still there
	w.Store = table
	w.reconcileUntilStable(jane)
	w.wantNoRow("42")
	w.wantNoFitUser(jane)
}
