package controllers_test

import (
	"testing"
	"time"

	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

// A missed webhook is a change in Clerk after the import that no status contains.
func TestSweep_CountsMissedWebhooks(t *testing.T) {
	for name, c := range map[string]struct {
		first, then func(w *world, jane user.ID)
		missed      int
	}{
		"a new user": {
			then: func(w *world, _ user.ID) { w.signUp("joe") }, missed: 1,
		},
		"a new name": {
			then: func(w *world, jane user.ID) { w.clerk.SetNames(string(jane), "Janet", "Doe") }, missed: 1,
		},
		"a new role": {
			then: func(w *world, jane user.ID) {
				w.clerk.SetPublicMetadata(string(jane), clerktest.Metadata{"role": "admin"})
			}, missed: 1,
		},
		"a sign-in and an edited row": {
			then: func(w *world, jane user.ID) {
				w.clerk.SignIn(string(jane))
				w.table.Exec("UPDATE users SET first_name = 'Eve' WHERE id = $1", string(jane))
			},
		},
		"a sign-in and another --status-profile": {
			then: func(w *world, jane user.ID) {
				w.clerk.SignIn(string(jane))
				w.Profile = fituser.ProfileMasked
			},
		},
		"a sign-in with an address that another row has": {
			first: func(w *world, _ user.ID) {
				w.table.Exec(`INSERT INTO users VALUES ('legacy', 'jane@example.com', 'Old', 'Hand', 'pw', 'client', NULL, 1, 1)`)
			},
			then: func(w *world, jane user.ID) { w.clerk.SignIn(string(jane)) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if c.first != nil {
				c.first(w, "")
			}
			jane := w.signUp("jane")
			if report := w.mustSweep(); report.MissedWebhooks != 0 {
				t.Errorf("the import missed %d", report.MissedWebhooks)
			}
			c.then(w, jane)
			w.clock.SetTime(time.Now().Add(time.Hour))
			if report := w.mustSweep(); report.MissedWebhooks != c.missed {
				t.Errorf("missed %d, want %d", report.MissedWebhooks, c.missed)
			}
			w.reconcileUntilStable(jane)
			if report := w.mustSweep(); report.MissedWebhooks != 0 {
				t.Errorf("missed %d again, want 0", report.MissedWebhooks)
			}
		})
	}
}

// An interrupted import continues as an import, so it counts no missed webhooks.
func TestSweep_InterruptedImportCountsNoMissedWebhooks(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.signUp("joe")
	w.reconcileUntilStable(jane)
	w.clock.SetTime(time.Now().Add(time.Hour))
	if report := w.mustSweep(); report.New != 1 || report.MissedWebhooks != 0 {
		t.Errorf("report: %+v", report)
	}
}
