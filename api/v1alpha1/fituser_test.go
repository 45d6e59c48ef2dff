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
	return object(namespace, name, "FitUser", spec)
}

// object returns an object of a kind of this API, with any spec.
func object(namespace, name, kind string, spec map[string]any) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind))
	u.SetNamespace(namespace)
	u.SetName(name)
	return u
}

// patchWith returns a function that applies a merge patch to an object and returns the API server's error.
func patchWith(t *testing.T, c client.Client, u *unstructured.Unstructured) func(patch string) error {
	t.Helper()
	return func(patch string) error {
		return c.Patch(t.Context(), u.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(patch)))
	}
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
	want := v1alpha1.FitUserSpec{ClerkUserID: "user_2abc123"}
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
		{"clerkUserID": "user_2abc123", "deletionPolicy": "Anonymize"},
		{"email": "jane@fitai.dev"},
		{"email": "Jane.O'Doe+gym@Mail.Example.COM", "role": "admin", "roleExpiresAt": "2027-01-31T18:00:00Z"},
		{"email": strings.Repeat("j", 64) + "@" + strings.Repeat("d", 251) + ".dev", "deletionPolicy": "Retain", "suspend": true},
		{"email": "clerk_test@fitai.dev"}, // without the plus it is an address as any other
		{"email": "jane+clerk_testing@fitai.dev"},
		{"email": "j@d"},
		{"clerkUserID": "user_1", "role": "trainer", "roleExpiresAt": "1999-12-31T23:59:59.123456789+14:00"}, // grants nothing
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
		id        = "user_2abc123"
		wrongID   = "must be a Clerk user id: user_ followed by letters and digits (copy it from Clerk's dashboard)"
		exactly   = "want exactly one of clerkUserID and email: the user's id in Clerk, or an address that the user has verified there"
		noAddress = "must be an e-mail address"
		test      = "must not be one of Clerk's test addresses (+clerk_test): anybody can verify those; name the user by clerkUserID"
		noTime    = "spec.roleExpiresAt"
	)
	for name, test := range map[string]struct {
		spec map[string]any
		want string
	}{
		"neither id nor address":              {map[string]any{}, exactly},
		"no id but a role":                    {map[string]any{"role": "admin"}, exactly},
		"both id and address":                 {map[string]any{"clerkUserID": id, "email": "jane@fitai.dev"}, exactly},
		"both, one empty":                     {map[string]any{"clerkUserID": id, "email": ""}, exactly},
		"empty id":                            {map[string]any{"clerkUserID": ""}, wrongID},
		"prefix alone":                        {map[string]any{"clerkUserID": "user_"}, wrongID},
		"no prefix":                           {map[string]any{"clerkUserID": "2abc123"}, wrongID},
		"another kind of id":                  {map[string]any{"clerkUserID": "org_2abc123"}, wrongID},
		"capital prefix":                      {map[string]any{"clerkUserID": "User_2abc123"}, wrongID},
		"hyphen":                              {map[string]any{"clerkUserID": "user_2abc-123"}, wrongID},
		"second underscore":                   {map[string]any{"clerkUserID": "user_2abc_123"}, wrongID},
		"path":                                {map[string]any{"clerkUserID": "user_x/../../organizations"}, wrongID},
		"query":                               {map[string]any{"clerkUserID": "user_x?limit=1"}, wrongID},
		"space before":                        {map[string]any{"clerkUserID": " user_2abc123"}, wrongID},
		"line end":                            {map[string]any{"clerkUserID": "user_2abc123\n"}, wrongID},
		"letter with accent":                  {map[string]any{"clerkUserID": "user_é2abc123"}, wrongID},
		"too long an id":                      {map[string]any{"clerkUserID": "user_" + strings.Repeat("z", 59)}, "spec.clerkUserID: Too long: may not be more than 63"},
		"id that is a number":                 {map[string]any{"clerkUserID": int64(2)}, "must be of type string"},
		"unknown role":                        {map[string]any{"clerkUserID": id, "role": "owner"}, `spec.role: Unsupported value: "owner": supported values: "admin", "trainer", "client"`},
		"role in capitals":                    {map[string]any{"clerkUserID": id, "role": "Admin"}, `spec.role: Unsupported value: "Admin"`},
		"empty role":                          {map[string]any{"clerkUserID": id, "role": ""}, `spec.role: Unsupported value: ""`},
		"unknown policy":                      {map[string]any{"clerkUserID": id, "deletionPolicy": "Keep"}, `spec.deletionPolicy: Unsupported value: "Keep": supported values: "Delete", "Retain", "Anonymize"`},
		"empty address":                       {map[string]any{"email": ""}, noAddress},
		"no at sign":                          {map[string]any{"email": "jane.fitai.dev"}, noAddress},
		"two at signs":                        {map[string]any{"email": "jane@gym@fitai.dev"}, noAddress},
		"nobody":                              {map[string]any{"email": "@fitai.dev"}, noAddress},
		"nowhere":                             {map[string]any{"email": "jane@"}, noAddress},
		"name and address":                    {map[string]any{"email": "Jane <jane@fitai.dev>"}, noAddress},
		"two addresses":                       {map[string]any{"email": "jane@fitai.dev, joe@fitai.dev"}, noAddress},
		"space after":                         {map[string]any{"email": "jane@fitai.dev "}, noAddress},
		"line end after":                      {map[string]any{"email": "jane@fitai.dev\n"}, noAddress},
		"space of another script":             {map[string]any{"email": "jane@fitai.dev\u00a0"}, noAddress},
		"letter of another script":            {map[string]any{"email": "j\u0430ne@fitai.dev"}, noAddress}, // a Cyrillic a
		"letter that lower-cases to k":        {map[string]any{"email": "jac\u212a@fitai.dev"}, noAddress}, // the Kelvin sign
		"too long an address":                 {map[string]any{"email": strings.Repeat("j", 317) + "@d.e"}, "spec.email: Too long: may not be more than 320"},
		"test address":                        {map[string]any{"email": "jane+clerk_test@fitai.dev"}, test},
		"test in capitals":                    {map[string]any{"email": "Jane+CLERK_Test@fitai.dev"}, test},
		"test after a tag":                    {map[string]any{"email": "jane+gym+clerk_test@fitai.dev"}, test},
		"expiry of no role":                   {map[string]any{"clerkUserID": id, "roleExpiresAt": "2027-01-31T18:00:00Z"}, "roleExpiresAt needs a role that expires"},
		"expiry as a date":                    {map[string]any{"clerkUserID": id, "role": "admin", "roleExpiresAt": "2027-01-31"}, noTime},
		"expiry without a zone":               {map[string]any{"clerkUserID": id, "role": "admin", "roleExpiresAt": "2027-01-31T18:00:00"}, noTime},
		"expiry as a number":                  {map[string]any{"clerkUserID": id, "role": "admin", "roleExpiresAt": int64(1801418400)}, noTime},
		"expiry on a day that does not exist": {map[string]any{"clerkUserID": id, "role": "admin", "roleExpiresAt": "2027-02-30T18:00:00Z"}, noTime},
		"suspend as text":                     {map[string]any{"clerkUserID": id, "suspend": "yes"}, "spec.suspend: Invalid value: \"string\": spec.suspend in body must be of type boolean"},
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
	patch := patchWith(t, c, object)
	for _, valid := range []string{
		`{"spec":{"role":"trainer"}}`, `{"spec":{"roleExpiresAt":"2027-01-31T18:00:00Z"}}`, `{"spec":{"roleExpiresAt":"2026-01-31T18:00:00Z"}}`,
		`{"spec":{"role":null,"roleExpiresAt":null}}`, `{"spec":{"suspend":true}}`,
		`{"spec":{"deletionPolicy":"Retain"}}`, `{"spec":{"deletionPolicy":null}}`,
	} {
		if err := patch(valid); err != nil {
			t.Errorf("%s: %v", valid, err)
		}
	}
	const another = "cannot be changed: a FitUser stays with one Clerk user; create another FitUser for another user"
	checkRefusal(t, patch(`{"spec":{"clerkUserID":"user_2abc124"}}`), another)
	checkRefusal(t, patch(`{"spec":{"clerkUserID":"user_2ABC123"}}`), another)
	checkRefusal(t, patch(`{"spec":{"clerkUserID":null}}`), "want exactly one of clerkUserID and email")
	checkRefusal(t, patch(`{"spec":{"email":"jane@fitai.dev"}}`), "want exactly one of clerkUserID and email")
	checkRefusal(t, patch(`{"spec":{"clerkUserID":null,"email":"jane@fitai.dev"}}`), "clerkUserID and email cannot be changed")
	checkRefusal(t, patch(`{"spec":{"deletionPolicy":"delete"}}`), `Unsupported value: "delete"`)
	checkRefusal(t, patch(`{"spec":{"roleExpiresAt":"2027-01-31T18:00:00Z"}}`), "roleExpiresAt needs a role that expires")
}

func TestSpec_EmailIsImmutable(t *testing.T) {
	t.Parallel()
	env := controlPlane.Get(t)
	c := newClient(t, env)
	object := manifest(env.Namespace(t), "jane", map[string]any{"email": "jane@fitai.dev", "role": "admin", "roleExpiresAt": "2027-01-31T18:00:00Z"})
	if err := c.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	patch := patchWith(t, c, object)
	const another = "cannot be changed: create another FitUser for another address"
	checkRefusal(t, patch(`{"spec":{"email":"joe@fitai.dev"}}`), another)
	checkRefusal(t, patch(`{"spec":{"email":"Jane@fitai.dev"}}`), another)
	checkRefusal(t, patch(`{"spec":{"email":null}}`), "want exactly one of clerkUserID and email")
	checkRefusal(t, patch(`{"spec":{"email":null,"clerkUserID":"user_2abc123"}}`), "clerkUserID and email cannot be changed")
	checkRefusal(t, patch(`{"spec":{"clerkUserID":"user_2abc123"}}`), "want exactly one of clerkUserID and email")
	checkRefusal(t, patch(`{"spec":{"role":null}}`), "roleExpiresAt needs a role that expires")
	for _, valid := range []string{`{"spec":{"email":"jane@fitai.dev","role":"trainer"}}`, `{"spec":{"roleExpiresAt":null,"role":null}}`} {
		if err := patch(valid); err != nil {
			t.Errorf("%s: %v", valid, err)
		}
	}
}

// The API server must not accept a time that the operator's types cannot read: one such object would end every list.
func TestSpec_AcceptedTimesAreReadable(t *testing.T) {
	t.Parallel()
	env := controlPlane.Get(t)
	c, namespace := newClient(t, env), env.Namespace(t)
	for value, valid := range map[string]bool{
		"2027-01-31T18:00:00Z":      true,
		"2027-01-31T18:00:00.5Z":    true,
		"2027-01-31T18:00:00+05:30": true,
		"2027-01-31t18:00:00z":      false, // the format date-time allows these
		"2027-01-31T18:00:00x5Z":    false,
		"2027-01-31T18:00:00+99:99": false,
		"2027-01-31T24:00:00Z":      false,
		"0000-01-31T18:00:00Z":      false,
		"9999-12-31T23:59:59-14:00": false, // the year 10000 in UTC
	} {
		object := manifest(namespace, "", map[string]any{"clerkUserID": "user_1", "role": "trainer", "roleExpiresAt": value})
		object.SetGenerateName("jane-")
		if err := c.Create(t.Context(), object); (err == nil) != valid {
			t.Errorf("%s: %v", value, err)
		}
	}
	var list v1alpha1.FitUserList
	if err := c.List(t.Context(), &list, client.InNamespace(namespace)); err != nil {
		t.Errorf("listing: %v", err)
	}
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
		if name == "max" {
			spec = map[string]any{"email": "Max@fitai.dev"}
		}
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
		patch := []byte(`{"status":{"clerkUserID":"user_` + name + `","role":"` + roles.observed + `"}}`)
		if err := c.Status().Patch(t.Context(), object, client.RawPatch("application/merge-patch+json", patch)); err != nil {
			t.Fatal(err)
		}
	}
	for selector, want := range map[string]string{
		"spec.clerkUserID=user_jane":         "jane",
		"spec.clerkUserID=user_Jane":         "",
		"spec.clerkUserID=":                  "max",
		"spec.email=Max@fitai.dev":           "max",
		"spec.email=max@fitai.dev":           "", // as it is written in the manifest
		"status.clerkUserID=user_max":        "max",
		"status.clerkUserID=":                "new",
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
