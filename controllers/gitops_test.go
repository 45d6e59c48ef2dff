package controllers_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

// call sends a request to Clerk's API, as the application's back end does.
func (w *world) call(method, path, body string) {
	w.Helper()
	request := httptest.NewRequest(method, "/v1"+path, strings.NewReader(body))
	request.Header.Set("Authorization", "Bearer "+clerktest.DefaultSecretKey)
	request.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	w.clerk.ServeHTTP(answer, request)
	if answer.Code != http.StatusOK {
		w.Fatalf("Clerk responded with %d: %s", answer.Code, answer.Body)
	}
}

// The customer's guide has three ways to set a role without a manifest. In each the operator does not write to Clerk.
func TestRole_SetInClerkWithoutManifest(t *testing.T) {
	for name, act := range map[string]func(w *world, id user.ID){
		"set in the dashboard": func(w *world, id user.ID) {
			w.clerk.SetPublicMetadata(string(id), clerktest.Metadata{"role": "trainer"})
		},
		"set by a back end": func(w *world, id user.ID) { // clerkClient.users.updateUser, which replaces all of it
			w.call("PATCH", "/users/"+string(id), `{"public_metadata":{"role":"trainer"}}`)
		},
		"requested at sign-up": func(w *world, id user.ID) {
			w.clerk.SetUnsafeMetadata(string(id), clerktest.Metadata{"role": "trainer"})
			w.event(id, v1alpha1.UserUpdated)
			w.reconcileUntilStable(id)
			w.wantRole(id, user.Client, user.FromDefault, nil, nil) // unsafe metadata has no effect
			w.call("PATCH", "/users/"+string(id)+"/metadata", `{"public_metadata":{"role":"trainer"},"unsafe_metadata":{"role":null}}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			jane := w.signUp("jane")
			w.event(jane, v1alpha1.UserCreated)
			w.reconcileUntilStable(jane)
			w.wantRole(jane, user.Client, user.FromDefault, nil, nil)
			act(w, jane)
			w.event(jane, v1alpha1.UserUpdated)
			w.reconcileUntilStable(jane)
			w.wantRole(jane, user.Trainer, user.FromClerk, "trainer", nil)
			w.wantNoWrites(jane)
		})
	}
}

// The application's back end does not know markers: updateUser replaces public metadata and keeps private metadata.
func TestRole_BackEndReplacesPublicMetadata(t *testing.T) {
	for name, c := range map[string]struct {
		body  string
		after user.Role // once the manifest is cleared
		from  user.RoleSource
	}{
		"without a role":        {`{"public_metadata":{"plan":"gold"}}`, user.Client, user.FromDefault},
		"with another role":     {`{"public_metadata":{"role":"admin","plan":"gold"}}`, user.Admin, user.FromClerk},
		"with the granted role": {`{"public_metadata":{"role":"trainer","plan":"gold"}}`, user.Client, user.FromDefault},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			jane := w.signUp("jane")
			coach := w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "trainer"})
			w.reconcileUntilStable(jane)
			w.call("PATCH", "/users/"+string(jane), c.body)
			w.event(jane, v1alpha1.UserUpdated)
			w.reconcileUntilStable(jane)
			w.wantRole(jane, user.Trainer, user.FromManifest, "trainer", markerOf("trainer"))

			w.call("PATCH", "/users/"+string(jane), c.body) // again, just before spec.role is removed
			w.setRole(coach, "", "kubectl-edit")
			w.reconcileUntilStable(jane)
			var held any
			if c.from == user.FromClerk {
				held = string(c.after)
			}
			w.wantRole(jane, c.after, c.from, held, nil)
			if u, _ := w.clerk.User(string(jane)); u.PublicMetadata["plan"] != "gold" {
				t.Errorf("the application's metadata: %v", u.PublicMetadata)
			}
			w.wantNoWrites(jane)
		})
	}
}

// A role may change in Clerk between the operator's read and write. In the end the manifest's role is in Clerk.
func TestRole_ConcurrentChangeInClerkAndGit(t *testing.T) {
	dashboard := func(w *world, id user.ID) {
		w.clerk.SetPublicMetadata(string(id), clerktest.Metadata{"role": "client", "plan": "gold"})
	}
	for name, respond := range map[string]func(*world, user.ID) clerktest.Response{
		"Clerk just before the operator's write": func(w *world, id user.ID) clerktest.Response {
			return func(a http.ResponseWriter, r *http.Request, next http.Handler) {
				dashboard(w, id)
				next.ServeHTTP(a, r)
			}
		},
		"Clerk just after the operator's write": func(w *world, id user.ID) clerktest.Response {
			return func(a http.ResponseWriter, r *http.Request, next http.Handler) {
				next.ServeHTTP(a, r)
				dashboard(w, id)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			jane := w.signUp("jane")
			coach := w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "trainer"})
			w.reconcileUntilStable(jane)
			w.clerk.Inject(clerktest.Fault{
				Match: clerktest.On("PATCH", "/users/*/metadata"), Times: 1, Respond: respond(w, jane),
			})
			w.setRole(coach, "admin", "kubectl-edit")
			w.reconcileUntilStable(jane)
			w.event(jane, v1alpha1.UserUpdated) // the dashboard's
			w.reconcileUntilStable(jane)
			w.wantRole(jane, user.Admin, user.FromManifest, "admin", markerOf("admin"))
			if u, _ := w.clerk.User(string(jane)); u.PublicMetadata["plan"] != "gold" {
				t.Errorf("the application's metadata: %v", u.PublicMetadata)
			}
			w.wantNoWrites(jane)
		})
	}
}

// The operator's own write causes an event. The event's hint is the only further write.
func TestRole_EventOfOwnWriteChangesNothing(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	coach := w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "trainer"})
	w.reconcileUntilStable(jane)
	for _, role := range []v1alpha1.Role{"admin", ""} {
		w.setRole(coach, role, "kubectl-edit")
		w.reconcileUntilStable(jane)
		w.wantWrites(1, 0, func() {
			w.event(jane, v1alpha1.UserUpdated)
			w.reconcileUntilStable(jane)
		})
	}
}

// A manifest for a user who is not in Clerk waits for an event and is not requeued.
func TestManifest_UnknownUserIsNotRequeued(t *testing.T) {
	w := newWorld(t)
	const jane = user.ID("user_2abc123")
	w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "trainer"})
	w.reconcileUntilStable(jane)
	result, err := w.reconcile(jane)
	if err != nil || result != (reconcile.Result{}) {
		t.Errorf("requeued after %v, %v", result, err)
	}
	if changes := w.roleChanges(); len(changes) != 0 {
		t.Errorf("a role change of an unknown user is reported: %q", changes)
	}
}

func TestManifest_BeforeAndAfterSignUp(t *testing.T) {
	const jane = user.ID("user_2abc123")
	manifest := func(w *world) { w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "trainer"}) }
	signUp := func(w *world) {
		w.clerk.SignUp(clerktest.Person{ID: string(jane), Email: "jane@example.com", FirstName: "Jane"})
		w.event(jane, v1alpha1.UserCreated)
	}
	for name, steps := range map[string][]func(*world){
		"before the event":                 {manifest, signUp},
		"after the event":                  {signUp, manifest},
		"before, with a deletion":          {manifest, signUp, func(w *world) { w.remove(w.fitUser(jane)) }, manifest},
		"after, on the operator's FitUser": {signUp, func(w *world) { w.setRole(w.fitUser(jane), "trainer", "argocd-controller") }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			for _, step := range steps {
				step(w)
				w.reconcileUntilStable(jane)
			}
			w.wantReady(jane)
			w.wantRole(jane, user.Trainer, user.FromManifest, "trainer", markerOf("trainer"))
			if u := w.fitUser(jane); u.ManagedByOperator() {
				t.Errorf("%s is operator-managed", u.Name)
			}
			if got := len(w.clerk.Writes()); got != 1 {
				t.Errorf("%d writes to Clerk", got)
			}
			w.wantNoWrites(jane)
		})
	}
}

// Replacing a manifest keeps the role all the time, under any name and in any order: Clerk is not written.
func TestManifest_ReplacementKeepsRole(t *testing.T) {
	for name, replace := range map[string]func(w *world, old *v1alpha1.FitUser){
		"renamed: deleted, then created": func(w *world, old *v1alpha1.FitUser) {
			w.remove(old)
			_, _ = w.reconcile(user.ID(old.Spec.ClerkUserID))
			w.manifest("jane-doe", user.ID(old.Spec.ClerkUserID), old.Spec)
		},
		"renamed: created, then deleted": func(w *world, old *v1alpha1.FitUser) {
			w.manifest("jane-doe", user.ID(old.Spec.ClerkUserID), old.Spec)
			_, _ = w.reconcile(user.ID(old.Spec.ClerkUserID))
			w.remove(old)
		},
		"pruned and applied again before a reconcile": func(w *world, old *v1alpha1.FitUser) {
			w.remove(old)
			w.manifest(old.Name, user.ID(old.Spec.ClerkUserID), old.Spec)
		},
		"pruned and applied again while Clerk is read": func(w *world, old *v1alpha1.FitUser) {
			w.remove(old)
			w.clock.Step(fituser.DefaultRevocationGrace / 2)
			_, _ = w.reconcile(user.ID(old.Spec.ClerkUserID))
			w.manifest(old.Name, user.ID(old.Spec.ClerkUserID), old.Spec)
			w.clock.Step(fituser.DefaultRevocationGrace)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			jane := w.signUp("jane")
			old := w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "admin"})
			w.reconcileUntilStable(jane)
			w.roleChanges()
			before := len(w.clerk.Writes())
			replace(w, old)
			w.reconcileUntilStable(jane)
			w.wantReady(jane)
			w.wantRole(jane, user.Admin, user.FromManifest, "admin", markerOf("admin"))
			if got := len(w.clerk.Writes()) - before; got != 0 {
				t.Errorf("%d writes to Clerk", got)
			}
			if changes := w.roleChanges(); len(changes) != 0 {
				t.Errorf("an unchanged role is reported as changed: %q", changes)
			}
			w.wantPendingRevocations(0)
			w.wantNoWrites(jane)
		})
	}
}
