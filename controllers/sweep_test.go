package controllers_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"golang.org/x/time/rate"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/sweep"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/instance"
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

// catchUp waits until the cache has all that the API server has.
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

// agreement checks that every user of Clerk has a Ready FitUser and the right row, and that there is nobody else.
func (w *world) agreement() {
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

func TestSweepImports(t *testing.T) {
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
	w.agreement()
	if w.rows() != n {
		t.Errorf("%d rows", w.rows())
	}
}

func TestSweepOfAgreementWritesNothing(t *testing.T) {
	w := newWorld(t)
	w.clerk.Import(1000) // a multiple of the page size: the end shows only in one more page
	w.clerk.SignUp(clerktest.Person{Phone: "+15550100"})
	w.manifest("suspended", w.signUp("sue"), v1alpha1.FitUserSpec{Suspend: true})
	w.manifest("unknown", "user_unknown", v1alpha1.FitUserSpec{Role: "admin"})
	w.mustSweep()
	w.settle("user_unknown")
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
		t.Errorf("%d requests to Clerk for two passes", got)
	}
	if got := w.table.Query("PRAGMA data_version"); fmt.Sprint(got) != fmt.Sprint(version) {
		t.Error("the table was written")
	}
}

func TestSweepRepairs(t *testing.T) {
	w := newWorld(t)
	edited, dropped, promoted := w.signUp("edited"), w.signUp("dropped"), w.signUp("promoted")
	changed, deleted, coach := w.signUp("changed"), w.signUp("deleted"), w.signUp("coach")
	cleared := w.signUp("cleared")
	w.manifest("coach", coach, v1alpha1.FitUserSpec{Role: "trainer"})
	manifest := w.manifest("cleared", cleared, v1alpha1.FitUserSpec{Role: "admin"})
	w.settle(edited, dropped, promoted, changed, deleted, coach, cleared)
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
	w.agreement()
	w.wantNoRow(deleted)
	w.wantRow(created, user.Client)
	w.wantRow(promoted, user.Admin)
	w.wantRow(cleared, user.Client)
	w.wantRole(coach, user.Trainer, user.FromManifest, "trainer", markOf("trainer"))
	if row := w.table.Row(edited); row["password"] != "secret" || row["streak"] != int64(7) {
		t.Errorf("columns of the application's were touched: %v", row)
	}
	if row := w.table.Row("user_old"); row["email"] != "old@example.com" || row["updated_at"] != int64(1) {
		t.Errorf("a row of nobody was touched: %v", row)
	}
	for labels, want := range map[[2]string]float64{
		{"table", "first_name"}: 2, {"table", "role"}: 3, {"table", "missing"}: 2, {"fituser", "missing"}: 2, {"clerk", "role"}: 2,
	} {
		if got := w.metric("fituser_drift_repaired_total", labels[1], labels[0]); got != want {
			t.Errorf("%v drifts of %v repaired, want %v", got, labels, want)
		}
	}
	if got := w.metric("fituser_webhooks_missed_total", "user.deleted"); got != 1 {
		t.Errorf("%v deletions missed", got)
	}
	w.wantWrites(0, 0, func() { w.mustSweep() })
}

// Whatever is wrong with a listing, nobody is taken for gone, nothing wrong is written, and the next good pass repairs.
func TestSweepOfABadListing(t *testing.T) {
	const page = "/users"
	for name, c := range map[string]struct {
		answer clerktest.Response
		match  string
		fails  bool
	}{
		"empty":           {clerktest.EmptyList(), page, false},
		"short":           {clerktest.ShortPage(3), page, false},
		"repeated":        {clerktest.RepeatedPage(), page, true},
		"401":             {clerktest.Status(401, "clerk_key_invalid"), page, true},
		"429":             {clerktest.Throttled(1), page, true},
		"500":             {clerktest.Status(500, "internal_clerk_error"), page, true},
		"502 HTML":        {clerktest.HTML502(), page, true},
		"null":            {clerktest.OKNull(), page, true},
		"half the JSON":   {clerktest.HalfJSON(), page, true},
		"closed":          {clerktest.Truncated(), page, true},
		"no count":        {clerktest.OKEmptyObject(), "/users/count", true},
		"count too large": {clerktest.Static(200, "application/json", `{"object":"total_count","total_count":10000}`), "/users/count", false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			n := 20
			if name == "repeated" {
				n = 501 // more than a page
			}
			w.clerk.Import(n)
			w.mustSweep()
			gone := w.clerk.Users()[0].ID
			w.clerk.Delete(gone)
			well := w.clerk.Inject(clerktest.Fault{Match: clerktest.On("GET", c.match), Respond: c.answer})
			report, err := w.sweep()
			if (err != nil) != c.fails || report.Complete || report.Missing != 0 {
				t.Errorf("report %+v, %v", report, err)
			}
			if w.rows() != n {
				t.Errorf("%d rows are left", w.rows())
			}
			well()
			w.Reconciler.Clerk = w.another() // without the pause that Clerk asked for
			if report := w.mustSweep(); report.Missing != 1 {
				t.Errorf("report of the good pass: %+v", report)
			}
			w.wantNoRow(user.ID(gone))
			if w.rows() != n-1 {
				t.Errorf("%d rows are left", w.rows())
			}
		})
	}
}

// Users who come and go while the pass runs are neither skipped nor taken for gone.
func TestUsersComeAndGoDuringASweep(t *testing.T) {
	w := newWorld(t)
	ids := w.clerk.Import(1100)
	w.mustSweep()
	var once sync.Once
	w.clerk.Inject(clerktest.Fault{
		Match: func(r *http.Request) bool { return r.URL.Path == "/v1/users" && r.URL.Query().Has("starting_after") },
		Respond: func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
			once.Do(func() {
				for _, id := range []string{ids[0], ids[250], ids[700], ids[1099]} {
					w.clerk.Delete(id)
				}
				for i := range 5 {
					w.signUp(fmt.Sprintf("new%d", i))
				}
			})
			next.ServeHTTP(rw, r)
		},
	})
	for range 2 {
		w.clock.Step(time.Minute)
		w.mustSweep()
	}
	w.agreement()
	if w.rows() != 1101 {
		t.Errorf("%d rows", w.rows())
	}
}

// The cursor itself may be deleted between two pages.
func TestCursorDeletedDuringASweep(t *testing.T) {
	w := newWorld(t)
	ids := w.clerk.Import(1100)
	w.mustSweep()
	var once sync.Once
	w.clerk.Inject(clerktest.Fault{
		Match: func(r *http.Request) bool { return r.URL.Query().Get("starting_after") == ids[499] },
		Respond: func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
			once.Do(func() { w.clerk.Delete(ids[499]) })
			next.ServeHTTP(rw, r)
		},
	})
	if _, err := w.sweep(); err == nil {
		t.Log("the pass went on")
	}
	w.mustSweep()
	w.agreement()
}

func TestSweepUnderAnotherInstancesKey(t *testing.T) {
	w := newWorld(t)
	w.clerk.Import(10)
	w.mustSweep()
	config := w.Instance.Config
	config.Expected = "ins_other"
	w.Instance = instance.New(config)
	if _, err := w.sweep(); err == nil {
		t.Error("the pass was made")
	}
	if w.rows() != 10 {
		t.Errorf("%d rows are left", w.rows())
	}
}
