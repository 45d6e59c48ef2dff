package manifests_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/internal/testenv/eventually"
	"github.com/fitai/fituser-operator/internal/user"
)

// The CRDs of the overlay allow the roles that it sets for the operator, in the same order.
func TestFourthRole_ListsAgree(t *testing.T) {
	t.Parallel()
	objects := rendered(t)["fourth role"]
	settings := find(t, objects, "ConfigMap", "fituser-settings")
	list, _, _ := unstructured.NestedString(settings.Object, "data", "FITUSER_ROLES")
	roles, err := user.NewRoles(strings.Split(list, ","), string(user.Client), string(user.Admin))
	if err != nil || len(roles.Names()) != 4 {
		t.Fatalf("FITUSER_ROLES is %q: %v", list, err)
	}
	for _, name := range []string{"fitusers", "rolerules"} {
		if got := enum(t, find(t, objects, "CustomResourceDefinition", name)); !slices.Equal(got, roles.Names()) {
			t.Errorf("%s allows %q, and --roles has %q", name, got, roles.Names())
		}
	}
	if !strings.Contains(fmt.Sprint(find(t, objects, "Deployment", "controller").Object), "name:"+settings.GetName()) {
		t.Errorf("the controller does not read %s", settings.GetName())
	}
}

// enum returns the roles that a CRD allows in spec.role.
func enum(t *testing.T, crd *unstructured.Unstructured) (roles []user.Role) {
	t.Helper()
	versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
	values, _, err := unstructured.NestedStringSlice(versions[0].(map[string]any),
		"schema", "openAPIV3Schema", "properties", "spec", "properties", "role", "enum")
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range values {
		roles = append(roles, user.Role(value))
	}
	return roles
}

// The overlay's CRDs are installed for another group, beside those of the other tests.
func TestFourthRole_AcceptedByTheAPIServer(t *testing.T) {
	t.Parallel()
	const group = "fourth.identity.fitai.dev"
	c := cluster(t).client(t)
	for _, crd := range ofKind(rendered(t)["fourth role"], "CustomResourceDefinition") {
		crd = crd.DeepCopy()
		crd.SetName(strings.Replace(crd.GetName(), "identity.fitai.dev", group, 1))
		if err := unstructured.SetNestedField(crd.Object, group, "spec", "group"); err != nil {
			t.Fatal(err)
		}
		if err := c.Create(t.Context(), crd); err != nil {
			t.Fatal(err)
		}
	}
	for kind, spec := range map[string]map[string]any{
		"FitUser":  {"email": "jane@fitai.dev"},
		"RoleRule": {"emailDomains": []any{"fitai.dev"}},
	} {
		create := func(role string) error {
			object := &unstructured.Unstructured{Object: map[string]any{"apiVersion": group + "/v1alpha1", "kind": kind, "spec": spec}}
			object.SetNamespace("default")
			object.SetName("jane")
			spec["role"] = role
			return c.Create(context.Background(), object, client.DryRunAll)
		}
		eventually.Succeeds(t, "a "+kind+" with the fourth role is accepted", func() error { return create("nutritionist") })
		for _, role := range []string{"admin", "trainer", "client"} {
			if err := create(role); err != nil {
				t.Errorf("%s with the role %s: %v", kind, role, err)
			}
		}
		if err := create("owner"); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), `"nutritionist"`) {
			t.Errorf("%s with an unknown role: want a refusal that lists the roles, got %v", kind, err)
		}
	}
}

// The component turns observe mode on in the process that runs the controller, in any order of components.
func TestObserve_SetsTheFlagOfTheController(t *testing.T) {
	t.Parallel()
	const both = "resources: [CONFIG/default]\ncomponents: [CONFIG/components/%s, CONFIG/components/%s]\n"
	for name, objects := range map[string][]*unstructured.Unstructured{
		"alone":                 rendered(t)["default with observe"],
		"before single-process": render(t, overlay(t, fmt.Sprintf(both, "observe", "single-process"))),
		"after single-process":  render(t, overlay(t, fmt.Sprintf(both, "single-process", "observe"))),
	} {
		for _, deployment := range deployments(t, objects) {
			observes := false
			for _, variable := range deployment.Spec.Template.Spec.Containers[0].Env {
				observes = observes || variable.Name == "FITUSER_OBSERVE" && variable.Value == "true"
			}
			if want := strings.Contains(deployment.Name, "controller"); observes != want {
				t.Errorf("%s: %s observes: %v, want %v", name, deployment.Name, observes, want)
			}
		}
	}
}
