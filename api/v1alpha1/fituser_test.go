package v1alpha1_test

import (
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/testenv"
)

var controlPlane testenv.Shared

func TestMain(m *testing.M) { controlPlane.Main(m) }

// newClient returns a client of the API server without a cache.
func newClient(t *testing.T, env *testenv.Environment) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(env.Config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// manifest returns a FitUser as a person writes it, with any spec.
func manifest(namespace, name string, spec map[string]any) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("FitUser"))
	u.SetNamespace(namespace)
	u.SetName(name)
	return u
}

func TestSpec_SmallestManifest(t *testing.T) {
	t.Parallel()
	env := controlPlane.Get(t)
	c := newClient(t, env)
	object := manifest(env.Namespace(t), "jane", map[string]any{"clerkUserID": "user_2abc123"})
	if err := c.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	got := &v1alpha1.FitUser{}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(object), got); err != nil {
		t.Fatal(err)
	}
	want := v1alpha1.FitUserSpec{ClerkUserID: "user_2abc123", DeletionPolicy: v1alpha1.DeletionPolicyDelete}
	if got.Spec != want {
		t.Errorf("the stored spec is %+v, want %+v", got.Spec, want)
	}
	if got.ManagedByOperator() {
		t.Error("a user-managed FitUser counts as operator-managed")
	}
}

func TestSpec_ValidIsAccepted(t *testing.T) {
	t.Parallel()
	env := controlPlane.Get(t)
	c, namespace := newClient(t, env), env.Namespace(t)
	for _, spec := range []map[string]any{
		{"clerkUserID": "user_1", "role": "admin"},
		{"clerkUserID": "user_29w83sxmDNGwOuEthce5gg56FcC", "role": "trainer", "deletionPolicy": "Retain", "suspend": true},
		{"clerkUserID": "user_" + strings.Repeat("z", 58), "role": "client", "deletionPolicy": "Delete", "suspend": false},
	} {
		object := manifest(namespace, "", spec)
		object.SetGenerateName("jane-")
		if err := c.Create(t.Context(), object); err != nil {
			t.Errorf("%v: %v", spec, err)
		}
	}
}

// The API server's error names the reason, so that a person can act on it.
func TestSpec_InvalidIsRefused(t *testing.T) {
	t.Parallel()
	env := controlPlane.Get(t)
	c, namespace := newClient(t, env), env.Namespace(t)
	const (
		id      = "user_2abc123"
		wrongID = "must be a Clerk user id: user_ followed by letters and digits (copy it from Clerk's dashboard)"
	)
	for name, test := range map[string]struct {
		spec map[string]any
		want string
	}{
		"no id":               {map[string]any{}, "spec.clerkUserID: Required value"},
		"empty id":            {map[string]any{"clerkUserID": ""}, wrongID},
		"prefix alone":        {map[string]any{"clerkUserID": "user_"}, wrongID},
		"no prefix":           {map[string]any{"clerkUserID": "2abc123"}, wrongID},
		"another kind of id":  {map[string]any{"clerkUserID": "org_2abc123"}, wrongID},
		"capital prefix":      {map[string]any{"clerkUserID": "User_2abc123"}, wrongID},
		"hyphen":              {map[string]any{"clerkUserID": "user_2abc-123"}, wrongID},
		"second underscore":   {map[string]any{"clerkUserID": "user_2abc_123"}, wrongID},
		"path":                {map[string]any{"clerkUserID": "user_x/../../organizations"}, wrongID},
		"query":               {map[string]any{"clerkUserID": "user_x?limit=1"}, wrongID},
		"space before":        {map[string]any{"clerkUserID": " user_2abc123"}, wrongID},
		"line end":            {map[string]any{"clerkUserID": "user_2abc123\n"}, wrongID},
		"letter with accent":  {map[string]any{"clerkUserID": "user_é2abc123"}, wrongID},
		"too long an id":      {map[string]any{"clerkUserID": "user_" + strings.Repeat("z", 59)}, "spec.clerkUserID: Too long: may not be more than 63"},
		"id that is a number": {map[string]any{"clerkUserID": int64(2)}, "must be of type string"},
		"unknown role":        {map[string]any{"clerkUserID": id, "role": "owner"}, `spec.role: Unsupported value: "owner": supported values: "admin", "trainer", "client"`},
		"role in capitals":    {map[string]any{"clerkUserID": id, "role": "Admin"}, `spec.role: Unsupported value: "Admin"`},
		"empty role":          {map[string]any{"clerkUserID": id, "role": ""}, `spec.role: Unsupported value: ""`},
		"unknown policy":      {map[string]any{"clerkUserID": id, "deletionPolicy": "Keep"}, `spec.deletionPolicy: Unsupported value: "Keep": supported values: "Delete", "Retain"`},
		"suspend as text":     {map[string]any{"clerkUserID": id, "suspend": "yes"}, "spec.suspend: Invalid value: \"string\": spec.suspend in body must be of type boolean"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkRefusal(t, c.Create(t.Context(), manifest(namespace, "jane", test.spec)), test.want)
		})
	}
	t.Run("no spec", func(t *testing.T) {
		t.Parallel()
		object := manifest(namespace, "jane", nil)
		delete(object.Object, "spec")
		checkRefusal(t, c.Create(t.Context(), object), "spec: Required value")
	})
}

func checkRefusal(t *testing.T, err error, want string) {
	t.Helper()
	if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "spec") || !strings.Contains(err.Error(), want) {
		t.Errorf("got  %v\nwant it to be invalid, with the field and: %s", err, want)
	}
}

func TestSpec_Changes(t *testing.T) {
	t.Parallel()
	env := controlPlane.Get(t)
	c := newClient(t, env)
	object := manifest(env.Namespace(t), "jane", map[string]any{"clerkUserID": "user_2abc123", "role": "admin"})
	if err := c.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	patch := func(patch string) error {
		return c.Patch(t.Context(), object.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(patch)))
	}
	for _, valid := range []string{
		`{"spec":{"role":"trainer"}}`, `{"spec":{"role":null}}`, `{"spec":{"suspend":true}}`,
		`{"spec":{"deletionPolicy":"Retain"}}`, `{"spec":{"deletionPolicy":null}}`,
	} {
		if err := patch(valid); err != nil {
			t.Errorf("%s: %v", valid, err)
		}
	}
	const another = "cannot be changed: a FitUser stays with one Clerk user; create another FitUser for another user"
	checkRefusal(t, patch(`{"spec":{"clerkUserID":"user_2abc124"}}`), another)
	checkRefusal(t, patch(`{"spec":{"clerkUserID":"user_2ABC123"}}`), another)
	checkRefusal(t, patch(`{"spec":{"clerkUserID":null}}`), "spec.clerkUserID: Required value")
	checkRefusal(t, patch(`{"spec":{"deletionPolicy":"delete"}}`), `Unsupported value: "delete"`)
}

// A manifest cannot write a status, and the operator's status write changes nothing else.
func TestStatus_IsASeparateSubresource(t *testing.T) {
	t.Parallel()
	env := controlPlane.Get(t)
	c := newClient(t, env)
	object := manifest(env.Namespace(t), "jane", map[string]any{"clerkUserID": "user_2abc123"})
	object.Object["status"] = map[string]any{"role": "admin"}
	if err := c.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	if role, _, _ := unstructured.NestedString(object.Object, "status", "role"); role != "" {
		t.Errorf("the manifest's status was accepted: %s", role)
	}
	patch := []byte(`{"spec":{"role":"admin"},"status":{"role":"trainer"}}`)
	if err := c.Status().Patch(t.Context(), object, client.RawPatch("application/merge-patch+json", patch)); err != nil {
		t.Fatal(err)
	}
	desired, _, _ := unstructured.NestedString(object.Object, "spec", "role")
	observed, _, _ := unstructured.NestedString(object.Object, "status", "role")
	if desired != "" || observed != "trainer" {
		t.Errorf("spec.role %q, status.role %q", desired, observed)
	}
}

func TestFitUser_SelectableFields(t *testing.T) {
	t.Parallel()
	env := controlPlane.Get(t)
	c, namespace := newClient(t, env), env.Namespace(t)
	for name, roles := range map[string]struct{ desired, observed string }{
		"jane": {"admin", "admin"}, "joe": {"admin", "client"}, "max": {"", "trainer"}, "new": {"", ""},
	} {
		spec := map[string]any{"clerkUserID": "user_" + name}
		if roles.desired != "" {
			spec["role"] = roles.desired
		}
		object := manifest(namespace, name, spec)
		if err := c.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
		if roles.observed == "" {
			continue
		}
		patch := []byte(`{"status":{"role":"` + roles.observed + `"}}`)
		if err := c.Status().Patch(t.Context(), object, client.RawPatch("application/merge-patch+json", patch)); err != nil {
			t.Fatal(err)
		}
	}
	for selector, want := range map[string]string{
		"spec.clerkUserID=user_jane":         "jane",
		"spec.clerkUserID=user_Jane":         "",
		"spec.role=admin":                    "jane joe",
		"spec.role=":                         "max new",
		"status.role=admin":                  "jane",
		"status.role!=client":                "jane max new",
		"spec.role=admin,status.role=client": "joe",
	} {
		var list v1alpha1.FitUserList
		raw := &client.ListOptions{Namespace: namespace, Raw: &metav1.ListOptions{FieldSelector: selector}}
		if err := c.List(t.Context(), &list, raw); err != nil {
			t.Errorf("%s: %v", selector, err)
		}
		var names []string
		for i := range list.Items {
			names = append(names, list.Items[i].Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: %q, want %q", selector, got, want)
		}
	}
}
