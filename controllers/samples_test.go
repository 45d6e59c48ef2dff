package controllers_test

import (
	"bytes"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// The API server accepts the samples as they are. They render to the same output each time: GitOps tools apply a difference.
func TestSamples_AreAccepted(t *testing.T) {
	t.Parallel()
	env := controlPlane.Get(t)
	api, err := client.New(env.Config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	kustomize := func(t *testing.T, directory string) []byte {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), filepath.Join(env.Assets, "kubectl"), "kustomize",
			filepath.Join("..", "config", "samples", directory)).Output()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for directory, people := range map[string]int{".": 9, "gitops/overlays/staging": 4, "gitops/overlays/production": 3} {
		t.Run(directory, func(t *testing.T) {
			t.Parallel()
			namespace := env.Namespace(t)
			rendered := kustomize(t, directory)
			if !bytes.Equal(rendered, kustomize(t, directory)) {
				t.Error("two renderings differ")
			}
			objects := decodeAll(t, rendered)
			if len(objects) != people {
				t.Errorf("%d people, want %d", len(objects), people)
			}
			for _, object := range objects {
				object.SetNamespace(namespace)
				if err := api.Create(t.Context(), &object, client.DryRunAll, client.FieldValidation("Strict")); err != nil {
					t.Errorf("%s: %v", object.GetName(), err)
				}
			}
		})
	}
}

func decodeAll(t *testing.T, documents []byte) (objects []unstructured.Unstructured) {
	t.Helper()
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(documents), 4096)
	for {
		var object unstructured.Unstructured
		err := decoder.Decode(&object)
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, object)
	}
}
