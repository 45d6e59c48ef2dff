// Package manifests_test checks config/ with Kubernetes' own programs, all offline: kustomize, the API server's strict
// validation, Pod Security, RBAC and admission. test/e2e runs the pods on a node.
//
// Read setup_test.go first (the control plane, and how manifests are rendered). Then kustomize_test.go (what is rendered),
// admission_test.go (what the API server and Pod Security accept), policy_test.go (what the operator's accounts can write),
// protected_role_test.go (who may grant the protected role), roles_test.go (a fourth role, observe mode) and granted_test.go
// with job_test.go (which permissions the operator uses).
package manifests_test

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// root is the path of the module from this package.
const root = "../.."

//go:embed testdata/audit-policy.yaml
var auditPolicy []byte

// controlPlane is an API server with an audit log of all requests, including reads.
type controlPlane struct {
	config *rest.Config
	dir    string
}

var shared struct {
	sync.Once
	env *envtest.Environment
	controlPlane
	err error
}

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard())
	code := m.Run()
	if shared.env != nil {
		if err := errors.Join(shared.env.Stop(), os.RemoveAll(shared.dir)); err != nil {
			fmt.Fprintf(os.Stderr, "stopping the control plane: %v\n", err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

// cluster returns the control plane of this package's tests, with the CRDs.
func cluster(t *testing.T) controlPlane {
	t.Helper()
	programs := assets(t) // outside of Do: a skip in there would leave nothing to the tests after it
	shared.Do(func() { shared.err = startControlPlane(programs) })
	if shared.err != nil {
		t.Fatalf("no control plane: %v", shared.err)
	}
	return shared.controlPlane
}

// assets returns the directory with etcd, kube-apiserver and kubectl.
var assets = func() func(*testing.T) string {
	find := sync.OnceValues(func() (string, error) {
		script := exec.Command(filepath.Join(root, "hack", "controlplane.sh"))
		script.Stderr = os.Stderr
		out, err := script.Output()
		return strings.TrimSpace(string(out)), err
	})
	return func(t *testing.T) string {
		t.Helper()
		if testing.Short() {
			t.Skip("needs a control plane, which -short leaves out")
		}
		dir, err := find()
		if err != nil {
			t.Fatalf("getting etcd, kube-apiserver and kubectl: %v", err)
		}
		return dir
	}
}()

func startControlPlane(assets string) error {
	dir, err := os.MkdirTemp("", "fituser-manifests-")
	if err != nil {
		return err
	}
	shared.dir = dir
	policy := filepath.Join(dir, "policy.yaml")
	if err := os.WriteFile(policy, auditPolicy, 0o600); err != nil {
		return err
	}
	existing := false
	shared.env = &envtest.Environment{
		BinaryAssetsDirectory:    assets,
		CRDDirectoryPaths:        []string{filepath.Join(root, "config", "crd", "bases")},
		ErrorIfCRDPathMissing:    true,
		UseExistingCluster:       &existing,
		ControlPlaneStartTimeout: time.Minute,
	}
	shared.env.ControlPlane.GetAPIServer().Configure().
		Set("audit-policy-file", policy).
		Set("audit-log-path", filepath.Join(dir, "audit.log")).
		Set("audit-log-mode", "blocking")
	shared.config, err = shared.env.Start()
	return err
}

func (c controlPlane) client(t *testing.T) client.Client {
	t.Helper()
	return clientFor(t, c.config)
}

func clientFor(t *testing.T, config *rest.Config) client.Client {
	t.Helper()
	c, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// render returns the objects that kubectl kustomize renders from a directory.
func render(t *testing.T, dir string) []*unstructured.Unstructured {
	t.Helper()
	return parse(t, renderText(t, dir))
}

func renderText(t *testing.T, dir string) []byte {
	t.Helper()
	command := exec.CommandContext(t.Context(), filepath.Join(assets(t), "kubectl"), "kustomize", dir)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("kubectl kustomize %s: %v\n%s", dir, err, stderr.String())
	}
	return out
}

func parse(t *testing.T, text []byte) []*unstructured.Unstructured {
	t.Helper()
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(object)
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, object)
	}
}

// overlay writes a kustomization to a new directory and returns the directory. CONFIG stands for the path to config/.
func overlay(t *testing.T, content string) string {
	t.Helper()
	dir := t.TempDir()
	config, err := filepath.Abs(filepath.Join(root, "config"))
	if err != nil {
		t.Fatal(err)
	}
	resolved, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	relative, err := filepath.Rel(resolved, config)
	if err != nil {
		t.Fatal(err)
	}
	content = strings.ReplaceAll(content, "CONFIG", relative)
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// variants returns the directories of all combinations to test, by name.
func variants(t *testing.T) map[string]string {
	t.Helper()
	config := filepath.Join(root, "config")
	found := map[string]string{
		"default":     filepath.Join(config, "default"),
		"staging":     filepath.Join(config, "overlays", "staging"),
		"production":  filepath.Join(config, "overlays", "production"),
		"fourth role": filepath.Join(config, "overlays", "fourth-role"),
		"with SQLite": overlay(t, "resources: [CONFIG/base]\ncomponents: [CONFIG/components/sqlite]\n"),
	}
	entries, err := os.ReadDir(filepath.Join(config, "components"))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if entry.Name() != "postgres" { // it is in default
			found["default with "+entry.Name()] = overlay(t, "resources: [CONFIG/default]\ncomponents: [CONFIG/components/"+entry.Name()+"]\n")
		}
	}
	return found
}

// rendered returns the objects of all variants. Each needs a run of kubectl, so they are rendered once.
var rendered = func() func(*testing.T) map[string][]*unstructured.Unstructured {
	var once sync.Once
	all := map[string][]*unstructured.Unstructured{}
	return func(t *testing.T) map[string][]*unstructured.Unstructured {
		t.Helper()
		assets(t) // outside of Do: a skip in there would leave nothing to the tests after it
		once.Do(func() {
			for name, dir := range variants(t) {
				all[name] = render(t, dir)
			}
		})
		if len(all) == 0 {
			t.Fatal("the manifests cannot be rendered; see the error of another test")
		}
		return all
	}
}()

// find returns the object of a kind whose name contains part.
func find(t *testing.T, objects []*unstructured.Unstructured, kind, part string) *unstructured.Unstructured {
	t.Helper()
	for _, object := range objects {
		if object.GetKind() == kind && strings.Contains(object.GetName(), part) {
			return object
		}
	}
	t.Fatalf("no %s with %s in its name", kind, part)
	return nil
}

// install creates the objects of the given kinds.
func install(t *testing.T, c client.Client, objects []*unstructured.Unstructured, kinds ...string) {
	t.Helper()
	for _, kind := range kinds {
		for _, object := range objects {
			if object.GetKind() != kind {
				continue
			}
			if err := c.Create(t.Context(), object.DeepCopy()); err != nil {
				t.Fatalf("creating %s %s: %v", kind, object.GetName(), err)
			}
		}
	}
}
