// Package testenv runs a real control plane, etcd and kube-apiserver, for tests and for the local run.
//
// It owns where the binaries come from (hack/controlplane.sh), the processes and their end, and the
// record of who wrote what ([Environment.Writes]). Starting them, certificates, users and CRDs are
// controller-runtime's envtest. It holds nothing of what the operator does with the server.
//
// There is no kube-controller-manager: owner references collect no garbage, a deleted namespace stays
// Terminating, and a Deployment makes no pods.
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

// startTimeout bounds each process's start. It takes some 3 s; a busy machine under the race detector takes longer.
const startTimeout = time.Minute

// Options says what to start.
type Options struct {
	// CRDDir holds the CustomResourceDefinitions to install, as YAML.
	// Empty: config/crd/bases of this module (`make manifests` fills it).
	CRDDir string
}

// Environment is a running control plane.
type Environment struct {
	// Config is an administrator's access, with client-side throttling out of the way.
	Config *rest.Config
	// Kubeconfig is the same access as a kubeconfig file's content.
	Kubeconfig []byte
	// Assets is the directory with etcd, kube-apiserver and kubectl.
	Assets string

	dir     string // certificates, data, logs: everything of this run
	envtest *envtest.Environment
	reaper  *reaper
	logs    []io.Closer // open only while the processes are being started
}

// Start starts a control plane with nothing in it but the CRDs and returns once it serves them.
// Where the binaries are not on this machine yet, they are built first, which takes minutes; the progress is on stderr.
// An end of ctx ends the start, not the environment: that is for [Environment.Stop]. Should this process die
// without it, the control plane ends too.
func Start(ctx context.Context, opts Options) (*Environment, error) {
	root, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	if opts.CRDDir == "" {
		opts.CRDDir = filepath.Join(root, "config", "crd", "bases")
	}
	if _, err := os.Stat(opts.CRDDir); err != nil {
		return nil, fmt.Errorf("finding CRDs to install (make manifests makes the project's own): %w", err)
	}
	assets, err := resolveAssets(ctx, root)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "fituser-controlplane-")
	if err != nil {
		return nil, fmt.Errorf("making a directory for the control plane: %w", err)
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
	// envtest knows no context; without its processes it gives up quickly.
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

// Stop ends the control plane and removes all that it wrote. It kills: nothing outlives the processes, and on a busy
// machine an API server that ends in good order takes longer than anybody waits.
func (e *Environment) Stop() error {
	e.reaper.reap()
	if e.envtest == nil {
		return nil
	}
	if err := e.envtest.Stop(); err != nil && !errors.Is(err, syscall.ESRCH) { // that they have ended is no error
		return fmt.Errorf("stopping the control plane: %w", err)
	}
	return nil
}

// As is the administrator's access acting as another user, such as system:serviceaccount:NAMESPACE:NAME,
// for what RBAC and admission policies decide by user. Without groups of its own it is only authenticated.
func (e *Environment) As(user string, groups ...string) *rest.Config {
	config := rest.CopyConfig(e.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: append(groups, "system:authenticated")}
	return config
}

// Namespace makes a namespace that no other test has and returns its name. It lives as long as the control plane.
func (e *Environment) Namespace(tb testing.TB) string {
	tb.Helper()
	c, err := client.New(e.Config, client.Options{})
	if err != nil {
		tb.Fatalf("making a client: %v", err)
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	if err := c.Create(tb.Context(), namespace); err != nil {
		tb.Fatalf("making a namespace: %v", err)
	}
	return namespace.Name
}
