package controllers_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"golang.org/x/time/rate"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/sweep"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

func (w *world) sweeper() *sweep.Sweeper {
	return sweep.New(sweep.Config{
		Reconciler: w.Reconciler, Cache: w.cache, Pages: rate.NewLimiter(rate.Inf, 1), Clock: w.clock,
		RetryDelay: time.Millisecond, Metrics: sweep.NewMetrics(prometheus.NewRegistry()),
	})
}

// sweep runs a sweep while workers reconcile the users that it names, and returns when all of them are reconciled.
func (w *world) sweep() (sweep.Report, error) {
	w.Helper()
	return w.sweepWith(8)
}

func (w *world) sweepWith(n int) (sweep.Report, error) {
	w.Helper()
	w.catchUp()
	done := make(chan struct{})
	var workers sync.WaitGroup
	for range n {
		workers.Go(func() { w.reconcileUntil(done) })
	}
	report, err := w.sweeper().RunOnce(w.ctx)
	close(done)
	workers.Wait()
	return report, err
}

// reconcileUntil reconciles the users that are requested, until done is closed and no request is left.
func (w *world) reconcileUntil(done <-chan struct{}) {
	for {
		select {
		case req := <-w.Requests():
			_, _ = w.Reconcile(w.ctx, req.Object.ID)
			continue
		case <-done:
		}
		select {
		case req := <-w.Requests():
			_, _ = w.Reconcile(w.ctx, req.Object.ID)
		default:
			return
		}
	}
}

// catchUp waits until the cache equals the API server's state.
func (w *world) catchUp() {
	w.Helper()
	var all v1alpha1.FitUserList
	if err := w.live().List(w.ctx, &all, client.InNamespace(w.namespace)); err != nil {
		w.Fatal(err)
	}
	for i := range all.Items {
		w.reload(&all.Items[i])
	}
}

func (w *world) mustSweep() sweep.Report {
	w.Helper()
	report, err := w.sweep()
	if err != nil {
		w.Fatal(err)
	}
	return report
}

// wantAgreement checks that every user of Clerk has a Ready FitUser and a correct row, and that no other FitUser exists.
func (w *world) wantAgreement() {
	w.Helper()
	users := w.clerk.Users()
	for _, u := range users {
		id := user.ID(u.ID)
		w.wantReady(id)
		w.wantRow(id, user.Role(w.fitUser(id).Status.Role))
	}
	var all v1alpha1.FitUserList
	if err := w.live().List(w.ctx, &all, client.InNamespace(w.namespace)); err != nil {
		w.Fatal(err)
	}
	if len(all.Items) != len(users) {
		w.Errorf("%d FitUsers for %d users", len(all.Items), len(users))
	}
}

func (w *world) rows() int { return len(w.table.Query("SELECT id FROM users")) }

func TestSweep_Imports(t *testing.T) {
	w := newWorld(t)
	const n = 1200
	w.clerk.Import(n)
	requests := w.clerk.RequestCount("")
	var report sweep.Report
	w.wantWrites(2*n+1, 0, func() { report = w.mustSweep() })                    // one is the note that everybody was imported
	if got, most := w.clerk.RequestCount("")-requests, n+n/500+1+2; got > most { // no user is read twice
		t.Errorf("%d requests to Clerk, want %d at most", got, most)
	}
	if report.New != n || !report.Complete || report.MissedWebhooks != 0 {
		t.Errorf("report: %+v", report)
	}
	w.wantAgreement()
	if w.rows() != n {
		t.Errorf("%d rows", w.rows())
	}
}

func TestSweep_AgreementWritesNothing(t *testing.T) {
	w := newWorld(t)
	w.clerk.Import(1000) // a multiple of the page size: the end shows only in one more page
	w.clerk.SignUp(clerktest.Person{Phone: "+15550100"})
	w.manifest("suspended", w.signUp("sue"), v1alpha1.FitUserSpec{Suspend: true})
	w.manifest("unknown", "user_unknown", v1alpha1.FitUserSpec{Role: "admin"})
	w.mustSweep()
	w.reconcileUntilStable("user_unknown")
	requests := w.clerk.RequestCount("")
	version := w.table.Query("PRAGMA data_version")
	w.wantWrites(0, 0, func() {
		for range 2 {
			if report := w.mustSweep(); report.New != 0 || report.Missing != 0 || !report.Complete {
				t.Errorf("report: %+v", report)
			}
		}
	})
	if got := w.clerk.RequestCount("") - requests; got > 2*(3+2) {
		t.Errorf("%d requests to Clerk for two sweeps", got)
	}
	if got := w.table.Query("PRAGMA data_version"); fmt.Sprint(got) != fmt.Sprint(version) {
		t.Error("the table was written")
	}
}

func TestSweep_RepairsDrift(t *testing.T) {
	w := newWorld(t)
	edited, dropped, promoted := w.signUp("edited"), w.signUp("dropped"), w.signUp("promoted")
	changed, deleted, coach := w.signUp("changed"), w.signUp("deleted"), w.signUp("coach")
	cleared := w.signUp("cleared")
	w.manifest("coach", coach, v1alpha1.FitUserSpec{Role: "trainer"})
	manifest := w.manifest("cleared", cleared, v1alpha1.FitUserSpec{Role: "admin"})
	w.reconcileUntilStable(edited, dropped, promoted, changed, deleted, coach, cleared)
	w.mustSweep()
	w.table.Exec("ALTER TABLE users ADD COLUMN streak integer DEFAULT 7")
	w.table.Exec("UPDATE users SET password = 'secret'")
	w.table.Exec(`INSERT INTO users VALUES ('user_old', 'old@example.com', 'Old', 'Hand', 'pw', 'admin', NULL, 1, 1, 3)`)

	w.table.Exec("UPDATE users SET first_name = 'Eve', role = 'admin' WHERE id = $1", string(edited))
	w.table.Exec("DELETE FROM users WHERE id = $1", string(dropped))
	w.clerk.SetPublicMetadata(string(promoted), clerktest.Metadata{"role": "admin"})
	w.clerk.SetPublicMetadata(string(coach), clerktest.Metadata{"role": "admin"})
	w.clerk.SetNames(string(changed), "New", "Name")
	w.clerk.Delete(string(deleted))
	created := w.signUp("created")
	if err := w.client.Delete(w.ctx, manifest); err != nil { // while no operator was watching
		t.Fatal(err)
	}
	w.clock.SetTime(time.Now().Add(time.Hour))

	report := w.mustSweep()
	if report.New != 2 || report.Missing != 1 || report.OrphanedRows != 1 || report.MissedWebhooks != 4 {
		t.Errorf("report: %+v", report)
	}
	w.wantAgreement()
	w.wantNoRow(deleted)
	w.wantRow(created, user.Client)
	w.wantRow(promoted, user.Admin)
	w.wantRow(cleared, user.Client)
	w.wantRole(coach, user.Trainer, user.FromManifest, "trainer", markerOf("trainer"))
	if row := w.table.Row(edited); row["password"] != "secret" || row["streak"] != int64(7) {
		t.Errorf("the application's columns were changed: %v", row)
	}
	if row := w.table.Row("user_old"); row["email"] != "old@example.com" || row["updated_at"] != int64(1) {
		t.Errorf("an orphaned row was changed: %v", row)
	}
	for labels, want := range map[[2]string]float64{
		{"table", "first_name"}: 2, {"table", "role"}: 3, {"table", "missing"}: 2, {"fituser", "missing"}: 2, {"clerk", "role"}: 2,
	} {
		if got := w.metric("fituser_drift_repaired_total", labels[1], labels[0]); got != want {
			t.Errorf("%v drifts of %v repaired, want %v", got, labels, want)
		}
	}
	if got := w.metric("fituser_webhooks_missed_total", "user.deleted"); got != 1 {
		t.Errorf("%v deletions counted as missed, want 1", got)
	}
	w.wantWrites(0, 0, func() { w.mustSweep() })
}
