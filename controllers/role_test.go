package controllers_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

func (w *world) wantRole(id user.ID, role user.Role, source user.RoleSource, public, marker any) {
	w.Helper()
	w.wantRow(id, role)
	gotPublic, gotMarker := w.metadata(id)
	if diff := cmp.Diff([]any{public, marker}, []any{gotPublic, gotMarker}); diff != "" {
		w.Errorf("role and marker in Clerk (-want +got):\n%s", diff)
	}
	status := w.fitUser(id).Status
	if status.Role != v1alpha1.Role(role) || status.RoleSource != v1alpha1.RoleSource(source) {
		w.Errorf("status has %s from %s, want %s from %s", status.Role, status.RoleSource, role, source)
	}
}

func markerOf(role string) any { return map[string]any{"role": role, "owner": testOwner} }

func TestRole_GrantedAndRevoked(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	other := clerktest.Metadata{"plan": "gold", "nested": map[string]any{"role": "deep", "n": json.Number("1.50")}}
	w.clerk.SetPublicMetadata(string(jane), other)
	w.clerk.SetPrivateMetadata(string(jane), other)
	w.reconcileUntilStable(jane)

	coach := w.manifest("coach-jane", jane, v1alpha1.FitUserSpec{Role: "trainer"})
	w.wantWrites(2, 1, func() { w.reconcileUntilStable(jane) }) // the status, and the deletion of the operator's FitUser
	w.wantReady(jane)
	w.wantRole(jane, user.Trainer, user.FromManifest, "trainer", markerOf("trainer"))
	w.wantNoWrites(jane)

	w.wantWrites(3, 1, func() { // the person's change, the budget, and the status
		w.change(coach, func(u *v1alpha1.FitUser) { u.Spec.Role = "" })
		w.reconcileUntilStable(jane)
	})
	w.wantRole(jane, user.Client, user.FromDefault, nil, nil)
	w.wantNoWrites(jane)

	u, _ := w.clerk.User(string(jane))
	if diff := cmp.Diff([]clerktest.Metadata{other, other}, []clerktest.Metadata{u.PublicMetadata, u.PrivateMetadata}); diff != "" {
		t.Errorf("other metadata was changed (-want +got):\n%s", diff)
	}
	if events := len(w.recorder.Events); events != 2 {
		t.Errorf("%d events, want 2", events)
	}
}

func TestRole_FromClerk(t *testing.T) {
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
			w.reconcileUntilStable(jane)
			w.wantRole(jane, c.want, c.source, c.public, nil)
			if got := w.fitUser(jane).Status.Clerk.Role; got != c.shown {
				t.Errorf("status shows Clerk's role %q, want %q", got, c.shown)
			}
			w.wantNoWrites(jane)
		})
	}
}

func TestRole_ManifestOverridesClerk(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "trainer"})
	w.reconcileUntilStable(jane)
	w.clerk.SetPublicMetadata(string(jane), clerktest.Metadata{"role": "admin"})
	w.reconcileUntilStable(jane)
	w.wantRole(jane, user.Trainer, user.FromManifest, "trainer", markerOf("trainer"))
}

// A role that someone else has set since the grant is kept. Only the marker is removed.
func TestRole_RevocationKeepsRoleSetByOthers(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	coach := w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "trainer"})
	w.reconcileUntilStable(jane)
	w.clerk.SetPublicMetadata(string(jane), clerktest.Metadata{"role": "admin"})
	w.change(coach, func(u *v1alpha1.FitUser) { u.Spec.Role = "" })
	w.reconcileUntilStable(jane)
	w.wantRole(jane, user.Admin, user.FromClerk, "admin", nil)
}

func TestRole_DeletedManifestIsRevokedAfterGrace(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	coach := w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "admin"})
	w.reconcileUntilStable(jane)

	w.remove(coach)
	result, err := w.reconcile(jane)
	if err != nil || result.RequeueAfter <= 0 || result.RequeueAfter > fituser.DefaultRevocationGrace {
		t.Fatalf("requeued after %v, %v", result.RequeueAfter, err)
	}
	if public, _ := w.metadata(jane); public != "admin" {
		t.Errorf("the role was revoked at once")
	}
	w.endGrace()
	w.reconcileUntilStable(jane)
	w.wantRole(jane, user.Client, user.FromDefault, nil, nil)
	w.wantReady(jane)
	if !w.fitUser(jane).ManagedByOperator() {
		t.Error("the operator created no FitUser of its own")
	}
}

// A role outlives its manifest for the grace period, even if no watch event is delivered or another FitUser becomes active.
func TestRole_DeletedManifestIsNeverRevokedAtOnce(t *testing.T) {
	for name, act := range map[string]func(w *world, jane user.ID, coach *v1alpha1.FitUser){
		"without a watch event": func(w *world, _ user.ID, coach *v1alpha1.FitUser) {
			if err := w.client.Delete(w.ctx, coach); err != nil { // the watch does not deliver it
				w.Fatal(err)
			}
		},
		"beside another manifest, without a role": func(w *world, jane user.ID, coach *v1alpha1.FitUser) {
			other := w.manifest("other", jane, v1alpha1.FitUserSpec{Role: "admin"})
			if w.fitUser(jane).Name == other.Name { // of two created in the same second either may be active
				coach, other = other, coach
			}
			w.change(other, func(u *v1alpha1.FitUser) { u.Spec.Role = "" })
			w.reconcileUntilStable(jane)
			w.remove(coach)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			jane := w.signUp("jane")
			coach := w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "admin"})
			w.reconcileUntilStable(jane)
			act(w, jane, coach)
			w.reconcileUntilStable(jane)
			if public, _ := w.metadata(jane); public != "admin" {
				t.Error("the role was revoked at once")
			}
			w.endGrace()
			w.reconcileUntilStable(jane)
			w.wantRole(jane, user.Client, user.FromDefault, nil, nil)
		})
	}
}

// Clearing spec.role on a FitUser that the operator created revokes the role like on any other FitUser.
func TestRole_ClearedOnOperatorsFitUser(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.reconcileUntilStable(jane)
	own := w.fitUser(jane)
	w.change(own, func(u *v1alpha1.FitUser) { u.Spec.Role = "admin" })
	w.reconcileUntilStable(jane)
	w.wantRole(jane, user.Admin, user.FromManifest, "admin", markerOf("admin"))
	w.change(own, func(u *v1alpha1.FitUser) { u.Spec.Role = "" })
	w.reconcileUntilStable(jane)
	w.wantRole(jane, user.Client, user.FromDefault, nil, nil)
	w.wantReady(jane)
}

func TestRole_ClerkRejectsGrant(t *testing.T) {
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
			endFault := w.clerk.Inject(clerktest.Fault{Match: clerktest.On("PATCH", "/users/*/metadata"), Respond: c.answer})
			_, _ = w.reconcile(jane)
			w.wantReason(jane, c.reason)
			w.wantRow(jane, user.Client) // the row follows Clerk, so that the user can use the application
			endFault()
			if name == "throttled" {
				return // requests wait until the pause is over: see internal/clerk
			}
			w.reconcileUntilStable(jane)
			w.wantReady(jane)
			w.wantRole(jane, user.Trainer, user.FromManifest, "trainer", markerOf("trainer"))
		})
	}
}
