package controllers_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/store/storetest"
	"github.com/fitai/fituser-operator/internal/user"
)

// useTable puts another table in place of the world's own.
func (w *world) useTable(databaseURL string, mapping *user.Mapping) {
	w.Helper()
	table, err := store.Open(databaseURL, store.Options{Mapping: mapping})
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = table.Close() })
	w.Store, w.table = table, storetest.OpenRaw(w, databaseURL)
}

// trim makes the table store names without white space around them, as a trigger of an application may.
func (w *world) trimNames() {
	for _, event := range []string{"INSERT", "UPDATE"} {
		w.table.Exec("CREATE TRIGGER trim_" + strings.ToLower(event) + " AFTER " + event + ` ON users
			WHEN new.first_name <> trim(new.first_name)
			BEGIN UPDATE users SET first_name = trim(first_name) WHERE id = new.id; END`)
	}
}

// wantAltered fails unless the user is ready, and the status names the columns that the table alters.
func (w *world) wantAltered(id user.ID, columns string) {
	w.Helper()
	ready := meta.FindStatusCondition(w.fitUser(id).Status.Conditions, v1alpha1.ConditionReady)
	if ready.Status != "True" || ready.Reason != v1alpha1.ReasonRowAltered || !strings.Contains(ready.Message, ": "+columns+".") {
		w.Errorf("Ready is %s, %s: %s; want True, RowAltered, and a message that names %s", ready.Status, ready.Reason, ready.Message, columns)
	}
}

// A trigger that changes what is written would otherwise be written against in every sweep.
func TestRow_AlteredByTheTableIsReportedAndNotWrittenAgain(t *testing.T) {
	w := newWorld(t)
	w.trimNames()
	jane := w.signUp("jane")
	w.clerk.SetNames(string(jane), " Jane ", "Doe")
	w.reconcileUntilStable(jane)
	w.wantAltered(jane, "first_name")
	w.table.Exec("UPDATE users SET updated_at = 7")
	w.wantNoWrites(jane)
	if report := w.mustSweep(); report.Differing != 0 {
		t.Errorf("the sweep reports %+v", report)
	}
	if row := w.table.Row(jane); row["updated_at"] != int64(7) || row["first_name"] != "Jane" {
		t.Errorf("the row was written again: %v", row)
	}
	w.clerk.SetNames(string(jane), " Janet ", "Doe")
	w.reconcileUntilStable(jane)
	w.wantAltered(jane, "first_name")
	if got := w.table.Column(jane, "first_name"); got != "Janet" {
		t.Errorf("first_name is %v", got)
	}
}

func TestRow_AlteredColumnStillFollowsClerkAndDrift(t *testing.T) {
	w := newWorld(t)
	w.trimNames()
	jane := w.signUp("jane")
	w.clerk.SetNames(string(jane), " Jane ", "Doe")
	w.reconcileUntilStable(jane)
	w.table.Exec("UPDATE users SET first_name = 'Eve', last_name = 'Roe'")
	w.mustSweep()
	w.catchUp()
	if row := w.table.Row(jane); row["first_name"] != "Jane" || row["last_name"] != "Doe" {
		t.Errorf("row: %v", row)
	}
	w.clerk.SetNames(string(jane), "Jane", "Doe")
	w.reconcileUntilStable(jane)
	w.wantReady(jane)
	if altered := w.fitUser(jane).Status.AlteredColumns; altered != nil {
		t.Errorf("the status still has %v", altered)
	}
}

// Nobody who reads the status can guess a name by trying names.
func TestRow_DigestOfAlteredColumnsDependsOnASecret(t *testing.T) {
	w := newWorld(t)
	w.trimNames()
	jane := w.signUp("jane")
	w.clerk.SetNames(string(jane), " Jane ", "Doe")
	digests := map[string]bool{}
	for _, key := range []string{"sk_test_one", "sk_test_two"} {
		w.DigestKey = func() string { return key }
		w.reconcileUntilStable(jane)
		digests[w.fitUser(jane).Status.AlteredColumns.Digest] = true
	}
	if len(digests) != 2 {
		t.Errorf("digests %v", digests)
	}
}

func TestSweep_RowOfUserWithoutEmailDoesNotDiffer(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.reconcileUntilStable(jane)
	w.clerk.SetPrimaryEmail(string(jane), "")
	w.reconcileUntilStable(jane)
	w.wantReason(jane, v1alpha1.ReasonEmailMissing)
	if report := w.mustSweep(); report.Differing != 0 {
		t.Errorf("the sweep reports %+v", report)
	}
	w.table.Exec("UPDATE users SET role = 'admin'")
	if report := w.mustSweep(); report.Differing != 1 {
		t.Errorf("the sweep reports %+v, want the role as a difference", report)
	}
}

// A column that can hold NULL takes a row without an address.
func TestRow_NullableEmailTakesUserWithoutAddress(t *testing.T) {
	w := newWorld(t)
	w.useTable(storetest.SQLite(t, strings.Replace(storetest.SQLiteTable, "email text NOT NULL", "email text", 1)), nil)
	jane := w.signUp("jane")
	w.clerk.SetPrimaryEmail(string(jane), "")
	w.reconcileUntilStable(jane)
	w.wantReady(jane)
	if row := w.table.Row(jane); row == nil || row["email"] != nil {
		t.Errorf("row: %v, want one without an address", row)
	}
	if report := w.mustSweep(); report.Differing+report.New != 0 {
		t.Errorf("the sweep reports %+v", report)
	}
	w.clerk.SetPrimaryEmail(string(jane), "jane@example.com")
	w.reconcileUntilStable(jane)
	if got := w.table.Column(jane, "email"); got != "jane@example.com" {
		t.Errorf("email is %v", got)
	}
}

// Somebody who has addresses needs no further one, but a choice.
func TestRow_NoPrimaryAddressIsNamedAsSuch(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.clerk.Update(string(jane), func(u *clerktest.User) { u.PrimaryEmailAddressID = nil })
	joe := user.ID(w.clerk.SignUp(clerktest.Person{Phone: "+15550101"}))
	for id, want := range map[user.ID]string{jane: "is the primary one", joe: "has no e-mail address"} {
		w.reconcileUntilStable(id)
		w.wantReason(id, v1alpha1.ReasonEmailMissing)
		ready := meta.FindStatusCondition(w.fitUser(id).Status.Conditions, v1alpha1.ConditionReady)
		if !strings.Contains(ready.Message, want) {
			t.Errorf("the message lacks %q: %s", want, ready.Message)
		}
	}
}
