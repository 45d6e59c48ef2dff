// Package testenv runs a real control plane, etcd and kube-apiserver, for tests and for the local run.
//
// It owns where the binaries come from (hack/controlplane.sh), the processes and their end, and the record of
// who wrote what ([Environment.Writes]). controller-runtime's envtest starts the processes and creates
// certificates, users and CRDs. The package has no code that is specific to the operator.
//
// It runs no kube-controller-manager: nothing is garbage collected, a deleted namespace stays Terminating, and
// a Deployment gets no pods.
//
// Read environment.go first, then shared.go (one control plane per test package), writes.go and outage.go.
package testenv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// startTimeout bounds the start of each process. It takes about 3 s; the race detector on a busy machine makes it longer.
const startTimeout = time.Minute

// Options configures [Start].
type Options struct {
	// CRDDir holds the CustomResourceDefinitions to install, as YAML.
	// Empty: config/crd/bases of this module (`make manifests` fills it).
	CRDDir string
}

// Environment is a running control plane.
type Environment struct {
	// Config gives administrator access without client-side throttling.
	Config *rest.Config
	// Kubeconfig gives the same access as the content of a kubeconfig file.
	Kubeconfig []byte
	// Assets is the directory with etcd, kube-apiserver and kubectl.
	Assets string

	dir     string // has certificates, data and logs of this run
	envtest *envtest.Environment
	reaper  *reaper
	logs    []io.Closer // open only during the start
}

// Start starts a control plane that contains only the CRDs, and returns once it serves them. Missing binaries
// are built first, which takes minutes; the progress is on stderr. ctx bounds the start only: [Environment.Stop]
// ends the environment. When this process dies without calling it, the control plane ends too.
func Start(ctx context.Context, opts Options) (*Environment, error) {
	root, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	if opts.CRDDir == "" {
		opts.CRDDir = filepath.Join(root, "config", "crd", "bases")
	}
	if _, err := os.Stat(opts.CRDDir); err != nil {
		return nil, fmt.Errorf("finding CRDs to install (make manifests generates the project's own): %w", err)
	}
	assets, err := resolveAssets(ctx, root)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "fituser-controlplane-")
	if err != nil {
		return nil, fmt.Errorf("creating a directory for the control plane: %w", err)
	}
	reaper, err := newReaper(dir)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	e := &Environment{Assets: assets, dir: dir, reaper: reaper}
	if err := e.start(ctx, opts.CRDDir); err != nil {
		return nil, errors.Join(err, e.Stop())
	}
	return e, nil
}

func (e *Environment) start(ctx context.Context, crdDir string) error {
	defer e.closeLogs()
	if err := e.configure(crdDir); err != nil {
		return err
	}
	// envtest takes no context. It returns soon after its processes are killed.
	stop := context.AfterFunc(ctx, e.reaper.reap)
	defer stop()
	config, err := e.envtest.Start()
	if ctx.Err() != nil {
		return fmt.Errorf("starting the control plane: %w", context.Cause(ctx))
	}
	if err != nil {
		return fmt.Errorf("starting the control plane: %w\n%s", err, e.lastLogLines())
	}
	e.Config, e.Kubeconfig = config, e.envtest.KubeConfig
	return nil
}

// Stop ends the control plane and removes all its files. It kills the processes: no data has to survive, and a graceful
// end of the API server takes too long on a busy machine.
func (e *Environment) Stop() error {
	e.reaper.reap()
	if e.envtest == nil {
		return nil
	}
	if err := e.envtest.Stop(); err != nil && !errors.Is(err, syscall.ESRCH) { // processes that have ended are not an error
		return fmt.Errorf("stopping the control plane: %w", err)
	}
	return nil
}

// As returns access that impersonates a user, such as system:serviceaccount:NAMESPACE:NAME. Use it to test RBAC
// and admission policies. The user is in the given groups and in system:authenticated.
func (e *Environment) As(user string, groups ...string) *rest.Config {
	config := rest.CopyConfig(e.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: append(groups, "system:authenticated")}
	return config
}

// Namespace creates a namespace for one test and returns its name. It lives as long as the control plane.
func (e *Environment) Namespace(tb testing.TB) string {
	tb.Helper()
	c, err := client.New(e.Config, client.Options{})
	if err != nil {
		tb.Fatalf("creating a client: %v", err)
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	if err := c.Create(tb.Context(), namespace); err != nil {
		tb.Fatalf("creating a namespace: %v", err)
	}
	return namespace.Name
}
