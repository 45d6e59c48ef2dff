package manifests_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestKustomize_SameOutputEveryTime(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{root + "/config/default", root + "/config/overlays/production"} {
		if !bytes.Equal(renderText(t, dir), renderText(t, dir)) {
			t.Errorf("%s is rendered differently every time", dir)
		}
	}
}

// kustomize 5.5, which is in kubectl 1.32, panics at a patch that deletes two objects. The kubectl of these tests does not.
func TestKustomize_PatchDeletesOneObject(t *testing.T) {
	t.Parallel()
	err := filepath.WalkDir(filepath.Join(root, "config"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".yaml" || entry.Name() == "kustomization.yaml" {
			return err
		}
		content, err := os.ReadFile(path)
		if n := len(regexp.MustCompile(`(?m)^\$patch: delete`).FindAll(content, -1)); n > 1 {
			t.Errorf("%s deletes %d objects: write one patch for each", path, n)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A second operator on one cluster needs only namespace:, a prefix or suffix, and images:.
func TestKustomize_TwoOperatorsOnOneCluster(t *testing.T) {
	t.Parallel()
	dir := overlay(t, `
namespace: second
namePrefix: other-
nameSuffix: -b
resources: [CONFIG/default]
images: [{name: controller, newName: registry.example.com/fituser, newTag: v2}]
`)
	first := map[string]bool{}
	for _, object := range rendered(t)["default"] {
		first[identity(object)] = true
	}
	second := render(t, dir)
	for _, object := range second {
		if object.GetKind() != "CustomResourceDefinition" && first[identity(object)] {
			t.Errorf("both operators have %s", identity(object))
		}
	}
	for _, binding := range append(ofKind(second, "RoleBinding"), ofKind(second, "ClusterRoleBinding")...) {
		wantSubjects(t, second, binding)
	}
	policy := find(t, second, "ValidatingAdmissionPolicy", "own-writes")
	bound, _, _ := unstructured.NestedString(find(t, second, "ValidatingAdmissionPolicyBinding", "own-writes").Object, "spec", "policyName")
	if bound != policy.GetName() {
		t.Errorf("the policy is %s, and the binding names %s", policy.GetName(), bound)
	}
	for _, deployment := range ofKind(second, "Deployment") {
		text := fmt.Sprint(deployment.Object)
		if !strings.Contains(text, "registry.example.com/fituser:v2") || !strings.Contains(text, "serviceAccountName:other-fituser-") {
			t.Errorf("%s has another image or account: %s", deployment.GetName(), text)
		}
	}
}

func identity(object *unstructured.Unstructured) string {
	return object.GetKind() + " " + object.GetNamespace() + "/" + object.GetName()
}

func ofKind(objects []*unstructured.Unstructured, kind string) []*unstructured.Unstructured {
	return slices.DeleteFunc(slices.Clone(objects), func(o *unstructured.Unstructured) bool { return o.GetKind() != kind })
}

// wantSubjects checks that the accounts of a binding exist.
func wantSubjects(t *testing.T, objects []*unstructured.Unstructured, binding *unstructured.Unstructured) {
	t.Helper()
	subjects, _, _ := unstructured.NestedSlice(binding.Object, "subjects")
	for _, subject := range subjects {
		account := subject.(map[string]any)
		exists := slices.ContainsFunc(objects, func(o *unstructured.Unstructured) bool {
			return o.GetKind() == "ServiceAccount" && o.GetName() == account["name"] && o.GetNamespace() == account["namespace"]
		})
		if !exists {
			t.Errorf("%s %s binds %v, which does not exist", binding.GetKind(), binding.GetName(), account)
		}
	}
}

func TestManifests_NoSecretsAndNoBroadRoles(t *testing.T) {
	t.Parallel()
	for name, objects := range rendered(t) {
		for _, object := range objects {
			if object.GetKind() == "Secret" {
				t.Errorf("%s has Secret %s", name, object.GetName())
			}
		}
		for _, role := range append(ofKind(objects, "Role"), ofKind(objects, "ClusterRole")...) {
			for _, bad := range []string{"*", "secrets", "escalate", "impersonate", "bind", "pods/exec"} {
				if strings.Contains(" "+strings.NewReplacer("[", " ", "]", " ").Replace(fmt.Sprint(role.Object["rules"]))+" ", " "+bad+" ") {
					t.Errorf("%s: %s %s grants %s", name, role.GetKind(), role.GetName(), bad)
				}
			}
		}
	}
}
