package controllers_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

// holders returns how many users hold a role in Clerk.
func (w *world) holders(role string) int {
	n := 0
	for _, u := range w.clerk.Users() {
		if u.PublicMetadata["role"] == role {
			n++
		}
	}
	return n
}

// thirty returns users with a role that a manifest grants.
func (w *world) thirty(role v1alpha1.Role) (ids []user.ID, manifests []*v1alpha1.FitUser) {
	w.Helper()
	for i := range 30 {
		id := w.signUp(fmt.Sprintf("user%d", i))
		ids, manifests = append(ids, id), append(manifests, w.manifest(fmt.Sprintf("user%d", i), id, v1alpha1.FitUserSpec{Role: role}))
		w.reconcileUntilStable(id)
	}
	return ids, manifests
}

// Whatever takes thirty roles away at once, five go in each period.
func TestBudget_CountsEveryLossOfARole(t *testing.T) {
	for name, lose := range map[string]func(w *world, u *v1alpha1.FitUser){
		"the line is cleared":  func(w *world, u *v1alpha1.FitUser) { w.change(u, func(u *v1alpha1.FitUser) { u.Spec.Role = "" }) },
		"the role is lowered":  func(w *world, u *v1alpha1.FitUser) { w.change(u, func(u *v1alpha1.FitUser) { u.Spec.Role = "client" }) },
		"manifest is deleted":  func(w *world, u *v1alpha1.FitUser) { w.remove(u) },
		"found by a sweep too": func(w *world, u *v1alpha1.FitUser) { w.change(u, func(u *v1alpha1.FitUser) { u.Spec.Role = "" }) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			ids, manifests := w.thirty("trainer")
			w.limitDeletions(5)
			for i, u := range manifests {
				lose(w, u)
				w.reconcileUntilStable(ids[i])
			}
			w.endGrace()
			w.reconcileUntilStable(ids...)
			if got := w.holders("trainer"); got != 30-5 {
				t.Errorf("%d users hold the role, want 25", got)
			}
			if got := w.deferredUsers(); got != 25 {
				t.Errorf("%d users report that they are deferred, want 25", got)
			}
			w.restartBudget()
			w.wantNoWrites(ids...)
			before := w.clerk.RequestCount("")
			w.mustSweep() // names none of them again: the budget has no room
			if got := w.clerk.RequestCount("") - before; got > 3 {
				t.Errorf("the sweep made %d requests to Clerk", got)
			}
			w.clock.Step(10 * time.Minute)
			w.requeueDeferred()
			if got := w.holders("trainer"); got != 20 {
				t.Errorf("after another period %d users hold the role, want 20", got)
			}
			w.overrideBudget()
			w.requeueDeferred()
			if got := w.holders("trainer"); got != 0 {
				t.Errorf("after the override %d users hold the role", got)
			}
		})
	}
}

func TestBudget_CountsGrantsOfTheProtectedRole(t *testing.T) {
	w := newWorld(t)
	w.limitDeletions(5)
	for i := range 8 {
		id := w.signUp(fmt.Sprintf("user%d", i))
		w.manifest(fmt.Sprintf("user%d", i), id, v1alpha1.FitUserSpec{Role: "admin"})
		w.reconcileUntilStable(id)
	}
	if got := w.holders("admin"); got != 5 {
		t.Errorf("%d users got the protected role, want 5", got)
	}
	if got := w.deferredUsers(); got != 3 {
		t.Errorf("%d users report that they are deferred, want 3", got)
	}
}

// Several holders who lose the protected role at the same moment do not rely on each other.
func TestLastAdmin_OneOfThreeStays(t *testing.T) {
	for name, lose := range map[string]func(w *world, u *v1alpha1.FitUser){
		"manifests deleted": func(w *world, u *v1alpha1.FitUser) { w.remove(u) },
		"lines cleared":     func(w *world, u *v1alpha1.FitUser) { w.change(u, func(u *v1alpha1.FitUser) { u.Spec.Role = "" }) },
		"demoted": func(w *world, u *v1alpha1.FitUser) {
			w.change(u, func(u *v1alpha1.FitUser) { u.Spec.Role = "trainer" })
		},
		"expired": func(w *world, u *v1alpha1.FitUser) {
			w.change(u, func(u *v1alpha1.FitUser) { u.Spec.RoleExpiresAt = w.in(time.Minute) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.MinProtected = 1
			w.limitDeletions(100)
			var ids []user.ID
			var manifests []*v1alpha1.FitUser
			for i := range 3 {
				id := w.signUp(fmt.Sprintf("user%d", i))
				ids = append(ids, id)
				manifests = append(manifests, w.manifest(fmt.Sprintf("user%d", i), id, v1alpha1.FitUserSpec{Role: "admin"}))
				w.reconcileUntilStable(id)
			}
			for i, u := range manifests {
				lose(w, u)
				_, _ = w.reconcile(ids[i])
			}
			w.endGrace()
			w.clock.Step(2 * time.Minute)
			var all sync.WaitGroup
			for _, id := range ids {
				all.Go(func() { _, _ = w.reconcile(id) })
			}
			all.Wait()
			for _, id := range ids {
				_, _ = w.reconcile(id)
			}
			if got := w.holders("admin"); got != 1 {
				t.Fatalf("%d users hold the protected role, want 1", got)
			}
			var last user.ID
			for _, id := range ids {
				if public, _ := w.metadata(id); public == "admin" {
					last = id
				}
			}
			w.wantReason(last, v1alpha1.ReasonLastAdmin)
			w.wantRow(last, user.Admin)
			w.wantNoWrites(last)

			w.change(w.fitUser(last), func(u *v1alpha1.FitUser) { setAnnotation(u, v1alpha1.AnnotationAllowLastAdmin, "true") })
			_, _ = w.reconcile(last)
			w.reconcileUntilStable(last)
			w.wantReady(last)
			if got := w.holders("admin"); got != 0 {
				t.Errorf("%d users hold the protected role after the override", got)
			}
		})
	}
}

// Somebody who holds the role in Clerk without a manifest counts, a banned one does not.
func TestLastAdmin_AnotherHolderMakesRoom(t *testing.T) {
	w := newWorld(t)
	w.MinProtected = 1
	jane, joe := w.signUp("jane"), w.signUp("joe")
	coach := w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "admin"})
	w.clerk.SetPublicMetadata(string(joe), clerktest.Metadata{"role": "admin"})
	w.clerk.Ban(string(joe))
	w.reconcileUntilStable(jane, joe)
	w.change(coach, func(u *v1alpha1.FitUser) { u.Spec.Role = "" })
	w.reconcileUntilStable(jane)
	w.wantReason(jane, v1alpha1.ReasonLastAdmin)
	w.clerk.Unban(string(joe))
	w.reconcileUntilStable(jane)
	w.wantReady(jane)
	w.wantRole(jane, user.Client, user.FromDefault, nil, nil)
}
