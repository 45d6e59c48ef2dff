// Package manifests_test holds what is in config/ against the official judges, all offline: kustomize, the API server's
// strict validation, Pod Security, RBAC and admission. What the pods do on a node is for test/e2e.
package manifests_test

import (
	"bytes"
	"context"
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

// root is the module's, seen from here.
const root = "../.."

//go:embed testdata/audit-policy.yaml
var auditPolicy []byte

// controlPlane is an API server that writes down who asked for what, reads included.
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

// cluster is the control plane of all tests here, with the CRD in it.
func cluster(t *testing.T) controlPlane {
	t.Helper()
	shared.Do(func() { shared.err = startControlPlane(assets(t)) })
	if shared.err != nil {
		t.Fatalf("no control plane: %v", shared.err)
	}
	return shared.controlPlane
}

// assets is the directory with etcd, kube-apiserver and kubectl.
var assets = func() func(*testing.T) string {
	find := sync.OnceValues(func() (string, error) {
		script := exec.Command(filepath.Join(root, "hack", "controlplane.sh"))
		script.Stderr = os.Stderr
		out, err := script.Output()
		return strings.TrimSpace(string(out)), err
	})
	return func(t *testing.T) string {
		t.Helper()
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
	made, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// render is what kubectl kustomize makes of a directory.
func render(t *testing.T, dir string) []*unstructured.Unstructured {
	t.Helper()
	return parse(t, renderText(t, dir))
}

func renderText(t *testing.T, dir string) []byte {
	t.Helper()
	command := exec.CommandContext(t.Context(), filepath.Join(assets(t), "kubectl"), "kustomize", dir)
	var complaints bytes.Buffer
	command.Stderr = &complaints
	out, err := command.Output()
	if err != nil || complaints.Len() > 0 {
		t.Fatalf("kubectl kustomize %s: %v\n%s", dir, err, complaints.String())
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

// overlay writes a kustomization of its own onto a directory of config/ and returns where it is.
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

// variants are the ways of putting the operator together: where they are, by what a test's output calls them.
func variants(t *testing.T) map[string]string {
	t.Helper()
	config := filepath.Join(root, "config")
	found := map[string]string{
		"default":     filepath.Join(config, "default"),
		"staging":     filepath.Join(config, "overlays", "staging"),
		"production":  filepath.Join(config, "overlays", "production"),
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

// rendered are the objects of all variants. Each costs a kubectl, so they are made once.
var rendered = func() func(*testing.T) map[string][]*unstructured.Unstructured {
	var once sync.Once
	all := map[string][]*unstructured.Unstructured{}
	return func(t *testing.T) map[string][]*unstructured.Unstructured {
		t.Helper()
		once.Do(func() {
			for name, dir := range variants(t) {
				all[name] = render(t, dir)
			}
		})
		if len(all) == 0 {
			t.Fatal("the manifests cannot be rendered; another test says why")
		}
		return all
	}
}()

// find is the object of a kind whose name has a part.
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

// install makes the objects for real, those of a kind only.
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

// eventually waits for a state of the world, long enough for the slowest machine.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		last := check()
		if last == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waiting until %s: %v", what, last)
		}
	}
}
