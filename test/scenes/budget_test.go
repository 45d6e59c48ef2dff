package scenes_test

import (
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/user"
)

const budgetLimit = 5

// newLosses creates users with roles of every origin: manifests by id and by address, and a rule.
func newLosses(t *testing.T, random *rand.Rand) *losses {
	t.Helper()
	team := user.Rule{Name: "team", Role: "trainer", EmailDomains: []string{"team.example"}}
	l := &losses{
		churn: newChurn(t, random, 14, func(i *installation) { i.rules = []user.Rule{team} }),
		limit: budgetLimit, byPeriod: map[string]map[user.ID]bool{},
	}
	for n, id := range l.ids {
		name := strings.TrimPrefix(string(id), "user_")
		spec := v1alpha1.FitUserSpec{Role: v1alpha1.Role([]string{"admin", "trainer"}[n%2])}
		switch {
		case n < 5:
			l.manifest(name, id, spec)
		case n < 10:
			l.byEmail(name, address("role."+name), spec)
		default:
			l.clerk.AddEmail(string(id), name+"@team.example", true)
		}
	}
	l.sweep()
	l.wantAgreement("at the start")
	l.maxDeletions = "5"
	l.restart()
	l.clock.Step(budgetPeriod)
	l.gate.onWrite = append(l.gate.onWrite, l.count)
	return l
}

// lose takes something away from one user, or from everybody.
func (l *losses) lose(id user.ID) {
	name := strings.TrimPrefix(string(id), "user_")
	var manifest *v1alpha1.FitUser
	for _, u := range l.objects() {
		if u.Name == name {
			manifest = u
		}
	}
	what := l.one("manifest deleted", "line cleared", "role lowered", "address lost", "deleted in Clerk", "role raised", "expires")
	l.step("%s: %s", id, what)
	switch {
	case what == "deleted in Clerk" && l.there(id):
		l.clerk.Delete(string(id))
	case what == "address lost" && l.there(id):
		u, _ := l.clerk.User(string(id))
		for _, e := range u.EmailAddresses {
			if e.EmailAddress != u.PrimaryEmail() {
				l.clerk.RemoveEmail(string(id), e.EmailAddress)
			}
		}
	case manifest == nil:
	case what == "manifest deleted":
		l.remove(name)
	case what == "line cleared":
		l.edit(manifest, func(u *v1alpha1.FitUser) { u.Spec.Role, u.Spec.RoleExpiresAt = "", nil })
	case what == "role lowered":
		l.edit(manifest, func(u *v1alpha1.FitUser) { u.Spec.Role = "client" })
	case what == "role raised":
		l.edit(manifest, func(u *v1alpha1.FitUser) { u.Spec.Role, u.Spec.RoleExpiresAt = "admin", nil })
	case what == "expires" && manifest.Spec.Role != "":
		l.edit(manifest, func(u *v1alpha1.FitUser) { u.Spec.RoleExpiresAt = at(l.clock.Now().Add(time.Minute)) })
	}
}

// operate lets the operator work, end, or wait.
func (l *losses) operate() {
	what := l.one("works", "works", "sweeps", "sweeps", "restarts", "crashes", "time passes")
	l.step("the operator %s", what)
	before := l.operator
	switch what {
	case "works":
		l.reconcileUntilIdle()
	case "sweeps":
		l.sweep()
	case "restarts":
		l.restart()
	case "crashes":
		l.crashSoon()
	case "time passes":
		l.clock.Step(time.Duration(l.random.IntN(400)) * time.Second)
	}
	if l.operator != before {
		l.restarts++
	}
}

// deferred counts the users who report that the budget defers a change.
func (l *losses) deferred() (n int) {
	for _, u := range l.current() {
		if fituser.ReadyReason(u) == v1alpha1.ReasonDeletionDeferred {
			n++
		}
	}
	return n
}

// Whatever takes roles and rows away, and however often the process ends, no more than the budget allows happen in a period.
// What waits reports it, and in the end everything is done.
func TestBudget_BoundsLossesInEachPeriod(t *testing.T) {
	var all, periods, full atomic.Int64
	t.Cleanup(func() {
		t.Logf("budget: %d losses in %d periods, of which %d were full", all.Load(), periods.Load(), full.Load())
	})
	withSeeds(t, 8, 200, func(t *testing.T, random *rand.Rand) {
		l := newLosses(t, random)
		for range 4 + random.IntN(6) {
			switch l.one("one", "some", "everybody", "rules", "operate", "operate") {
			case "one":
				l.lose(l.anyID())
			case "some":
				for range 6 {
					l.lose(l.anyID())
				}
			case "everybody":
				for _, id := range l.ids {
					l.lose(id)
				}
			case "rules":
				l.step("the rules are deleted")
				l.rules = nil
			case "operate":
				l.operate()
			}
		}
		l.gate.inject(nil, nil)
		l.finish()
		for _, users := range l.byPeriod {
			periods.Add(1)
			all.Add(int64(len(users)))
			if len(users) == l.limit {
				full.Add(1)
			}
		}
	})
}

// finish waits until nothing is deferred any more, and checks each period on the way.
func (l *losses) finish() {
	l.Helper()
	for range 12 {
		report := l.sweep()
		for _, id := range l.ids {
			if problem := l.modelOf(id).violation(); problem != "" && l.there(id) { // deletions beyond the budget are not named
				l.Errorf("%s: %s", id, problem)
			}
		}
		waiting := l.deferred() + report.Deferred
		if waiting == 0 {
			l.wantAgreement("at the end")
			l.wantNoSecrets()
			return
		}
		if spent := len(l.byPeriod[l.periodStart()]); spent+l.restarts < l.limit {
			l.Errorf("%d users wait, and only %d have lost something in this period", waiting, spent)
		}
		l.clock.Step(budgetPeriod)
		if _, err := l.operator.sweeper.RequeueDeferred(l.logs); err != nil {
			l.Errorf("%v", err)
		}
		l.reconcileUntilIdle()
	}
	l.Errorf("after twelve periods users still wait")
}
