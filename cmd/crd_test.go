package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/store/storetest"
	"github.com/fitai/fituser-operator/internal/testenv"
)

// The CRD is upgraded and rolled back apart from the program. Today's program works with the one before it and with the
// one after it, no object is lost on the way, and what a newer program wrote stays.
func TestOlderAndNewerCRDs(t *testing.T) {
	t.Parallel()
	u := newUpgrade(t, older)
	s := u.system
	s.start()
	jane := s.clerk.SignUp(clerktest.Person{Email: "jane@example.com", FirstName: "Jane"})
	s.clerk.SignUp(clerktest.Person{Email: "joe@example.com", FirstName: "Joe"})
	s.deliver()
	s.eventually("all agree under the older CRD", s.agreement)
	uids := u.uids()

	u.install(nil)
	u.works(jane, "Janet", uids)
	u.install(newer)
	u.patch(jane, `{"spec":{"note":"n"}}`)
	u.patchStatus(jane, `{"status":{"score":7,"profile":{"nickname":"J"}}}`)
	u.addCondition(jane, "Shiny")
	u.works(jane, "Janina", uids)
	s.stop()
	s.start() // a new process reads them all anew
	u.works(jane, "Joan", uids)
	u.wantNewer(jane)

	u.install(nil)
	u.works(jane, "Johanna", uids)
	u.install(older)
	u.works(jane, "Jane", uids)
	s.clerk.Delete(jane)
	s.deliver()
	s.eventually("only Joe is left", s.agreement)
	s.stop()
}

// older takes away what may have come last. That one can select by spec.clerkUserID was there from the first: without it
// the program deletes nothing.
func older(version *apiextensionsv1.CustomResourceDefinitionVersion) {
	version.AdditionalPrinterColumns, version.SelectableFields = nil, version.SelectableFields[:1]
	properties := version.Schema.OpenAPIV3Schema.Properties
	delete(properties["spec"].Properties, "suspend")
	status := properties["status"].Properties
	for _, field := range []string{"lastChangeTime", "roleSource", "observedHint"} {
		delete(status, field)
	}
	delete(status["clerk"].Properties, "deprovisioned")
}

// newer adds what may come next.
func newer(version *apiextensionsv1.CustomResourceDefinitionVersion) {
	properties := version.Schema.OpenAPIV3Schema.Properties
	text := apiextensionsv1.JSONSchemaProps{Type: "string"}
	properties["spec"].Properties["note"] = text
	properties["status"].Properties["score"] = apiextensionsv1.JSONSchemaProps{Type: "integer"}
	properties["status"].Properties["profile"].Properties["nickname"] = text
	version.AdditionalPrinterColumns = append(version.AdditionalPrinterColumns,
		apiextensionsv1.CustomResourceColumnDefinition{Name: "Score", Type: "integer", JSONPath: ".status.score"})
}

// upgrade is a control plane of its own, whose CRD is exchanged under the running program.
type upgrade struct {
	*testing.T
	system  *system
	objects client.Client
	today   *apiextensionsv1.CustomResourceDefinition
}

func newUpgrade(t *testing.T, change func(*apiextensionsv1.CustomResourceDefinitionVersion)) *upgrade {
	t.Helper()
	text, err := os.ReadFile("../config/crd/bases/identity.fitai.dev_fitusers.yaml")
	ok(t, err)
	u := &upgrade{T: t, today: &apiextensionsv1.CustomResourceDefinition{}}
	ok(t, yaml.UnmarshalStrict(text, u.today))
	first := u.today.DeepCopy()
	change(&first.Spec.Versions[0])
	text, err = yaml.Marshal(first)
	ok(t, err)
	dir := t.TempDir()
	ok(t, os.WriteFile(filepath.Join(dir, "crd.yaml"), text, 0o600))
	env, err := testenv.Start(t.Context(), testenv.Options{CRDDir: dir})
	ok(t, err)
	t.Cleanup(func() { ok(t, env.Stop()) })
	scheme := runtime.NewScheme()
	ok(t, errors.Join(apiextensionsv1.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)))
	u.objects, err = client.New(env.Config, client.Options{Scheme: scheme})
	ok(t, err)
	u.system = newSystemOn(t, env, storetest.SQLite(t))
	return u
}

// install installs today's CRD with a change, and waits until the API server goes by it.
func (u *upgrade) install(change func(*apiextensionsv1.CustomResourceDefinitionVersion)) {
	u.Helper()
	crd := &apiextensionsv1.CustomResourceDefinition{}
	ok(u.T, u.objects.Get(u.Context(), client.ObjectKeyFromObject(u.today), crd))
	u.today.DeepCopy().Spec.DeepCopyInto(&crd.Spec)
	if change != nil {
		change(&crd.Spec.Versions[0])
	}
	ok(u.T, u.objects.Update(u.Context(), crd))
	for field, value := range map[string]any{"suspend": true, "note": "n"} {
		_, want := crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"].Properties[field]
		u.system.eventually("the CRD is in force", func() error {
			probe := fitusers.New(u.system.namespace, "user_2probe", 0)
			object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(probe)
			ok(u.T, err)
			delete(object, "status")
			object["apiVersion"], object["kind"] = v1alpha1.GroupVersion.String(), "FitUser"
			ok(u.T, unstructured.SetNestedField(object, value, "spec", field))
			err = u.objects.Create(context.Background(), &unstructured.Unstructured{Object: object}, client.DryRunAll, client.FieldValidation("Strict"))
			if (err == nil) != want {
				return errors.Join(errors.New("it is not"), err)
			}
			return nil
		})
	}
}

// works gives a user another name, and waits until all agree; the objects are the same as ever.
func (u *upgrade) works(id, name string, uids map[string]types.UID) {
	u.Helper()
	u.system.clerk.SetNames(id, name, "Doe")
	u.system.deliver()
	u.system.eventually("all agree on "+name, u.system.agreement)
	if diff := cmp.Diff(uids, u.uids()); diff != "" {
		u.Errorf("the objects are others (-before +after):\n%s", diff)
	}
}

func (u *upgrade) uids() map[string]types.UID {
	u.Helper()
	var list v1alpha1.FitUserList
	ok(u.T, u.objects.List(u.Context(), &list))
	uids := map[string]types.UID{}
	for _, object := range list.Items {
		uids[object.Name] = object.UID
	}
	return uids
}

func (u *upgrade) patch(id, patch string) {
	u.Helper()
	ok(u.T, u.objects.Patch(u.Context(), u.system.fitUser(id), client.RawPatch(types.MergePatchType, []byte(patch)), client.FieldValidation("Strict")))
}

func (u *upgrade) patchStatus(id, patch string) {
	u.Helper()
	object := u.system.fitUser(id)
	ok(u.T, u.objects.Status().Patch(u.Context(), object, client.RawPatch(types.MergePatchType, []byte(patch))))
}

func (u *upgrade) addCondition(id, kind string) {
	u.Helper()
	patch := `[{"op":"add","path":"/status/conditions/-","value":{"type":"` + kind + `","status":"True","reason":"New",` +
		`"message":"","lastTransitionTime":"2026-01-01T00:00:00Z"}}]`
	ok(u.T, u.objects.Status().Patch(u.Context(), u.system.fitUser(id), client.RawPatch(types.JSONPatchType, []byte(patch))))
}

// wantNewer looks for what a newer program wrote.
func (u *upgrade) wantNewer(id string) {
	u.Helper()
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("FitUser"))
	ok(u.T, u.objects.Get(u.Context(), client.ObjectKeyFromObject(u.system.fitUser(id)), object))
	note, _, _ := unstructured.NestedString(object.Object, "spec", "note")
	score, _, _ := unstructured.NestedInt64(object.Object, "status", "score")
	nickname, _, _ := unstructured.NestedString(object.Object, "status", "profile", "nickname")
	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	shiny := 0
	for _, c := range conditions {
		if c.(map[string]any)["type"] == "Shiny" {
			shiny++
		}
	}
	if note != "n" || score != 7 || nickname != "J" || shiny != 1 {
		u.Errorf("something of a newer program's is gone: %v", object.Object)
	}
}
