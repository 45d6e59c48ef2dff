package scenes_test

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

// admins are four users with the protected role. One of them must keep it.
type admins struct {
	*churn
	// slow delays each write that takes the role away, so that the others who would lose it at the same moment decide before
	// the write is made.
	slow atomic.Bool
}

func newAdmins(t *testing.T, random *rand.Rand) *admins {
	t.Helper()
	a := &admins{churn: newChurn(t, random, 4, func(i *installation) { i.minProtected = 1 })}
	for n, id := range a.ids {
		name := strings.TrimPrefix(string(id), "user_")
		if n%2 == 0 {
			a.manifest(name, id, admin)
		} else {
			a.byEmail(name, address("role."+name), admin)
		}
	}
	a.sweep()
	a.wantAgreement("at the start")
	a.gate.onWrite = append(a.gate.onWrite, a.check)
	return a
}

// check checks that a write does not take the role from the last one who holds it and can use it.
func (a *admins) check(c call) {
	request, ok := c.on.(*http.Request)
	if !ok {
		return
	}
	id := user.ID(userInPath(request.URL.Path))
	patch, err := rolePatchOf(request)
	m := a.modelOf(id)
	if err != nil || m.account == nil {
		return
	}
	role, written := patch.Public["role"]
	loses := m.currentRole() == "admin" && written && (role == nil || *role != "admin")
	allowed := m.active != nil && m.active.Annotations[v1alpha1.AnnotationAllowLastAdmin] == "true"
	if loses && !allowed && a.scene.admins(id) == 0 {
		a.Errorf("%s is the last one with the protected role and loses it", id)
	}
	if loses && a.slow.Load() {
		<-time.After(20 * time.Millisecond)
	}
}

// loses are the changes in Git and of addresses that take the role from a user.
var loses = []string{"line cleared", "demoted", "expires", "manifest deleted", "address lost"}

// change takes the role from somebody, gives it to somebody, or changes in Clerk who can use it.
func (a *admins) change(id user.ID, what string) {
	name := strings.TrimPrefix(string(id), "user_")
	a.step("%s: %s", id, what)
	switch what {
	case "banned", "unbanned", "demoted in Clerk", "promoted in Clerk", "deleted in Clerk", "address lost":
		a.inClerk(id, what)
		return
	}
	for _, u := range a.objects() {
		if u.Name != name {
			continue
		}
		if what == "manifest deleted" {
			a.remove(name)
			return
		}
		a.edit(u, func(u *v1alpha1.FitUser) {
			u.Spec.Role, u.Spec.RoleExpiresAt = v1alpha1.Role(map[string]string{"demoted": "trainer", "expires": "admin", "promoted": "admin"}[what]), nil
			if what == "expires" {
				u.Spec.RoleExpiresAt = at(a.base.Add(time.Hour)) // several at the same moment
			}
		})
		return
	}
	if what == "promoted" {
		a.manifest(name, id, admin)
	}
}

func (a *admins) inClerk(id user.ID, what string) {
	u, there := a.clerk.User(string(id))
	if !there {
		return
	}
	switch what {
	case "banned":
		a.clerk.Ban(string(id))
	case "unbanned":
		a.clerk.Unban(string(id))
	case "demoted in Clerk":
		a.clerk.SetPublicMetadata(string(id), clerktest.Metadata{"role": "trainer"})
	case "promoted in Clerk":
		a.clerk.SetPublicMetadata(string(id), clerktest.Metadata{"role": "admin"})
	case "deleted in Clerk":
		a.clerk.Delete(string(id))
	case "address lost":
		for _, e := range u.EmailAddresses {
			if e.EmailAddress != u.PrimaryEmail() {
				a.clerk.RemoveEmail(string(id), e.EmailAddress)
			}
		}
	}
}

// reconcileTogether reconciles all users at the same moment.
func (a *admins) reconcileTogether() {
	a.restartIfDead()
	before := a.scene.admins("")
	a.slow.Store(true)
	defer a.slow.Store(false)
	var all sync.WaitGroup
	for _, id := range a.ids {
		all.Go(func() { _, _ = a.operator.ReconcileUser(a.logs, id) })
	}
	all.Wait()
	if before > 0 && a.scene.admins("") == 0 && !a.overridden() {
		a.Errorf("nobody holds the protected role any more")
	}
}

// everybodyLoses takes the role from everybody, also by an expiry at the same moment.
func (a *admins) everybodyLoses(together bool) {
	for _, id := range a.ids {
		a.change(id, a.one(loses...))
	}
	if together {
		a.step("all users are reconciled together, an hour later")
		a.clock.Step(time.Hour)
		a.reconcileTogether()
	}
}

// overridden reports whether somebody allowed that nobody holds the role.
func (a *admins) overridden() bool {
	for _, u := range a.current() {
		if u.Annotations[v1alpha1.AnnotationAllowLastAdmin] == "true" {
			return true
		}
	}
	return false
}

// Whatever takes the protected role away, from several users at once and while the process crashes: the operator does not take
// it from the last one who can use it.
func TestLastAdmin_KeepsTheRole(t *testing.T) {
	var refused atomic.Int64
	t.Cleanup(func() { t.Logf("last admin: %d users kept the role", refused.Load()) })
	withSeeds(t, 10, 400, func(t *testing.T, random *rand.Rand) {
		a := newAdmins(t, random)
		if random.IntN(2) == 0 {
			a.everybodyLoses(true)
		}
		for range 4 + random.IntN(8) {
			switch a.one("change", "change", "everybody", "together", "works", "sweeps", "crashes", "an hour passes") {
			case "change":
				a.change(a.anyID(), a.one(append(loses, "promoted", "banned", "unbanned", "demoted in Clerk", "promoted in Clerk", "deleted in Clerk")...))
			case "everybody":
				a.everybodyLoses(a.one("together", "later") == "together")
			case "together":
				a.step("all users are reconciled together")
				a.reconcileTogether()
			case "works":
				a.reconcileUntilIdle()
			case "sweeps":
				a.sweep()
			case "crashes":
				a.crashSoon()
			case "an hour passes":
				a.clock.Step(time.Hour)
			}
		}
		a.gate.inject(nil, nil)
		for range 3 { // a change by one user may allow that of another
			a.clock.Step(time.Minute)
			a.sweep()
		}
		a.wantAgreement("at the end")
		for _, u := range a.current() {
			if fituser.ReadyReason(u) == v1alpha1.ReasonLastAdmin {
				refused.Add(1)
				a.annotate(u.DeepCopy(), v1alpha1.AnnotationAllowLastAdmin, "true")
			}
		}
		a.sweep()
		for _, u := range a.current() {
			if fituser.ReadyReason(u) == v1alpha1.ReasonLastAdmin {
				t.Errorf("%s still waits after the override", u.Name)
			}
		}
		a.wantNoSecrets()
	})
}
