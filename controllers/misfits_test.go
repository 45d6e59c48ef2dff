package controllers_test

import (
	"strings"
	"testing"

	"github.com/fitai/fituser-operator/api/v1alpha1"
)

// A deletion that deletes nothing is not done: the personal data is still there.
func TestReconcile_RowThatATriggerKeeps(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.reconcileUntilStable(jane)
	w.table.Exec("CREATE TRIGGER kept BEFORE DELETE ON users BEGIN SELECT RAISE(IGNORE); END")
	w.clerk.Delete(string(jane))
	w.reconcileUntilStable(jane)
	w.wantReason(jane, v1alpha1.ReasonRowInUse)
	if w.table.Row(jane) == nil {
		t.Fatal("the row is deleted")
	}
	w.wantNoWrites(jane)
	w.table.Exec("DROP TRIGGER kept")
	w.reconcileUntilStable(jane)
	w.wantNoRow(jane)
	if w.fitUser(jane) != nil {
		t.Error("the FitUser is still there")
	}
}

// The application's trigger is named, in place of a missing table or a concurrent deletion.
func TestReconcile_RowThatATriggerRefuses(t *testing.T) {
	for name, body := range map[string]string{
		"refuses": "SELECT RAISE(ABORT, 'no')", "drops": "SELECT RAISE(IGNORE)", "fails": "INSERT INTO audit VALUES (1)",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.table.Exec("CREATE TRIGGER guarded BEFORE INSERT ON users BEGIN " + body + "; END")
			jane := w.signUp("jane")
			w.reconcileUntilStable(jane)
			w.wantReason(jane, v1alpha1.ReasonRowRefused)
			w.wantNoWrites(jane)
			w.table.Exec("DROP TRIGGER guarded")
			w.reconcileUntilStable(jane)
			w.wantReason(jane, v1alpha1.ReasonSynced)
		})
	}
}

// The message has what keeps the row, so that a person can act.
func TestReconcile_RowInUseNamesTheTable(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.reconcileUntilStable(jane)
	w.table.Exec("CREATE TABLE workouts (user_id text REFERENCES users(id))")
	w.table.Exec("INSERT INTO workouts VALUES ($1)", string(jane))
	w.clerk.Delete(string(jane))
	w.reconcileUntilStable(jane)
	for _, condition := range w.fitUser(jane).Status.Conditions {
		if condition.Type == v1alpha1.ConditionDatabaseSynced && !strings.Contains(condition.Message, "rows of the table workouts refer to it") {
			t.Errorf("message %q", condition.Message)
		}
	}
}
