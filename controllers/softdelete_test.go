package controllers_test

import (
	"strings"
	"testing"
	"time"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/store/storetest"
	"github.com/fitai/fituser-operator/internal/user"
)

// softTables are tables with soft deletion, by engine and unique index over the address.
var softTables = map[string]func(t *testing.T) string{
	"SQLite, all rows": func(t *testing.T) string {
		t.Helper()
		return storetest.SQLite(t, withDeletedAt(storetest.SQLiteTable, "integer"))
	},
	"SQLite, live rows": func(t *testing.T) string {
		t.Helper()
		return storetest.SQLite(t, liveOnly(withDeletedAt(storetest.SQLiteTable, "integer"))...)
	},
	"PostgreSQL, all rows": func(t *testing.T) string {
		t.Helper()
		return postgres.URL(t, withDeletedAt(storetest.PostgresTable, "timestamptz"))
	},
	"PostgreSQL, live rows": func(t *testing.T) string {
		t.Helper()
		return postgres.URL(t, liveOnly(withDeletedAt(storetest.PostgresTable, "timestamptz"))...)
	},
}

func withDeletedAt(table, clock string) string {
	return strings.Replace(table, "phone text,", "phone text, deleted_at "+clock+",", 1)
}

func liveOnly(table string) []string {
	return []string{
		strings.Replace(table, "email text NOT NULL UNIQUE", "email text NOT NULL", 1),
		"CREATE UNIQUE INDEX users_email ON users (email) WHERE deleted_at IS NULL",
	}
}

// softWorld returns a world with a table of soft deletion.
func softWorld(t *testing.T, table string, purgeAfter time.Duration) *world {
	t.Helper()
	w := newWorld(t)
	mapping := user.DefaultMapping()
	mapping.SoftDelete = &user.SoftDelete{Column: "deleted_at", PurgeAfter: purgeAfter}
	w.useTable(softTables[table](t), mapping)
	return w
}

// The row is marked, its FitUser is deleted, and the address is free, with a full and with a partial unique index.
func TestSoftDelete_RowStaysAndItsAddressIsFree(t *testing.T) {
	for table := range softTables {
		t.Run(table, func(t *testing.T) {
			w := softWorld(t, table, 0)
			before := w.trainer("jane")
			w.leave(before)
			w.wantColumns(before, map[string]any{
				"deleted_at": w.clock.Now().Unix(), "email": "jane@example.com", "first_name": "jane", "role": "client",
			})
			w.wantNoFitUser(before)
			w.wantNoWrites(before)
			if got := w.metric("fituser_row_writes_total", "soft_delete"); got != 1 {
				t.Errorf("%v rows were softly deleted, want 1", got)
			}
			after := w.signUp("jane")
			w.reconcileUntilStable(after)
			w.wantReady(after)
			w.wantRow(after, user.Client)
			want := "jane@example.com"
			if strings.Contains(table, "all") {
				want = user.AnonymizedEmail(before)
			}
			w.wantColumns(before, map[string]any{"email": want, "first_name": "jane"})
			if report := w.mustSweep(); report.OrphanedRows != 0 || report.Differing != 0 {
				t.Errorf("the sweep reports %+v", report)
			}
			w.wantNoWrites(before, after)
		})
	}
}

func TestSoftDelete_UserReturns(t *testing.T) {
	for table := range softTables {
		t.Run(table, func(t *testing.T) {
			w := softWorld(t, table, 0)
			jane := w.trainer("jane")
			w.leave(jane)
			w.comeBack(jane, "jane")
			if report := w.mustSweep(); report.New != 1 {
				t.Errorf("the sweep reports %+v", report)
			}
			w.wantReady(jane)
			w.wantColumns(jane, map[string]any{"deleted_at": nil, "email": "jane@example.com", "role": "trainer"})
			w.wantNoWrites(jane)
			if report := w.mustSweep(); report.New+report.Differing != 0 {
				t.Errorf("the next sweep reports %+v", report)
			}
		})
	}
}

// The delay comes first, then the soft deletion, and the row is deleted for good after purgeAfter.
func TestSoftDelete_AfterTheDelayAndPurged(t *testing.T) {
	for table := range softTables {
		t.Run(table, func(t *testing.T) {
			w := softWorld(t, table, 30*24*time.Hour)
			w.DeletionDelay = week
			jane := w.trainer("jane")
			marked := w.clock.Now().Add(week).Truncate(time.Second)
			w.leave(jane)
			w.wantRowReason(jane, v1alpha1.ReasonRowDeletionPending, marked)
			w.wantColumns(jane, map[string]any{"deleted_at": nil, "role": "client"})

			w.clock.SetTime(marked)
			w.restart()
			w.alarm()
			purge := marked.Add(30 * 24 * time.Hour)
			w.wantRowReason(jane, v1alpha1.ReasonRowSoftDeleted, purge)
			w.wantColumns(jane, map[string]any{"deleted_at": marked.Unix(), "email": "jane@example.com"})
			w.wantNoWrites(jane)
			w.signUp("joe")
			if report := w.mustSweep(); report.OrphanedRows+report.Missing != 0 {
				t.Errorf("the sweep reports %+v", report)
			}

			w.clock.SetTime(purge.Add(-time.Second))
			w.restart()
			w.alarm()
			w.wantColumns(jane, map[string]any{"first_name": "jane"})
			w.clock.SetTime(purge)
			w.alarm()
			w.wantNoRow(jane)
			w.wantNoFitUser(jane)
		})
	}
}

// A manifest shows for ever that its user's row is marked, and a policy that comes later still counts.
func TestSoftDelete_ManifestReports(t *testing.T) {
	w := softWorld(t, "SQLite, all rows", 0)
	jane := w.signUp("jane")
	w.manifest("jane", jane, v1alpha1.FitUserSpec{})
	w.reconcileUntilStable(jane)
	w.leave(jane)
	w.wantRowReason(jane, v1alpha1.ReasonRowSoftDeleted, time.Time{})
	w.wantNoWrites(jane)
	joe := w.signUp("joe")
	w.clerk.SetPrimaryEmail(string(joe), "jane@example.com")
	w.reconcileUntilStable(joe)
	w.wantReady(joe)
	w.wantColumns(jane, map[string]any{"email": user.AnonymizedEmail(jane), "first_name": "jane"})
	w.change(w.fitUser(jane), func(u *v1alpha1.FitUser) { u.Spec.DeletionPolicy = v1alpha1.DeletionPolicyAnonymize })
	w.reconcileUntilStable(jane)
	w.wantColumns(jane, anonymous(jane))
	w.wantRowReason(jane, v1alpha1.ReasonRowAnonymized, time.Time{})
	w.wantNoWrites(jane)
}

// An application that writes a wrong time into the column does not make the operator purge the row at once.
func TestSoftDelete_TimeOfTheApplicationPurgesNothingAtOnce(t *testing.T) {
	w := softWorld(t, "SQLite, all rows", week)
	jane := w.trainer("jane")
	w.table.Exec("UPDATE users SET deleted_at = 1")
	at := w.clock.Now().Add(week)
	w.leave(jane)
	w.wantRowReason(jane, v1alpha1.ReasonRowSoftDeleted, at)
	w.wantColumns(jane, map[string]any{"first_name": "jane"})
	w.clock.Step(week)
	w.alarm()
	w.wantNoRow(jane)
}
