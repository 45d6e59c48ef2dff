package testenv

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const widgetCRDs = "testdata/crd"

var cluster = Shared{Options: Options{CRDDir: widgetCRDs}}

func TestMain(m *testing.M) { cluster.Main(m) }

func TestStart_ServesInstalledCRDs(t *testing.T) {
	t.Parallel()
	env := cluster.Get(t)
	namespace := env.Namespace(t)
	c := newClient(t, env.Config)

	if err := c.Create(t.Context(), widget(namespace, "a", 1)); err != nil {
		t.Fatalf("creating a widget: %v", err)
	}
	got := widget(namespace, "a", 0)
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(got), got); err != nil {
		t.Fatalf("reading the widget back: %v", err)
	}
	if size, _, _ := unstructured.NestedInt64(got.Object, "spec", "size"); size != 1 {
		t.Errorf("size = %d, want 1", size)
	}
}

func TestStart_KubeconfigGivesAccess(t *testing.T) {
	t.Parallel()
	env := cluster.Get(t)
	config, err := clientcmd.RESTConfigFromKubeConfig(env.Kubeconfig)
	if err != nil {
		t.Fatalf("reading the kubeconfig: %v", err)
	}
	if err := newClient(t, config).Create(t.Context(), widget(env.Namespace(t), "a", 1)); err != nil {
		t.Errorf("creating a widget: %v", err)
	}
}

func TestNamespace_IsUnique(t *testing.T) {
	t.Parallel()
	env := cluster.Get(t)
	if a, b := env.Namespace(t), env.Namespace(t); a == b {
		t.Errorf("two calls returned the same namespace %q", a)
	}
}

func TestWrites_AreExact(t *testing.T) {
	t.Parallel()
	env := cluster.Get(t)
	namespace, other := env.Namespace(t), env.Namespace(t)
	c := newClient(t, env.Config)
	writer := newClient(t, env.As("writer", "system:masters"))
	ctx := t.Context()

	object := widget(namespace, "a", 1)
	must(t, c.Create(ctx, object))
	must(t, writer.Patch(ctx, object, client.RawPatch(client.Merge.Type(), []byte(`{"spec":{"size":2}}`))))
	must(t, writer.Status().Patch(ctx, object, client.RawPatch(client.Merge.Type(), []byte(`{"status":{"seen":true}}`))))
	must(t, c.Get(ctx, client.ObjectKeyFromObject(object), object))
	must(t, c.List(ctx, widgetList(), client.InNamespace(namespace)))
	if err := c.Create(ctx, widget(namespace, "too-big", 11)); !apierrors.IsInvalid(err) {
		t.Fatalf("creating a widget that is too big: got %v, want Invalid", err)
	}
	must(t, c.Create(ctx, widget(other, "elsewhere", 1)))
	must(t, c.Patch(ctx, namespaceObject(namespace), client.RawPatch(client.Merge.Type(), []byte(`{"metadata":{"labels":{"a":"b"}}}`))))
	must(t, c.Delete(ctx, object))

	got, err := env.Writes(namespace)
	must(t, err)
	want := []Write{
		{Verb: "create", Resource: "widgets", Name: "a", User: "admin"},
		{Verb: "patch", Resource: "widgets", Name: "a", User: "writer"},
		{Verb: "patch", Resource: "widgets", Subresource: "status", Name: "a", User: "writer"},
		{Verb: "delete", Resource: "widgets", Name: "a", User: "admin"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("writes in the namespace (-want +got):\n%s", diff)
	}
}

func TestWrites_InAllNamespaces(t *testing.T) {
	t.Parallel()
	env := cluster.Get(t)
	namespace := env.Namespace(t)
	must(t, newClient(t, env.Config).Create(t.Context(), widget(namespace, "a", 1)))

	writes, err := env.Writes(metav1.NamespaceAll)
	must(t, err)
	resources := map[string]bool{}
	for _, w := range writes {
		resources[w.Resource] = true
	}
	for _, resource := range []string{"widgets", "namespaces", "customresourcedefinitions"} {
		if !resources[resource] {
			t.Errorf("no write to %s among %v", resource, writes)
		}
	}
}

func TestAs_HasOnlyPermissionsOfUser(t *testing.T) {
	t.Parallel()
	env := cluster.Get(t)
	namespace := env.Namespace(t)
	reader := newClient(t, env.As("system:serviceaccount:"+namespace+":reader"))
	allowRead(t, env, namespace, "reader")

	must(t, reader.List(t.Context(), widgetList(), client.InNamespace(namespace)))
	if err := reader.Create(t.Context(), widget(namespace, "a", 1)); !apierrors.IsForbidden(err) {
		t.Errorf("a reader creating a widget: got %v, want Forbidden", err)
	}
	got, err := env.Writes(namespace)
	must(t, err)
	for _, w := range got {
		if w.Resource == "widgets" {
			t.Errorf("a rejected request counts as a write: %s", w)
		}
	}
}

func TestStop_LeavesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a control plane, which -short leaves out")
	}
	t.Parallel()
	env, err := Start(t.Context(), Options{CRDDir: widgetCRDs})
	must(t, err)
	pids := launched(t, env.dir)
	if len(pids) != 2 {
		t.Fatalf("launched %v, want etcd and kube-apiserver", pids)
	}
	must(t, env.Stop())

	for name, pid := range pids {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("%s still runs: %v", name, err)
		}
	}
	if _, err := os.Stat(env.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", env.dir, err)
	}
	server, err := url.Parse(env.Config.Host)
	must(t, err)
	if conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Host); err == nil {
		_ = conn.Close()
		t.Errorf("something still listens at %s", server.Host)
	}
}

func TestStart_ObeysContext(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a control plane, which -short leaves out")
	}
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("cancelled by the test")
	cancel(cause)
	if _, err := Start(ctx, Options{CRDDir: widgetCRDs}); !errors.Is(err, cause) {
		t.Errorf("Start = %v, want the cause of the context's end", err)
	}
}

func TestStart_NamesMissingCRDDirectory(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "nowhere")
	_, err := Start(t.Context(), Options{CRDDir: missing})
	if err == nil || !strings.Contains(err.Error(), missing) {
		t.Errorf("Start = %v, want an error that names %s", err, missing)
	}
}

func launched(t *testing.T, dir string) map[string]int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.pid"))
	must(t, err)
	pids := map[string]int{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		must(t, err)
		pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
		must(t, err)
		pids[filepath.Base(file)] = pid
	}
	return pids
}

func newClient(t *testing.T, config *rest.Config) client.Client {
	t.Helper()
	c, err := client.New(config, client.Options{})
	must(t, err)
	return c
}

func widget(namespace, name string, size int64) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "testenv.fitai.dev/v1",
		"kind":       "Widget",
		"metadata":   map[string]any{"namespace": namespace, "name": name},
		"spec":       map[string]any{"size": size},
	}}
}

func namespaceObject(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

func widgetList() *unstructured.UnstructuredList {
	list := &unstructured.UnstructuredList{}
	list.SetAPIVersion("testenv.fitai.dev/v1")
	list.SetKind("WidgetList")
	return list
}

func allowRead(t *testing.T, env *Environment, namespace, account string) {
	t.Helper()
	meta := metav1.ObjectMeta{Namespace: namespace, Name: account}
	c := newClient(t, env.Config)
	must(t, c.Create(t.Context(), &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{"testenv.fitai.dev"}, Resources: []string{"widgets"}, Verbs: []string{"list"}},
	}}))
	must(t, c.Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: meta,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: account},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: account}},
	}))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestAPIServer_KeepsDataAcrossOutages(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a control plane, which -short leaves out")
	}
	t.Parallel()
	env, err := Start(t.Context(), Options{CRDDir: widgetCRDs})
	must(t, err)
	defer func() { must(t, env.Stop()) }()
	c, namespace := newClient(t, env.Config), env.Namespace(t)
	must(t, c.Create(t.Context(), widget(namespace, "a", 1)))

	must(t, env.StopAPIServer())
	if err := c.Create(t.Context(), widget(namespace, "b", 1)); err == nil {
		t.Error("a stopped API server accepted a widget")
	}
	must(t, env.StartAPIServer())
	must(t, env.PauseAPIServer())
	impatient, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := c.Create(impatient, widget(namespace, "c", 1)); err == nil {
		t.Error("a paused API server accepted a widget")
	}
	must(t, env.ResumeAPIServer())
	got := widget(namespace, "a", 0)
	must(t, c.Get(t.Context(), client.ObjectKeyFromObject(got), got))
	must(t, c.Create(t.Context(), widget(namespace, "d", 1)))
}
