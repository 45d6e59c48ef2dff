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

func TestNewUser(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.wantWrites(2, 0, func() { // the receiver's FitUser with its hint, and one status
		w.event(jane, v1alpha1.UserCreated)
		w.settle(jane)
	})
	w.wantReady(jane)
	w.wantRow(jane, user.Client)
	status := w.fitUser(jane).Status
	if status.Profile.Email != "jane@example.com" || status.Role != "client" || status.RoleSource != "Default" {
		t.Errorf("status: %+v", status)
	}
	w.silent(jane)
}

func TestUserWithoutFitUserGetsOne(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.wantWrites(2, 0, func() { w.settle(jane) })
	w.wantReady(jane)
	w.wantRow(jane, user.Client)
	if !w.fitUser(jane).ManagedByOperator() {
		t.Error("the FitUser is not marked as the operator's")
	}
	w.silent(jane)
}

func TestEventThatTellsNothingNew(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.settle(jane)
	row := w.table.Row(jane)
	w.wantWrites(1, 0, func() { // the hint itself
		w.clerk.SignIn(string(jane))
		w.event(jane, v1alpha1.UserUpdated)
		w.settle(jane)
	})
	if w.table.Row(jane)["updated_at"] != row["updated_at"] {
		t.Error("the row was written")
	}
}

func TestChangedUser(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.settle(jane)
	w.table.Exec("UPDATE users SET password = 'secret' WHERE id = $1", string(jane))
	w.clerk.SetNames(string(jane), "Janet", "")
	w.wantWrites(2, 0, func() { // hint and status
		w.event(jane, v1alpha1.UserUpdated)
		w.settle(jane)
	})
	w.wantRow(jane, user.Client)
	if w.table.Column(jane, "password") != "secret" {
		t.Error("the application's password is gone")
	}
	if got := w.fitUser(jane).Status.Profile.FirstName; got != "Janet" {
		t.Errorf("status says %q", got)
	}
}

func TestAccountStateIsShownAndChangesNothing(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.settle(jane)
	w.clerk.Ban(string(jane))
	w.clerk.Deprovision(string(jane))
	w.clerk.SetPrimaryEmail(string(jane), "jane+clerk_test@example.com")
	w.settle(jane)
	w.wantReady(jane)
	w.wantRow(jane, user.Client)
	if account := w.fitUser(jane).Status.Clerk; !account.Banned || !account.Deprovisioned || !account.TestUser {
		t.Errorf("status says %+v", account)
	}
}

func TestDeletedUser(t *testing.T) {
	w := newWorld(t)
	jane, joe := w.signUp("jane"), w.signUp("joe")
	w.settle(jane, joe)
	w.clerk.Delete(string(jane))
	w.event(jane, v1alpha1.UserDeleted)
	w.settle(jane)
	w.wantNoRow(jane)
	if w.fitUser(jane) != nil {
		t.Error("the operator's FitUser is still there")
	}
	w.wantRow(joe, user.Client)
	w.silent(jane, joe)
}

func TestDeletedUserIsRetainedOnRequest(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.manifest("jane", jane, v1alpha1.FitUserSpec{DeletionPolicy: v1alpha1.DeletionPolicyRetain})
	w.settle(jane)
	w.clerk.Delete(string(jane))
	w.settle(jane)
	w.wantReason(jane, v1alpha1.ReasonUserNotFound)
	if w.table.Row(jane) == nil {
		t.Error("the row is gone")
	}
	w.silent(jane)

	w.change(w.fitUser(jane), func(u *v1alpha1.FitUser) { u.Spec.DeletionPolicy = v1alpha1.DeletionPolicyDelete })
	w.settle(jane)
	w.wantNoRow(jane)
	w.wantReason(jane, v1alpha1.ReasonUserNotFound)
}

func TestRowInUseStays(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.settle(jane)
	w.table.Exec("CREATE TABLE workouts (user_id text REFERENCES users(id))")
	w.table.Exec("INSERT INTO workouts VALUES ($1)", string(jane))
	w.clerk.Delete(string(jane))
	w.settle(jane)
	w.wantReason(jane, v1alpha1.ReasonRowInUse)
	if w.table.Row(jane) == nil {
		t.Fatal("the row is gone")
	}
	w.silent(jane)
	w.table.Exec("DELETE FROM workouts")
	w.settle(jane)
	w.wantNoRow(jane)
	if w.fitUser(jane) != nil {
		t.Error("the FitUser is still there")
	}
}

// Rows from before Clerk, of other instances, or of forged events belong to nobody here.
func TestRowOfAUserNeverSeenIsNotTouched(t *testing.T) {
	const stranger = user.ID("user_stranger")
	events := map[string]func(*world){
		"forged deletion": func(w *world) { w.event(stranger, v1alpha1.UserDeleted) },
		"forged creation": func(w *world) { w.event(stranger, v1alpha1.UserCreated) },
		"manifest":        func(w *world) { w.manifest("stranger", stranger, v1alpha1.FitUserSpec{Role: "admin"}) },
	}
	for name, happens := range events {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.table.Exec(`INSERT INTO users VALUES ($1, 'old@example.com', 'Old', 'Hand', 'pw', 'admin', NULL, 1, 1)`, string(stranger))
			happens(w)
			w.clock.Step(fituser.DefaultLagTolerance)
			w.settle(stranger)
			if w.table.Column(stranger, "email") != "old@example.com" {
				t.Error("the row was touched")
			}
			if u := w.fitUser(stranger); name != "manifest" && u != nil {
				t.Errorf("%s is left behind", u.Name)
			}
			w.silent(stranger)
		})
	}
}

func TestDashboardExamplesLeaveNothingBehind(t *testing.T) {
	w := newWorld(t)
	example := user.ID("user_2g7np7Hrk0SN6kj5EDMLDaKNL0S")
	for _, eventType := range []v1alpha1.EventType{v1alpha1.UserCreated, v1alpha1.UserUpdated, v1alpha1.UserDeleted} {
		w.event(example, eventType)
	}
	w.clock.Step(fituser.DefaultLagTolerance)
	w.settle(example)
	if w.fitUser(example) != nil {
		t.Error("a FitUser is left behind")
	}
	w.wantNoRow(example)
}

// Clerk's read side may lag behind its own events. An answer that contradicts the event is asked for again, then believed.
func TestLag(t *testing.T) {
	for name, c := range map[string]struct {
		before    func(w *world) user.ID // the world as the lagging reads see it
		happens   func(w *world, id user.ID) user.ID
		untouched func(w *world, id user.ID)
		believed  func(w *world, id user.ID)
	}{
		"404 just after created": {
			before: func(*world) user.ID { return "" },
			happens: func(w *world, _ user.ID) user.ID {
				id := w.signUp("jane")
				w.event(id, v1alpha1.UserCreated)
				return id
			},
			untouched: func(w *world, id user.ID) {
				if w.fitUser(id) == nil {
					w.Error("the FitUser is gone")
				}
			},
			believed: func(w *world, id user.ID) {
				if w.fitUser(id) != nil {
					w.Error("the FitUser is still there")
				}
			},
		},
		"200 just after deleted": {
			before: func(w *world) user.ID {
				id := w.signUp("jane")
				w.settle(id)
				return id
			},
			happens: func(w *world, id user.ID) user.ID {
				u, _ := w.clerk.User(string(id))
				w.clerk.Delete(string(id))
				w.hint(id, v1alpha1.Hint{
					MessageID: "msg_deleted", Type: v1alpha1.UserDeleted,
					UserUpdatedAt: u.UpdatedAt + 1, ReceivedAt: w.clock.Now().UnixMilli(),
				})
				return id
			},
			untouched: func(w *world, id user.ID) { w.wantRowExists(id) },
			believed:  func(w *world, id user.ID) { w.wantRowExists(id) },
		},
		"older than the event": {
			before: func(w *world) user.ID {
				id := w.signUp("jane")
				w.settle(id)
				return id
			},
			happens: func(w *world, id user.ID) user.ID {
				w.clerk.SetNames(string(id), "Janet", "Doe")
				w.event(id, v1alpha1.UserUpdated)
				return id
			},
			untouched: func(w *world, id user.ID) { w.wantRowExists(id) },
			believed:  func(w *world, id user.ID) { w.wantRowExists(id) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			id := c.before(w)
			stale := w.clerk.Stale()
			id = c.happens(w, id)
			fresh := w.clerk.Inject(clerktest.Fault{Match: clerktest.On("GET", "/users/*"), Respond: stale})
			w.wantWrites(0, 0, func() {
				result, err := w.reconcile(id)
				if err != nil || result.RequeueAfter == 0 || result.RequeueAfter > fituser.DefaultLagTolerance {
					t.Errorf("asked again after %v, %v", result.RequeueAfter, err)
				}
			})
			c.untouched(w, id)

			w.clock.Step(fituser.DefaultLagTolerance + time.Second)
			w.settle(id)
			c.believed(w, id)

			fresh()
			w.settle(id)
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
		w.Errorf("the row of %s is gone", id)
	}
}

// Without a place for FitUsers nothing can be done, and trying five times a second would only take Clerk's requests.
func TestNamespaceThatIsNotThere(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.Reconciler.Namespace = "nowhere"
	result, err := w.reconcile(jane)
	if err == nil || !strings.Contains(err.Error(), "namespace nowhere") {
		t.Errorf("result %v, error %v; want one that names what is missing, and backs off", result, err)
	}
}

// Somebody's finalizer may hold a deleted FitUser for ever. Its user is not held.
func TestNameHeldByAFitUserThatIsLeaving(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	leaving := fitusers.New(w.namespace, string(jane), 0)
	leaving.Finalizers = []string{"example.com/held"}
	w.create(leaving)
	w.settle(jane)
	w.remove(leaving)
	w.clock.Step(fituser.DefaultRevocationGrace)
	w.settle(jane)
	eventually.Holds(w, "the state is reached", func() bool { return w.fitUser(jane) != nil }) // the index has the name that is not the usual one
	w.wantReady(jane)
	w.wantRow(jane, user.Client)
	w.silent(jane)
	w.change(leaving, func(u *v1alpha1.FitUser) { u.Finalizers = nil })
}
