package controllers_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/testenv"
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
		w.Fatalf("Clerk answered %d: %s", answer.Code, answer.Body)
	}
}

// The three ways of the customer's guide to a role without a manifest. In none of them does the operator write to Clerk.
func TestRoleWithoutAManifest(t *testing.T) {
	for name, happens := range map[string]func(w *world, id user.ID){
		"set in the dashboard": func(w *world, id user.ID) {
			w.clerk.SetPublicMetadata(string(id), clerktest.Metadata{"role": "trainer"})
		},
		"set by a back end": func(w *world, id user.ID) { // clerkClient.users.updateUser, which replaces all of it
			w.call("PATCH", "/users/"+string(id), `{"public_metadata":{"role":"trainer"}}`)
		},
		"wished at sign-up": func(w *world, id user.ID) {
			w.clerk.SetUnsafeMetadata(string(id), clerktest.Metadata{"role": "trainer"})
			w.event(id, v1alpha1.UserUpdated)
			w.settle(id)
			w.wantRole(id, user.Client, user.FromDefault, nil, nil) // a wish decides nothing
			w.call("PATCH", "/users/"+string(id)+"/metadata", `{"public_metadata":{"role":"trainer"},"unsafe_metadata":{"role":null}}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			jane := w.signUp("jane")
			w.event(jane, v1alpha1.UserCreated)
			w.settle(jane)
			w.wantRole(jane, user.Client, user.FromDefault, nil, nil)
			happens(w, jane)
			w.event(jane, v1alpha1.UserUpdated)
			w.settle(jane)
			w.wantRole(jane, user.Trainer, user.FromClerk, "trainer", nil)
			w.silent(jane)
		})
	}
}

// The application's back end knows nothing of marks: updateUser replaces public metadata and leaves private metadata.
func TestBackEndReplacesPublicMetadataUnderAManifest(t *testing.T) {
	for name, c := range map[string]struct {
		body  string
		after user.Role // once the manifest is cleared
		from  user.RoleSource
	}{
		"without a role":      {`{"public_metadata":{"plan":"gold"}}`, user.Client, user.FromDefault},
		"with another role":   {`{"public_metadata":{"role":"admin","plan":"gold"}}`, user.Admin, user.FromClerk},
		"with the given role": {`{"public_metadata":{"role":"trainer","plan":"gold"}}`, user.Client, user.FromDefault},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			jane := w.signUp("jane")
			coach := w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "trainer"})
			w.settle(jane)
			w.call("PATCH", "/users/"+string(jane), c.body)
			w.event(jane, v1alpha1.UserUpdated)
			w.settle(jane)
			w.wantRole(jane, user.Trainer, user.FromManifest, "trainer", markOf("trainer"))

			w.call("PATCH", "/users/"+string(jane), c.body) // and now at the moment the line goes
			w.setRole(coach, "", "kubectl-edit")
			w.settle(jane)
			var held any
			if c.from == user.FromClerk {
				held = string(c.after)
			}
			w.wantRole(jane, c.after, c.from, held, nil)
			if u, _ := w.clerk.User(string(jane)); u.PublicMetadata["plan"] != "gold" {
				t.Errorf("the application's metadata: %v", u.PublicMetadata)
			}
			w.silent(jane)
		})
	}
}

// Between our read and our write somebody may set another role in Clerk. The manifest's word stands in the end.
func TestRoleChangedInClerkAndInGitAtTheSameMoment(t *testing.T) {
	dashboard := func(w *world, id user.ID) {
		w.clerk.SetPublicMetadata(string(id), clerktest.Metadata{"role": "client", "plan": "gold"})
	}
	for name, respond := range map[string]func(*world, user.ID) clerktest.Response{
		"Clerk just before our write": func(w *world, id user.ID) clerktest.Response {
			return func(a http.ResponseWriter, r *http.Request, next http.Handler) {
				dashboard(w, id)
				next.ServeHTTP(a, r)
			}
		},
		"Clerk just after our write": func(w *world, id user.ID) clerktest.Response {
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
			w.settle(jane)
			w.clerk.Inject(clerktest.Fault{
				Match: clerktest.On("PATCH", "/users/*/metadata"), Times: 1, Respond: respond(w, jane),
			})
			w.setRole(coach, "admin", "kubectl-edit")
			w.settle(jane)
			w.event(jane, v1alpha1.UserUpdated) // the dashboard's
			w.settle(jane)
			w.wantRole(jane, user.Admin, user.FromManifest, "admin", markOf("admin"))
			if u, _ := w.clerk.User(string(jane)); u.PublicMetadata["plan"] != "gold" {
				t.Errorf("the application's metadata: %v", u.PublicMetadata)
			}
			w.silent(jane)
		})
	}
}

// The operator's own write comes back as an event: that costs its hint and nothing else.
func TestEchoOfOurOwnWrite(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	coach := w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "trainer"})
	w.settle(jane)
	for _, role := range []v1alpha1.Role{"admin", ""} {
		w.setRole(coach, role, "kubectl-edit")
		w.settle(jane)
		w.wantWrites(1, 0, func() {
			w.event(jane, v1alpha1.UserUpdated)
			w.settle(jane)
		})
	}
}

// A manifest for somebody who is not in Clerk waits for its event, and asks for nothing in between.
func TestManifestOfNobodyCostsNothing(t *testing.T) {
	w := newWorld(t)
	const jane = user.ID("user_2abc123")
	w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "trainer"})
	w.settle(jane)
	result, err := w.reconcile(jane)
	if err != nil || result != (reconcile.Result{}) {
		t.Errorf("looks again after %v, %v", result, err)
	}
	if told := w.told(); len(told) != 0 {
		t.Errorf("told of a right that nobody has: %q", told)
	}
}

func TestManifestAroundTheSignUp(t *testing.T) {
	const jane = user.ID("user_2abc123")
	manifest := func(w *world) { w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "trainer"}) }
	signUp := func(w *world) {
		w.clerk.SignUp(clerktest.Person{ID: string(jane), Email: "jane@example.com", FirstName: "Jane"})
		w.event(jane, v1alpha1.UserCreated)
	}
	for name, steps := range map[string][]func(*world){
		"before the event":         {manifest, signUp},
		"after the event":          {signUp, manifest},
		"before, with a deletion":  {manifest, signUp, func(w *world) { w.remove(w.fitUser(jane)) }, manifest},
		"after, over the operator": {signUp, func(w *world) { w.setRole(w.fitUser(jane), "trainer", "argocd-controller") }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			for _, step := range steps {
				step(w)
				w.settle(jane)
			}
			w.wantReady(jane)
			w.wantRole(jane, user.Trainer, user.FromManifest, "trainer", markOf("trainer"))
			if u := w.fitUser(jane); u.ManagedByOperator() {
				t.Errorf("%s counts as the operator's own", u.Name)
			}
			if got := len(w.clerk.Writes()); got != 1 {
				t.Errorf("%d writes to Clerk", got)
			}
			w.silent(jane)
		})
	}
}

// Replacing a manifest, by whatever name and in whatever order, is no moment without the right: Clerk is not written.
func TestReplacedManifest(t *testing.T) {
	for name, replace := range map[string]func(w *world, old *v1alpha1.FitUser){
		"renamed: away, then anew": func(w *world, old *v1alpha1.FitUser) {
			w.remove(old)
			_, _ = w.reconcile(user.ID(old.Spec.ClerkUserID))
			w.manifest("jane-doe", user.ID(old.Spec.ClerkUserID), old.Spec)
		},
		"renamed: anew, then away": func(w *world, old *v1alpha1.FitUser) {
			w.manifest("jane-doe", user.ID(old.Spec.ClerkUserID), old.Spec)
			_, _ = w.reconcile(user.ID(old.Spec.ClerkUserID))
			w.remove(old)
		},
		"pruned and applied again before anybody looks": func(w *world, old *v1alpha1.FitUser) {
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
			w.settle(jane)
			w.told()
			before := len(w.clerk.Writes())
			replace(w, old)
			w.settle(jane)
			w.wantReady(jane)
			w.wantRole(jane, user.Admin, user.FromManifest, "admin", markOf("admin"))
			if got := len(w.clerk.Writes()) - before; got != 0 {
				t.Errorf("%d writes to Clerk", got)
			}
			if told := w.told(); len(told) != 0 {
				t.Errorf("told of a right that nobody changed: %q", told)
			}
			w.wantRightsNotTakenBack(0)
			w.silent(jane)
		})
	}
}

// A newer CRD may allow roles that this program does not know. Such a manifest writes nothing and takes nothing back.
func TestRoleOfANewerCRD(t *testing.T) {
	t.Parallel()
	w := newWorldOn(t, newerCRD(t, "coach"))
	jane, joe := w.signUp("jane"), w.signUp("joe")
	had := w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "trainer"})
	w.settle(jane)
	w.setRole(had, "coach", "kubectl-edit")
	never := w.manifest("joe", joe, v1alpha1.FitUserSpec{Role: "coach"})
	before := len(w.clerk.Writes())
	w.settle(jane, joe)
	for _, u := range []*v1alpha1.FitUser{had, never} {
		w.wantReasonOf(u, v1alpha1.ReasonUnknownRole)
		if !meta.IsStatusConditionTrue(u.Status.Conditions, v1alpha1.ConditionStalled) {
			t.Errorf("%s is not Stalled", u.Name)
		}
	}
	w.wantRole(jane, user.Trainer, user.FromManifest, "trainer", markOf("trainer"))
	w.wantRole(joe, user.Client, user.FromDefault, nil, nil)
	if got := len(w.clerk.Writes()) - before; got != 0 {
		t.Errorf("%d writes to Clerk", got)
	}
	w.wantRightsNotTakenBack(0)
	w.silent(jane, joe)

	w.setRole(had, "", "kubectl-edit")
	w.settle(jane)
	w.wantRole(jane, user.Client, user.FromDefault, nil, nil)
}

// newerCRD is a control plane whose CRD knows one more role.
func newerCRD(t *testing.T, role string) *testenv.Environment {
	t.Helper()
	const file = "identity.fitai.dev_fitusers.yaml"
	crd, err := os.ReadFile(filepath.Join("..", "config", "crd", "bases", file))
	if err != nil {
		t.Fatal(err)
	}
	newer := strings.Replace(string(crd), "                - trainer\n", "                - trainer\n                - "+role+"\n", 1)
	if newer == string(crd) {
		t.Fatal("the CRD's roles were not found")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, file), []byte(newer), 0o600); err != nil {
		t.Fatal(err)
	}
	env, err := testenv.Start(t.Context(), testenv.Options{CRDDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := env.Stop(); err != nil {
			t.Error(err)
		}
	})
	return env
}
