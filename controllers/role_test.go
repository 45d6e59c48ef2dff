package controllers_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/user"
)

func (w *world) wantRole(id user.ID, role user.Role, source user.RoleSource, public, mark any) {
	w.Helper()
	w.wantRow(id, role)
	gotPublic, gotMark := w.metadata(id)
	if diff := cmp.Diff([]any{public, mark}, []any{gotPublic, gotMark}); diff != "" {
		w.Errorf("role and mark in Clerk (-want +got):\n%s", diff)
	}
	status := w.fitUser(id).Status
	if status.Role != v1alpha1.Role(role) || status.RoleSource != v1alpha1.RoleSource(source) {
		w.Errorf("status says %s from %s, want %s from %s", status.Role, status.RoleSource, role, source)
	}
}

func markOf(role string) any { return map[string]any{"role": role} }

func TestRoleIsGivenAndTakenBack(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	other := clerktest.Metadata{"plan": "gold", "nested": map[string]any{"role": "deep", "n": json.Number("1.50")}}
	w.clerk.SetPublicMetadata(string(jane), other)
	w.clerk.SetPrivateMetadata(string(jane), other)
	w.settle(jane)

	coach := w.manifest("coach-jane", jane, v1alpha1.FitUserSpec{Role: "trainer"})
	w.wantWrites(2, 1, func() { w.settle(jane) }) // status; the operator's own FitUser goes
	w.wantReady(jane)
	w.wantRole(jane, user.Trainer, user.FromManifest, "trainer", markOf("trainer"))
	w.silent(jane)

	w.wantWrites(2, 1, func() { // the person's change, and the status
		w.change(coach, func(u *v1alpha1.FitUser) { u.Spec.Role = "" })
		w.settle(jane)
	})
	w.wantRole(jane, user.Client, user.FromDefault, nil, nil)
	w.silent(jane)

	u, _ := w.clerk.User(string(jane))
	if diff := cmp.Diff([]clerktest.Metadata{other, other}, []clerktest.Metadata{u.PublicMetadata, u.PrivateMetadata}); diff != "" {
		t.Errorf("other metadata was touched (-want +got):\n%s", diff)
	}
	if events := len(w.recorder.Events); events != 2 {
		t.Errorf("%d events tell of two changed rights", events)
	}
}

func TestRoleOfClerkCounts(t *testing.T) {
	for name, c := range map[string]struct {
		public any
		want   user.Role
		source user.RoleSource
		shown  string
	}{
		"known":       {"trainer", user.Trainer, user.FromClerk, ""},
		"unknown":     {"owner", user.Client, user.FromDefault, "owner"},
		"other case":  {"Admin", user.Client, user.FromDefault, "Admin"},
		"not a text":  {true, user.Client, user.FromDefault, "true"},
		"a long text": {strings.Repeat("x", 500), user.Client, user.FromDefault, strings.Repeat("x", 63)},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			jane := w.signUp("jane")
			w.clerk.SetPublicMetadata(string(jane), clerktest.Metadata{"role": c.public, "ROLE": "admin"})
			w.clerk.SetUnsafeMetadata(string(jane), clerktest.Metadata{"role": "admin"})
			w.settle(jane)
			w.wantRole(jane, c.want, c.source, c.public, nil)
			if got := w.fitUser(jane).Status.Clerk.Role; got != c.shown {
				t.Errorf("status shows Clerk's role %q, want %q", got, c.shown)
			}
			w.silent(jane)
		})
	}
}

func TestRoleChangedInClerkWhileAManifestRules(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "trainer"})
	w.settle(jane)
	w.clerk.SetPublicMetadata(string(jane), clerktest.Metadata{"role": "admin"})
	w.settle(jane)
	w.wantRole(jane, user.Trainer, user.FromManifest, "trainer", markOf("trainer"))
}

// What somebody else has set since the manifest gave its role is not touched: only the mark goes.
func TestTakingBackLeavesOtherPeoplesRole(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	coach := w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "trainer"})
	w.settle(jane)
	w.clerk.SetPublicMetadata(string(jane), clerktest.Metadata{"role": "admin"})
	w.change(coach, func(u *v1alpha1.FitUser) { u.Spec.Role = "" })
	w.settle(jane)
	w.wantRole(jane, user.Admin, user.FromClerk, "admin", nil)
}

func TestDeletedManifestIsTakenBackAfterAMoment(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	coach := w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "admin"})
	w.settle(jane)

	w.remove(coach)
	result, err := w.reconcile(jane)
	if err != nil || result.RequeueAfter <= 0 || result.RequeueAfter > fituser.DefaultRevocationGrace {
		t.Fatalf("looks again after %v, %v", result.RequeueAfter, err)
	}
	if public, _ := w.metadata(jane); public != "admin" {
		t.Errorf("the role went at once")
	}
	w.endGrace()
	w.settle(jane)
	w.wantRole(jane, user.Client, user.FromDefault, nil, nil)
	w.wantReady(jane)
	if !w.fitUser(jane).ManagedByOperator() {
		t.Error("no FitUser of the operator's took the place")
	}
}

// A role outlives its manifest for a moment, whatever the process knows of the deletion and whoever serves then.
func TestDeletedManifestIsNeverTakenBackAtOnce(t *testing.T) {
	for name, happens := range map[string]func(w *world, jane user.ID, coach *v1alpha1.FitUser){
		"in any process, whatever it remembers": func(w *world, _ user.ID, coach *v1alpha1.FitUser) {
			if err := w.client.Delete(w.ctx, coach); err != nil { // the watch does not deliver it
				w.Fatal(err)
			}
		},
		"beside another manifest, without a role": func(w *world, jane user.ID, coach *v1alpha1.FitUser) {
			other := w.manifest("other", jane, v1alpha1.FitUserSpec{Role: "admin"})
			if w.fitUser(jane).Name == other.Name { // of two that were made in the same second, either may serve
				coach, other = other, coach
			}
			w.change(other, func(u *v1alpha1.FitUser) { u.Spec.Role = "" })
			w.settle(jane)
			w.remove(coach)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			jane := w.signUp("jane")
			coach := w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "admin"})
			w.settle(jane)
			happens(w, jane, coach)
			w.settle(jane)
			if public, _ := w.metadata(jane); public != "admin" {
				t.Error("the role went at once")
			}
			w.endGrace()
			w.settle(jane)
			w.wantRole(jane, user.Client, user.FromDefault, nil, nil)
		})
	}
}

// A line that a person takes out of an object which the operator has made takes effect like any other line.
func TestRoleClearedOnTheOperatorsOwnObjectIsNoDeletion(t *testing.T) {
	w := newWorld(t)
	w.limitDeletions(0)
	jane := w.signUp("jane")
	w.settle(jane)
	own := w.fitUser(jane)
	w.change(own, func(u *v1alpha1.FitUser) { u.Spec.Role = "admin" })
	w.settle(jane)
	w.wantRole(jane, user.Admin, user.FromManifest, "admin", markOf("admin"))
	w.change(own, func(u *v1alpha1.FitUser) { u.Spec.Role = "" })
	w.settle(jane)
	w.wantRole(jane, user.Client, user.FromDefault, nil, nil)
	w.wantReady(jane)
}

func TestRenamedManifestIsNoMomentWithoutTheRight(t *testing.T) {
	for name, operatorsOwn := range map[string]bool{"alone": false, "with a FitUser of the operator's in between": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			jane := w.signUp("jane")
			before := w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "admin"})
			w.settle(jane)
			w.wantWrites(6, 0, func() { // deleted; the operator's own and its status; anew and its status; the operator's own goes
				w.remove(before)
				if _, err := w.reconcile(jane); err != nil {
					t.Fatal(err)
				}
				w.manifest("jane-doe", jane, v1alpha1.FitUserSpec{Role: "admin"})
				w.settle(jane)
			})
			if operatorsOwn {
				w.event(jane, v1alpha1.UserUpdated)
				w.settle(jane)
			}
			w.wantRole(jane, user.Admin, user.FromManifest, "admin", markOf("admin"))
			w.wantReasonOf(w.fitUser(jane), v1alpha1.ReasonSynced)
		})
	}
}

func TestManifestForAUserWhoComesLater(t *testing.T) {
	w := newWorld(t)
	const jane = user.ID("user_2abc123")
	coach := w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "trainer"})
	w.settle(jane)
	w.wantReason(jane, v1alpha1.ReasonUserNotFound)
	w.wantNoRow(jane)
	w.silent(jane)

	w.clerk.SignUp(clerktest.Person{ID: string(jane), Email: "jane@example.com"})
	w.event(jane, v1alpha1.UserCreated)
	w.settle(jane)
	w.wantReady(jane)
	w.wantRole(jane, user.Trainer, user.FromManifest, "trainer", markOf("trainer"))

	w.clerk.Delete(string(jane))
	w.event(jane, v1alpha1.UserDeleted)
	w.settle(jane)
	w.wantReasonOf(coach, v1alpha1.ReasonUserNotFound)
	w.wantNoRow(jane)
}

func TestTwoManifestsForOneUser(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	older := w.manifest("jane-a", jane, v1alpha1.FitUserSpec{Role: "trainer"})
	newer := w.manifest("jane-b", jane, v1alpha1.FitUserSpec{Role: "admin"})
	if first := fitusers.Select([]*v1alpha1.FitUser{older, newer}).Active; first != older {
		older, newer = newer, older // made within one second: the smaller UID serves
	}
	w.settle(jane)
	w.wantReasonOf(older, v1alpha1.ReasonSynced)
	w.wantReasonOf(newer, v1alpha1.ReasonDuplicateUser)
	role := string(older.Spec.Role)
	w.wantRole(jane, user.Role(role), user.FromManifest, role, markOf(role))
	w.silent(jane)

	w.remove(older)
	w.settle(jane)
	role = string(newer.Spec.Role)
	w.wantRole(jane, user.Role(role), user.FromManifest, role, markOf(role))
	w.wantReasonOf(newer, v1alpha1.ReasonSynced)
}

// The name of the operator's FitUser for one user may be taken by a manifest for another.
func TestNameTakenByAnotherUsersManifest(t *testing.T) {
	w := newWorld(t)
	jane, joe := w.signUp("jane"), w.signUp("joe")
	w.manifest(fitusers.NameFor(string(jane), 0), joe, v1alpha1.FitUserSpec{Role: "trainer"})
	w.settle(jane, joe)
	w.wantReady(jane)
	w.wantReady(joe)
	w.wantRow(jane, user.Client)
	w.wantRow(joe, user.Trainer)
	w.silent(jane, joe)
}

func TestSuspendWritesNothing(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.settle(jane)
	w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "admin", Suspend: true})
	w.clerk.SetNames(string(jane), "Janet", "Doe")
	row := w.table.Row(jane)
	w.wantWrites(2, 0, func() { w.settle(jane) }) // status; the operator's FitUser goes
	w.wantReason(jane, v1alpha1.ReasonSuspended)
	want := "spec.suspend is true. Without it the operator would grant the role admin in Clerk, and update the row (first_name)"
	if got := meta.FindStatusCondition(w.fitUser(jane).Status.Conditions, v1alpha1.ConditionReady).Message; got != want {
		t.Errorf("it says %q, want %q", got, want)
	}
	if diff := cmp.Diff(row, w.table.Row(jane)); diff != "" {
		t.Errorf("the row was written:\n%s", diff)
	}
	if got := w.fitUser(jane).Status.Profile.FirstName; got != "Janet" {
		t.Errorf("the status does not go on observing: %q", got)
	}
	w.clerk.Delete(string(jane))
	w.settle(jane)
	if w.table.Row(jane) == nil {
		t.Error("the row is gone")
	}
	w.silent(jane)

	w.change(w.fitUser(jane), func(u *v1alpha1.FitUser) { u.Spec.Suspend = false })
	w.settle(jane)
	w.wantNoRow(jane)
}

func TestClerkRefusesTheRole(t *testing.T) {
	for name, c := range map[string]struct {
		answer clerktest.Response
		reason string
	}{
		"throttled":    {clerktest.Throttled(60), v1alpha1.ReasonClerkThrottled},
		"down":         {clerktest.HTML502(), v1alpha1.ReasonClerkUnavailable},
		"refused":      {clerktest.Status(422, "form_param_exceeds_allowed_size"), v1alpha1.ReasonClerkRejected},
		"forbidden":    {clerktest.Status(403, "authorization_invalid"), v1alpha1.ReasonClerkUnauthorized},
		"applied only": {clerktest.ApplyThen(clerktest.CloseConnection()), v1alpha1.ReasonClerkUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			jane := w.signUp("jane")
			w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "trainer"})
			well := w.clerk.Inject(clerktest.Fault{Match: clerktest.On("PATCH", "/users/*/metadata"), Respond: c.answer})
			_, _ = w.reconcile(jane)
			w.wantReason(jane, c.reason)
			w.wantRow(jane, user.Client) // the row follows what Clerk holds, and the user sees their data
			well()
			if name == "throttled" {
				return // until Clerk's minute is over: see TestBudget in internal/clerk
			}
			w.settle(jane)
			w.wantReady(jane)
			w.wantRole(jane, user.Trainer, user.FromManifest, "trainer", markOf("trainer"))
		})
	}
}

func TestRightNotYetTakenBackIsSaid(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	coach := w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "admin"})
	w.settle(jane)
	w.clock.Step(time.Hour)
	well := w.clerk.Inject(clerktest.Fault{Match: clerktest.On("PATCH", "/users/*/metadata"), Respond: clerktest.Empty503()})
	w.change(coach, func(u *v1alpha1.FitUser) { u.Spec.Role = "" })
	for range 3 {
		if _, err := w.reconcile(jane); err == nil {
			t.Error("nothing is tried again")
		}
		w.clock.Step(time.Minute)
	}
	w.wantReason(jane, v1alpha1.ReasonRevocationPending)
	if got := w.fitUser(jane).Status; got.Role != "admin" {
		t.Errorf("the role in force is %s", got.Role)
	}
	since := w.fitUser(jane).Status.LastChangeTime.Time
	if want := w.clock.Now().Add(-3 * time.Minute); since.Unix() != want.Unix() {
		t.Errorf("pending since %v, want %v", since, want)
	}
	well()
	w.settle(jane)
	w.wantRole(jane, user.Client, user.FromDefault, nil, nil)
}
