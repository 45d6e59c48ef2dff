package v1alpha1_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/fitai/fituser-operator/internal/user"
)

// schema is the part of an OpenAPI schema that the test below checks.
type schema struct {
	Type        string            `json:"type"`
	Format      string            `json:"format"`
	Description string            `json:"description"`
	Enum        []string          `json:"enum"`
	MaxLength   *int              `json:"maxLength"`
	MaxItems    *int              `json:"maxItems"`
	Properties  map[string]schema `json:"properties"`
	Items       *schema           `json:"items"`
	// AdditionalProperties is not nil when unknown keys are allowed.
	AdditionalProperties any `json:"additionalProperties"`
}

// kinds are the kinds of this API, by the names of their resources.
var kinds = map[string]string{"fitusers": "FitUser", "rolerules": "RoleRule"}

// schemaOf returns the schema in a CustomResourceDefinition.
func schemaOf(t *testing.T, resource string) schema {
	t.Helper()
	content, err := os.ReadFile("../../config/crd/bases/identity.fitai.dev_" + resource + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	var crd struct {
		Spec struct {
			Versions []struct {
				Schema struct {
					OpenAPIV3Schema schema `json:"openAPIV3Schema"`
				} `json:"schema"`
			} `json:"versions"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(content, &crd); err != nil {
		t.Fatal(err)
	}
	if len(crd.Spec.Versions) != 1 {
		t.Fatalf("%d versions, want 1", len(crd.Spec.Versions))
	}
	return crd.Spec.Versions[0].Schema.OpenAPIV3Schema
}

// kubectl explain shows a description of every field. A bound on every value keeps an object small.
func TestSchema_EveryFieldIsDescribedAndBounded(t *testing.T) {
	t.Parallel()
	for resource, kind := range kinds {
		root, fields := schemaOf(t, resource), 0
		for _, part := range []string{"spec", "status"} { // the rest belongs to Kubernetes
			fields += checkField(t, kind+"."+part, root.Properties[part])
		}
		if root.Description == "" {
			t.Errorf("%s has no description", kind)
		}
		if fields < 10 {
			t.Errorf("%s: only %d fields were checked", kind, fields)
		}
	}
}

// explainWidth is how many characters of a line kubectl explain prints before it breaks the line.
const explainWidth = 76

func widest(text string) int {
	width := 0
	for line := range strings.Lines(text) {
		width = max(width, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")))
	}
	return width
}

// checkField checks a field and its subfields, and returns their number.
func checkField(t *testing.T, path string, s schema) (fields int) {
	t.Helper()
	switch {
	case s.Description == "" && (s.Type != "string" || !strings.HasSuffix(path, "[]")): // a list of texts describes its items
		t.Errorf("%s has no description", path)
	case widest(s.Description) > explainWidth && !strings.Contains(path, "conditions[]"):
		t.Errorf("%s: kubectl explain breaks the lines of its description, which has more than %d characters in one", path, explainWidth)
	case s.AdditionalProperties != nil:
		t.Errorf("%s takes any number of unknown keys", path)
	case s.Type == "string" && s.MaxLength == nil && s.Enum == nil && s.Format == "":
		t.Errorf("%s is text of any length", path)
	case s.Type == "array" && s.MaxItems == nil:
		t.Errorf("%s is a list of any length", path)
	}
	fields = 1
	for name, property := range s.Properties {
		fields += checkField(t, path+"."+name, property)
	}
	if s.Items != nil {
		fields += checkField(t, path+"[]", *s.Items)
	}
	return fields
}

func TestSchema_RolesAreThoseOfTheDomain(t *testing.T) {
	t.Parallel()
	var want []string
	for _, role := range user.DefaultRoles().Names() {
		want = append(want, string(role))
	}
	for resource, kind := range kinds {
		if got := schemaOf(t, resource).Properties["spec"].Properties["role"].Enum; !slices.Equal(got, want) {
			t.Errorf("the CRD of %s allows the roles %q, internal/user has %q: change both, and run make manifests", kind, got, want)
		}
	}
}
