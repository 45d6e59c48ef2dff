package v1alpha1_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// documents returns the pages that people read, by their path from this package.
func documents(t *testing.T) map[string]string {
	t.Helper()
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages in docs: %v", err)
	}
	documents := map[string]string{}
	for _, page := range append(pages, "../../README.md", "../../CONTRIBUTING.md") {
		content, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		documents[page] = string(content)
	}
	return documents
}

// docs/conditions.md lists every condition type and reason, in the order of the source.
func TestDocs_EveryConditionAndReasonIsListed(t *testing.T) {
	t.Parallel()
	page := documents(t)["../../docs/conditions.md"]
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Za-z]+)` \\|").FindAllStringSubmatch(page, -1) {
		documented = append(documented, row[1])
	}
	if diff := cmp.Diff(constants(t, "conditions.go", ""), documented); diff != "" {
		t.Errorf("conditions.go and docs/conditions.md differ (-declared +documented):\n%s", diff)
	}
}

// constants returns the values of a file's string constants with the given type ("" for untyped ones), in their order.
func constants(t *testing.T, file, typeName string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	ast.Inspect(parsed, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok {
			return true
		}
		declared := ""
		if name, ok := spec.Type.(*ast.Ident); ok {
			declared = name.Name
		}
		for _, value := range spec.Values {
			literal, ok := value.(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING || declared != typeName {
				continue
			}
			text, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, text)
		}
		return true
	})
	return values
}

// The API server accepts the FitUsers and RoleRules in the pages as they are, without an unknown field.
func TestDocs_ManifestsAreValid(t *testing.T) {
	t.Parallel()
	env := controlPlane.Get(t)
	namespace := env.Namespace(t)
	strict := client.WithFieldValidation(newClient(t, env), metav1.FieldValidationStrict)
	manifests := 0
	for page, text := range documents(t) {
		for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(text, -1) {
			object := &unstructured.Unstructured{}
			if !strings.Contains(block[1], "kind: FitUser\n") && !strings.Contains(block[1], "kind: RoleRule\n") {
				continue
			}
			if err := yaml.UnmarshalStrict([]byte(block[1]), &object.Object); err != nil {
				t.Errorf("%s: %v in\n%s", page, err, block[1])
				continue
			}
			object.SetNamespace(namespace)
			if err := strict.Create(t.Context(), object, client.DryRunAll); err != nil {
				t.Errorf("%s: %v in\n%s", page, err, block[1])
			}
			manifests++
		}
	}
	if manifests == 0 {
		t.Error("the pages contain no FitUser")
	}
	typo := manifest(namespace, "jane", map[string]any{"clerkUserID": "user_1", "roles": "admin"})
	if err := strict.Create(t.Context(), typo, client.DryRunAll); err == nil {
		t.Error("an unknown field was accepted")
	}
}

func TestDocs_ReadmeLinksEveryPage(t *testing.T) {
	t.Parallel()
	pages := documents(t)
	for page := range pages {
		if link := strings.TrimPrefix(page, "../../"); link != "README.md" && !strings.Contains(pages["../../README.md"], "]("+link) {
			t.Errorf("README.md does not link %s", link)
		}
	}
}

func TestDocs_LinksResolve(t *testing.T) {
	t.Parallel()
	pages := documents(t)
	for page, text := range pages {
		for _, link := range regexp.MustCompile(`\]\(([^)]+)\)`).FindAllStringSubmatch(text, -1) {
			if strings.Contains(link[1], "://") {
				continue
			}
			file, section, _ := strings.Cut(link[1], "#")
			target := filepath.Join(filepath.Dir(page), file)
			if file == "" {
				target = page
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %v", page, err)
			}
			if section != "" && !hasSection(pages[target], section) {
				t.Errorf("%s: %s has no section %s", page, target, section)
			}
		}
	}
}

// hasSection reports whether a heading of the page has this anchor.
func hasSection(page, anchor string) bool {
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(page, -1) {
		slug := regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(heading[1]), "")
		if strings.ReplaceAll(slug, " ", "-") == anchor {
			return true
		}
	}
	return false
}
