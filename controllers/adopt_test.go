package controllers_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/tools/events"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/controllers/preview"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/store/storetest"
	"github.com/fitai/fituser-operator/internal/user"
)

// adopting is FitAI's mapping with adoptRows.
func adopting(adopt user.AdoptRows) *user.Mapping {
	m := user.DefaultMapping()
	m.AdoptRows = adopt
	return m
}

// besideKey is a mapping whose key is a column beside the table's own primary key.
func besideKey(holds user.KeyHolds) *user.Mapping {
	m := adopting(user.AdoptVerifiedEmail)
	m.Key = user.KeyColumn{Column: "clerk_id", Holds: holds}
	return m
}

// legacyTable is FitAI's table with a number as its primary key and a column for the Clerk id.
var legacyTable = strings.Replace(storetest.SQLiteTable, "id text PRIMARY KEY NOT NULL",
	"id integer PRIMARY KEY AUTOINCREMENT, clerk_id text UNIQUE", 1)

// legacyRow inserts a row from before Clerk. id is SQL.
func (w *world) legacyRow(id, address string) {
	w.Helper()
	w.table.Exec(fmt.Sprintf(`INSERT INTO users (id, email, first_name, last_name, password, role, created_at, updated_at)
		VALUES (%s, '%s', 'Old', 'Name', 'secret', 'client', 7, 7)`, id, address))
}

// wantOneRow fails unless the table has one row, with the columns and the password from before Clerk.
func (w *world) wantOneRow(want map[string]any) {
	w.Helper()
	rows := w.table.Query("SELECT * FROM users")
	if len(rows) != 1 {
		w.Fatalf("the table has %d rows, want 1: %v", len(rows), rows)
	}
	want["password"] = "secret"
	for name, value := range want {
		if rows[0][name] != value {
			w.Errorf("%s is %v, want %v", name, rows[0][name], value)
		}
	}
}

func (w *world) wantConflict(id user.ID, part string) {
	w.Helper()
	w.wantReason(id, v1alpha1.ReasonEmailConflict)
	ready := meta.FindStatusCondition(w.fitUser(id).Status.Conditions, v1alpha1.ConditionReady)
	if !strings.Contains(ready.Message, part) {
		w.Errorf("the message lacks %q: %s", part, ready.Message)
	}
}

func TestAdopt_RowIsKeptAndGetsTheClerkID(t *testing.T) {
	w := newWorld(t)
	w.useTable(storetest.SQLite(t), adopting(user.AdoptVerifiedEmail))
	w.table.Exec("CREATE TABLE orders (owner text REFERENCES users (id) ON UPDATE CASCADE)")
	w.legacyRow("'legacy-7'", "jane@example.com")
	w.table.Exec("INSERT INTO orders VALUES ('legacy-7')")
	jane := w.signUp("jane")
	w.reconcileUntilStable(jane)
	w.wantReady(jane)
	w.wantOneRow(map[string]any{"id": string(jane), "first_name": "jane", "created_at": int64(7)})
	if got := w.table.Query("SELECT owner FROM orders")[0]["owner"]; got != string(jane) {
		t.Errorf("the order belongs to %v", got)
	}
	w.wantNoWrites(jane)
}

func TestAdopt_ColumnBesideThePrimaryKey(t *testing.T) {
	w := newWorld(t)
	w.useTable(storetest.SQLite(t, legacyTable), besideKey(user.HoldsClerkID))
	w.legacyRow("7", "jane@example.com")
	jane := w.signUp("jane")
	w.reconcileUntilStable(jane)
	w.wantReady(jane)
	w.wantOneRow(map[string]any{"id": int64(7), "clerk_id": string(jane), "first_name": "jane"})
}

// The row's key stays, and Clerk gets it.
func TestAdopt_ExternalID(t *testing.T) {
	w := newWorld(t)
	m := adopting(user.AdoptVerifiedEmail)
	m.Key.Holds = user.HoldsExternalID
	w.useTable(storetest.SQLite(t), m)
	w.legacyRow("'7'", "jane@example.com")
	jane := w.signUp("jane")
	w.reconcileUntilStable(jane)
	w.wantReady(jane)
	w.wantOneRow(map[string]any{"id": "7", "first_name": "jane"})
	if account, _ := w.clerk.User(string(jane)); account.ExternalID == nil || *account.ExternalID != "7" {
		t.Errorf("external_id is %v, want 7", account.ExternalID)
	}
	w.wantNoWrites(jane)
}

func TestAdopt_RowThatTheExternalIDNames(t *testing.T) {
	w := newWorld(t)
	w.useTable(storetest.SQLite(t, legacyTable), func() *user.Mapping {
		m := besideKey(user.HoldsClerkID)
		m.AdoptRows = user.AdoptExternalID
		return m
	}())
	w.legacyRow("7", "other@example.com")
	jane := user.ID(w.clerk.SignUp(clerktest.Person{Email: "jane@example.com", ExternalID: "7"}))
	w.reconcileUntilStable(jane)
	w.wantReady(jane)
	w.wantOneRow(map[string]any{"id": int64(7), "clerk_id": string(jane), "email": "jane@example.com"})
}

func TestAdopt_SecondaryAddressAndAnotherCase(t *testing.T) {
	for name, stored := range map[string]string{"secondary": "old@example.com", "another case": "Jane@Example.com"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.useTable(storetest.SQLite(t), adopting(user.AdoptVerifiedEmail))
			w.legacyRow("'legacy-7'", stored)
			jane := user.ID(w.clerk.SignUp(clerktest.Person{Email: "jane@example.com", VerifiedEmails: []string{"old@example.com"}}))
			w.reconcileUntilStable(jane)
			w.wantReady(jane)
			w.wantOneRow(map[string]any{"id": string(jane), "email": "jane@example.com"})
		})
	}
}

// Anybody can add an address and never verify it.
func TestAdopt_UnverifiedAddressGetsNothing(t *testing.T) {
	w := newWorld(t)
	w.useTable(storetest.SQLite(t), adopting(user.AdoptVerifiedEmail))
	w.legacyRow("'legacy-7'", "jane@example.com")
	eve := user.ID(w.clerk.SignUp(clerktest.Person{Email: "eve@example.com", UnverifiedEmails: []string{"jane@example.com"}}))
	w.reconcileUntilStable(eve)
	w.wantReady(eve)
	if row := w.table.Row("legacy-7"); row == nil || row["first_name"] != "Old" || w.table.Row(eve) == nil {
		t.Errorf("the row from before Clerk: %v, eve's own: %v", row, w.table.Row(eve))
	}
}

func TestAdopt_TestAddressGetsNothing(t *testing.T) {
	w := newWorld(t)
	w.useTable(storetest.SQLite(t), adopting(user.AdoptVerifiedEmail))
	w.legacyRow("'legacy-7'", "jane+clerk_test@example.com")
	eve := user.ID(w.clerk.SignUp(clerktest.Person{Email: "jane+clerk_test@example.com"}))
	w.reconcileUntilStable(eve)
	w.wantConflict(eve, "legacy-7")
}

func TestAdopt_OffByDefault(t *testing.T) {
	w := newWorld(t)
	w.legacyRow("'legacy-7'", "jane@example.com")
	jane := w.signUp("jane")
	w.reconcileUntilStable(jane)
	w.wantConflict(jane, "adoptRows")
	w.wantOneRow(map[string]any{"id": "legacy-7", "first_name": "Old"})
}

func TestAdopt_RowOfAnotherClerkUserIsNotAdopted(t *testing.T) {
	w := newWorld(t)
	w.useTable(storetest.SQLite(t), adopting(user.AdoptVerifiedEmail))
	w.legacyRow("'user_2somebodyElse'", "jane@example.com")
	jane := w.signUp("jane")
	w.reconcileUntilStable(jane)
	w.wantConflict(jane, "user_2somebodyElse")
	w.wantOneRow(map[string]any{"id": "user_2somebodyElse", "first_name": "Old"})
}

func TestAdopt_ExternalIDOfAnotherUserIsNotTaken(t *testing.T) {
	w := newWorld(t)
	m := adopting(user.AdoptVerifiedEmail)
	m.Key.Holds = user.HoldsExternalID
	w.useTable(storetest.SQLite(t), m)
	w.legacyRow("'7'", "jane@example.com")
	w.clerk.SignUp(clerktest.Person{Email: "joe@example.com", ExternalID: "7"})
	jane := w.signUp("jane")
	w.reconcileUntilStable(jane)
	w.wantConflict(jane, "another Clerk user")
	w.wantOneRow(map[string]any{"id": "7", "first_name": "Old"})
}

func TestAdopt_KeyThatOthersReferToIsNotChanged(t *testing.T) {
	w := newWorld(t)
	w.useTable(storetest.SQLite(t), adopting(user.AdoptVerifiedEmail))
	w.table.Exec("CREATE TABLE orders (owner text REFERENCES users (id))")
	w.legacyRow("'legacy-7'", "jane@example.com")
	jane := w.signUp("jane")
	w.reconcileUntilStable(jane)
	w.wantConflict(jane, "orders")
	w.wantOneRow(map[string]any{"id": "legacy-7", "first_name": "Old"})
}

func TestAdopt_SuspendedUserAdoptsNothing(t *testing.T) {
	w := newWorld(t)
	w.useTable(storetest.SQLite(t), adopting(user.AdoptVerifiedEmail))
	w.legacyRow("'legacy-7'", "jane@example.com")
	jane := w.signUp("jane")
	w.manifest("jane", jane, v1alpha1.FitUserSpec{Suspend: true})
	w.reconcileUntilStable(jane)
	w.wantReason(jane, v1alpha1.ReasonSuspended)
	w.wantOneRow(map[string]any{"id": "legacy-7", "first_name": "Old"})
}

// Two people who hold one address in Clerk at different times: the first keeps the row.
func TestAdopt_RowIsAdoptedOnce(t *testing.T) {
	w := newWorld(t)
	w.useTable(storetest.SQLite(t), adopting(user.AdoptVerifiedEmail))
	w.legacyRow("'legacy-7'", "jane@example.com")
	jane := w.signUp("jane")
	w.reconcileUntilStable(jane)
	w.clerk.SetPrimaryEmail(string(jane), "new@example.com")
	joe := user.ID(w.clerk.SignUp(clerktest.Person{Email: "jane@example.com"}))
	w.reconcileUntilStable(joe, jane)
	w.wantReady(joe)
	w.wantReady(jane)
	if w.table.Column(jane, "password") != "secret" || w.table.Column(joe, "password") != nil {
		t.Error("the password from before Clerk is not Jane's")
	}
}

// legacyPeople fills the table with n rows from before Clerk, of the kinds that old tables have. It returns the rows that
// somebody can adopt, by address.
func (w *world) legacyPeople(n int) (adoptable map[string]string) {
	w.Helper()
	adoptable = map[string]string{}
	tx := w.table.Begin()
	for i := range n {
		id, address := fmt.Sprintf("legacy-%d", i), fmt.Sprintf("person%d@example.com", i)
		stored := "'" + address + "'"
		switch i % 10 {
		case 0:
			stored = "NULL"
		case 1:
			stored = fmt.Sprintf("'no address %d'", i)
		case 2: // in another case
			stored = "'" + strings.ToUpper(address) + "'"
			adoptable[address] = id
		case 3: // twice, once as Clerk has it
			tx.Exec(fmt.Sprintf("INSERT INTO users VALUES ('twin-%d', '%s', '', '', 'hash', 'client', NULL, 7, 7)", i, strings.ToUpper(address)))
			adoptable[address] = id
		default:
			adoptable[address] = id
		}
		tx.Exec(fmt.Sprintf("INSERT INTO users VALUES ('%s', %s, 'Old', 'Name', 'secret of %s', 'client', NULL, 7, 7)", id, stored, id))
	}
	tx.Commit()
	return adoptable
}

// People of an old table sign up in any order, and strangers with their addresses, which they cannot verify.
func TestAdopt_AWholeTableGradually(t *testing.T) {
	n := 200
	if os.Getenv("FITUSER_TEST_THOROUGH") != "" {
		n = 5000
	}
	w := newWorld(t)
	w.useTable(storetest.SQLite(t, strings.Replace(storetest.SQLiteTable, "email text NOT NULL", "email text", 1)), adopting(user.AdoptVerifiedEmail))
	w.Recorder = &events.FakeRecorder{} // drops the events
	rows := w.legacyPeople(n)
	before := len(w.table.Query("SELECT id FROM users"))
	signedUp, strangers := map[user.ID]string{}, 0
	for address, row := range rows { // in any order
		if len(signedUp)%7 == 0 {
			w.clerk.SignUp(clerktest.Person{Email: "stranger-of-" + row + "@example.org", UnverifiedEmails: []string{address}})
			strangers++
		}
		signedUp[user.ID(w.clerk.SignUp(clerktest.Person{Email: address, FirstName: "New"}))] = row
	}
	w.mustSweep()
	for id, row := range signedUp {
		if got := w.table.Column(id, "password"); got != "secret of "+row {
			t.Errorf("%s has the password %v, want that of %s", id, got, row)
		}
	}
	if after := len(w.table.Query("SELECT id FROM users")); after != before+strangers {
		t.Errorf("%d rows became %d, want one more for each of the %d strangers", before, after, strangers)
	}
	if report := w.mustSweep(); report.New+report.Differing != 0 {
		t.Errorf("the next sweep reports %+v", report)
	}
}

// dryRun returns a preview of the world.
func (w *world) dryRun(databaseURL string, mapping *user.Mapping) *preview.Preview {
	w.Helper()
	table, err := store.Open(databaseURL, store.Options{DryRun: true, Mapping: mapping})
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = table.Close() })
	config := w.Reconciler.Config
	config.Client, config.Store = fitusers.Unindexed(w.live()), table
	return preview.New(config, w.Instance.Config, w.Budget.Config)
}

func TestPreview_AdoptionIsShownAndChangesNothing(t *testing.T) {
	external := adopting(user.AdoptVerifiedEmail)
	external.Key.Holds = user.HoldsExternalID
	for name, test := range map[string]struct {
		mapping *user.Mapping
		table   string
		want    []string
	}{
		"the key changes":       {adopting(user.AdoptVerifiedEmail), storetest.SQLiteTable, []string{"table adopt", "table update"}},
		"a column gets the key": {besideKey(user.HoldsClerkID), legacyTable, []string{"table adopt", "table update"}},
		"Clerk gets the key":    {external, storetest.SQLiteTable, []string{"clerk set_external_id", "table update"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			databaseURL := storetest.SQLite(t, test.table)
			w.useTable(databaseURL, test.mapping)
			w.legacyRow("'7'", "jane@example.com")
			jane := w.signUp("jane")
			w.manifest("jane", jane, v1alpha1.FitUserSpec{})
			shown := w.dryRun(databaseURL, test.mapping).PreviewUser(w.ctx, jane)
			var got []string
			for _, c := range shown.Changes {
				if c.Place != fituser.PlaceFitUser {
					got = append(got, c.Place+" "+c.Action)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" || shown.Err != nil {
				t.Errorf("error %v (-want +got):\n%s", shown.Err, diff)
			}
			w.wantOneRow(map[string]any{"first_name": "Old"})
			if account, _ := w.clerk.User(string(jane)); account.ExternalID != nil {
				t.Errorf("external_id is %s", *account.ExternalID)
			}
		})
	}
}

// A trigger that keeps the key must not make the operator adopt the row again and again.
func TestAdopt_KeyThatATriggerKeeps(t *testing.T) {
	w := newWorld(t)
	w.useTable(storetest.SQLite(t), adopting(user.AdoptVerifiedEmail))
	w.legacyRow("'legacy-7'", "jane@example.com")
	w.table.Exec("CREATE TRIGGER keep AFTER UPDATE OF id ON users BEGIN UPDATE users SET id = old.id WHERE id = new.id; END")
	jane := w.signUp("jane")
	w.reconcileUntilStable(jane)
	w.wantReason(jane, v1alpha1.ReasonRowRefused)
	w.wantOneRow(map[string]any{"id": "legacy-7", "first_name": "Old"})
}

// A foreign key of a further table may refuse the cascade. The message describes an adoption, not a deletion.
func TestAdopt_KeyThatOthersKeepIndirectly(t *testing.T) {
	w := newWorld(t)
	w.useTable(storetest.SQLite(t), adopting(user.AdoptVerifiedEmail))
	w.table.Exec("CREATE TABLE profiles (owner text PRIMARY KEY REFERENCES users (id) ON UPDATE CASCADE)")
	w.table.Exec("CREATE TABLE photos (owner text REFERENCES profiles (owner))")
	w.legacyRow("'legacy-7'", "jane@example.com")
	w.table.Exec("INSERT INTO profiles VALUES ('legacy-7')")
	w.table.Exec("INSERT INTO photos VALUES ('legacy-7')")
	jane := w.signUp("jane")
	w.reconcileUntilStable(jane)
	w.wantConflict(jane, `"legacy-7" from before Clerk`)
	w.wantOneRow(map[string]any{"id": "legacy-7", "first_name": "Old"})
}

// Where Clerk gets the key of the row, a row without one can belong to nobody.
func TestAdopt_ExternalIDOfARowWithoutKey(t *testing.T) {
	w := newWorld(t)
	databaseURL := storetest.SQLite(t, legacyTable)
	w.useTable(databaseURL, besideKey(user.HoldsExternalID))
	w.legacyRow("7", "jane@example.com")
	jane := w.signUp("jane")
	w.reconcileUntilStable(jane)
	w.wantConflict(jane, `"7"`)
	shown := w.dryRun(databaseURL, besideKey(user.HoldsExternalID)).PreviewUser(w.ctx, jane)
	if shown.Err != nil || len(shown.Changes) != 0 {
		t.Errorf("the preview has %v, error %v", shown.Changes, shown.Err)
	}
	w.wantOneRow(map[string]any{"clerk_id": nil, "first_name": "Old"})
}

func TestAdopt_MessageNamesAHolderWithoutKey(t *testing.T) {
	w := newWorld(t)
	mapping := besideKey(user.HoldsClerkID)
	mapping.AdoptRows = user.AdoptNever
	w.useTable(storetest.SQLite(t, legacyTable), mapping)
	w.legacyRow("7", "jane@example.com")
	jane := w.signUp("jane")
	w.reconcileUntilStable(jane)
	w.wantConflict(jane, `"7"`)
}

// Where a row may have no address, a user without one gives it up at once.
func TestEmail_HolderHasNoAddressAnyMore(t *testing.T) {
	w := newWorld(t)
	w.useTable(storetest.SQLite(t, strings.Replace(storetest.SQLiteTable, "email text NOT NULL", "email text", 1)), user.DefaultMapping())
	jane := w.signUp("jane")
	w.reconcileUntilStable(jane)
	w.clerk.SetPrimaryEmail(string(jane), "")
	joe := user.ID(w.clerk.SignUp(clerktest.Person{Email: "jane@example.com", FirstName: "joe"}))
	w.catchUp()
	w.reconcileUntilStable(joe)
	w.wantReady(joe)
	if got := w.table.Column(jane, "email"); got != nil {
		t.Errorf("the row of jane holds %v", got)
	}
}

// Where Clerk's external_id is the key, the key does not show whether the row has a user.
func TestAdopt_RowOfAUserWhoHadTheAddress(t *testing.T) {
	for name, leaves := range map[string]bool{"and is in Clerk": false, "and is deleted": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.DeletionDelay = week
			m := adopting(user.AdoptVerifiedEmail)
			m.Key.Holds = user.HoldsExternalID
			w.useTable(storetest.SQLite(t), m)
			w.legacyRow("'7'", "jane@example.com")
			before := user.ID(w.clerk.SignUp(clerktest.Person{Email: "jane@example.com"}))
			w.reconcileUntilStable(before)
			w.wantReady(before)
			if leaves {
				w.leave(before)
			} else {
				w.clerk.SetPrimaryEmail(string(before), "new@example.com")
				w.catchUp()
			}
			after := user.ID(w.clerk.SignUp(clerktest.Person{Email: "jane@example.com", FirstName: "After"}))
			w.reconcileUntilStable(after)
			w.wantReady(after)
			if got := w.table.Column("7", "password"); got != "secret" || w.table.Column("7", "first_name") == "After" {
				t.Errorf("the row 7 became the other user's: %v", w.table.Row("7"))
			}
			w.wantColumns(after, map[string]any{"email": "jane@example.com", "password": nil})
		})
	}
}

// A key from before Clerk may be an address, which conditions and events do not repeat.
func TestAdopt_AddressAsKeyIsNotRepeated(t *testing.T) {
	w := newWorld(t)
	w.legacyRow("'old-jane@example.com'", "jane@example.com")
	jane := w.signUp("jane")
	w.reconcileUntilStable(jane)
	w.wantConflict(jane, "an address as its key")
	if message := meta.FindStatusCondition(w.fitUser(jane).Status.Conditions, v1alpha1.ConditionReady).Message; strings.Contains(message, "old-jane") {
		t.Errorf("the message repeats the key: %s", message)
	}
}
