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

// The CRD is upgraded and rolled back independently of the program. This program works with the CRD of the version before it
// and of the version after it. No object is lost, and fields that a newer program wrote stay.
func TestCRD_OlderAndNewerVersions(t *testing.T) {
	t.Parallel()
	u := newUpgrade(t, older)
	s := u.system
	s.start()
	jane := s.clerk.SignUp(clerktest.Person{Email: "jane@example.com", FirstName: "Jane"})
	s.clerk.SignUp(clerktest.Person{Email: "joe@example.com", FirstName: "Joe"})
	s.deliver()
	s.eventually("all users are synced under the older CRD", s.synced)
	uids := u.uids()

	u.install(nil)
	u.wantSyncs(jane, "Janet", uids)
	u.install(newer)
	u.patch(jane, `{"spec":{"note":"n"}}`)
	u.patchStatus(jane, `{"status":{"score":7,"profile":{"nickname":"J"}}}`)
	u.addCondition(jane, "Shiny")
	u.wantSyncs(jane, "Janina", uids)
	s.stop()
	s.start() // a new process reads all FitUsers again
	u.wantSyncs(jane, "Joan", uids)
	u.wantNewer(jane)

	u.install(nil)
	u.wantSyncs(jane, "Johanna", uids)
	u.install(older)
	u.wantSyncs(jane, "Jane", uids)
	s.clerk.Delete(jane)
	s.deliver()
	s.eventually("only Joe is left", s.synced)
	s.stop()
}

// older removes what a recent version may have added. The selector spec.clerkUserID stays: the first version had it, and
// without it the program deletes nothing.
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

// newer adds what a later version may have.
func newer(version *apiextensionsv1.CustomResourceDefinitionVersion) {
	properties := version.Schema.OpenAPIV3Schema.Properties
	text := apiextensionsv1.JSONSchemaProps{Type: "string"}
	properties["spec"].Properties["note"] = text
	properties["status"].Properties["score"] = apiextensionsv1.JSONSchemaProps{Type: "integer"}
	properties["status"].Properties["profile"].Properties["nickname"] = text
	version.AdditionalPrinterColumns = append(version.AdditionalPrinterColumns,
		apiextensionsv1.CustomResourceColumnDefinition{Name: "Score", Type: "integer", JSONPath: ".status.score"})
}

// upgrade is a separate control plane, whose CRD changes while the program runs.
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

// install installs the current CRD with a change, and waits until the API server applies it.
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
				return errors.Join(errors.New("the old one still is"), err)
			}
			return nil
		})
	}
}

// wantSyncs changes the name of a user, and waits until all users are synced. No object may be replaced.
func (u *upgrade) wantSyncs(id, name string, uids map[string]types.UID) {
	u.Helper()
	u.system.clerk.SetNames(id, name, "Doe")
	u.system.deliver()
	u.system.eventually("all users are synced after the change to "+name, u.system.synced)
	if diff := cmp.Diff(uids, u.uids()); diff != "" {
		u.Errorf("objects were replaced (-before +after):\n%s", diff)
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

// wantNewer checks that the fields of a newer program are still there.
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
		u.Errorf("a field of a newer program is lost: %v", object.Object)
	}
}
