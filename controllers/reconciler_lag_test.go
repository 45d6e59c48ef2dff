package controllers_test

import (
	"strings"
	"testing"
	"time"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/testenv/eventually"
	"github.com/fitai/fituser-operator/internal/user"
)

// Clerk's reads may lag behind its events. A response that contradicts the event is requested again, and later accepted.
func TestReconcile_StaleClerkResponseIsRetried(t *testing.T) {
	for name, c := range map[string]struct {
		before     func(w *world) user.ID // creates what the stale reads return
		act        func(w *world, id user.ID) user.ID
		whileStale func(w *world, id user.ID)
		accepted   func(w *world, id user.ID)
	}{
		"404 just after created": {
			before: func(*world) user.ID { return "" },
			act: func(w *world, _ user.ID) user.ID {
				id := w.signUp("jane")
				w.event(id, v1alpha1.UserCreated)
				return id
			},
			whileStale: func(w *world, id user.ID) {
				if w.fitUser(id) == nil {
					w.Error("the FitUser is deleted")
				}
			},
			accepted: func(w *world, id user.ID) {
				if w.fitUser(id) != nil {
					w.Error("the FitUser is still there")
				}
			},
		},
		"200 just after deleted": {
			before: func(w *world) user.ID {
				id := w.signUp("jane")
				w.reconcileUntilStable(id)
				return id
			},
			act: func(w *world, id user.ID) user.ID {
				u, _ := w.clerk.User(string(id))
				w.clerk.Delete(string(id))
				w.hint(id, v1alpha1.Hint{
					MessageID: "msg_deleted", Type: v1alpha1.UserDeleted,
					UserUpdatedAt: u.UpdatedAt + 1, ReceivedAt: w.clock.Now().UnixMilli(),
				})
				return id
			},
			whileStale: func(w *world, id user.ID) { w.wantRowExists(id) },
			accepted:   func(w *world, id user.ID) { w.wantRowExists(id) },
		},
		"older than the event": {
			before: func(w *world) user.ID {
				id := w.signUp("jane")
				w.reconcileUntilStable(id)
				return id
			},
			act: func(w *world, id user.ID) user.ID {
				w.clerk.SetNames(string(id), "Janet", "Doe")
				w.event(id, v1alpha1.UserUpdated)
				return id
			},
			whileStale: func(w *world, id user.ID) { w.wantRowExists(id) },
			accepted:   func(w *world, id user.ID) { w.wantRowExists(id) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			id := c.before(w)
			stale := w.clerk.Stale()
			id = c.act(w, id)
			fresh := w.clerk.Inject(clerktest.Fault{Match: clerktest.On("GET", "/users/*"), Respond: stale})
			w.wantWrites(0, 0, func() {
				result, err := w.reconcile(id)
				if err != nil || result.RequeueAfter == 0 || result.RequeueAfter > fituser.DefaultLagTolerance {
					t.Errorf("requeued after %v, %v", result.RequeueAfter, err)
				}
			})
			c.whileStale(w, id)

			w.clock.Step(fituser.DefaultLagTolerance + time.Second)
			w.reconcileUntilStable(id)
			c.accepted(w, id)

			fresh()
			w.reconcileUntilStable(id)
			if _, ok := w.clerk.User(string(id)); ok {
				w.wantRow(id, user.Client)
				return
			}
			w.wantNoRow(id)
		})
	}
}

func (w *world) wantRowExists(id user.ID) {
	w.Helper()
	if w.table.Row(id) == nil {
		w.Errorf("the row of %s is deleted", id)
	}
}

// Without a namespace for FitUsers the reconcile fails and backs off. Fast retries would use up Clerk's requests.
func TestReconcile_MissingNamespaceBacksOff(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.Reconciler.Namespace = "nowhere"
	result, err := w.reconcile(jane)
	if err == nil || !strings.Contains(err.Error(), "namespace nowhere") {
		t.Errorf("result %v, error %v; want an error that names the namespace", result, err)
	}
}

// A foreign finalizer may keep a deleted FitUser for ever. The user gets another FitUser.
func TestFitUser_NameHeldByTerminatingObject(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	leaving := fitusers.New(w.namespace, string(jane), 0)
	leaving.Finalizers = []string{"example.com/held"}
	w.create(leaving)
	w.reconcileUntilStable(jane)
	w.remove(leaving)
	w.clock.Step(fituser.DefaultRevocationGrace)
	w.reconcileUntilStable(jane)
	eventually.Holds(w, "the state is reached", func() bool { return w.fitUser(jane) != nil }) // the index has the FitUser without the derived name
	w.wantReady(jane)
	w.wantRow(jane, user.Client)
	w.wantNoWrites(jane)
	w.change(leaving, func(u *v1alpha1.FitUser) { u.Finalizers = nil })
}
