package controllers_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/instance"
	"github.com/fitai/fituser-operator/internal/user"
)

// After a bad listing no user is considered deleted and nothing wrong is written. The next complete sweep repairs the drift.
func TestSweep_BadListingDeletesNothing(t *testing.T) {
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
			deleted := w.clerk.Users()[0].ID
			w.clerk.Delete(deleted)
			endFault := w.clerk.Inject(clerktest.Fault{Match: clerktest.On("GET", c.match), Respond: c.answer})
			report, err := w.sweep()
			if (err != nil) != c.fails || report.Complete || report.Missing != 0 {
				t.Errorf("report %+v, %v", report, err)
			}
			if w.rows() != n {
				t.Errorf("%d rows are left", w.rows())
			}
			endFault()
			w.Reconciler.Clerk = w.newClerkClient() // without the pause that Clerk asked for
			if report := w.mustSweep(); report.Missing != 1 {
				t.Errorf("report of the complete sweep: %+v", report)
			}
			w.wantNoRow(user.ID(deleted))
			if w.rows() != n-1 {
				t.Errorf("%d rows are left", w.rows())
			}
		})
	}
}

// Users who are created or deleted during a sweep are neither skipped nor considered deleted by mistake.
func TestSweep_UsersChangeDuringSweep(t *testing.T) {
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
	w.wantAgreement()
	if w.rows() != 1101 {
		t.Errorf("%d rows", w.rows())
	}
}

// The user at the cursor may be deleted between two pages.
func TestSweep_CursorDeletedDuringSweep(t *testing.T) {
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
		t.Log("the sweep continued")
	}
	w.mustSweep()
	w.wantAgreement()
}

func TestSweep_OtherInstanceFails(t *testing.T) {
	w := newWorld(t)
	w.clerk.Import(10)
	w.mustSweep()
	config := w.Instance.Config
	config.Expected = "ins_other"
	w.Instance = instance.New(config)
	if _, err := w.sweep(); err == nil {
		t.Error("the sweep returned no error")
	}
	if w.rows() != 10 {
		t.Errorf("%d rows are left", w.rows())
	}
}
