package main

import (
	"crypto/tls"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/leader"
	"github.com/fitai/fituser-operator/internal/tracing"
)

// newManager creates the manager and, with leader election, the fence that stops the writes of a former leader.
func newManager(w wiring, certs certificates) (manager.Manager, *leader.Fence, error) {
	ctrl.SetLogger(w.log)
	scheme, err := newScheme()
	if err != nil {
		return nil, nil, err
	}
	options := managerOptions(w, certs, scheme)
	if !w.LeaderElect || !w.Controller {
		mgr, err := createManager(w, options, certs)
		return mgr, nil, err
	}
	election, err := leader.NewElection(w.access, w.Namespace)
	if err != nil {
		return nil, nil, err
	}
	election.Configure(&options)
	mgr, err := createManager(w, options, certs)
	if err != nil {
		return nil, nil, err
	}
	election.SetRecorder(mgr)
	return mgr, election.Fence(), nil
}

// createManager creates a manager whose requests to the API server are traced.
func createManager(w wiring, options ctrl.Options, certs certificates) (manager.Manager, error) {
	access := rest.CopyConfig(w.access)
	access.Wrap(tracing.Transport(w.tracer))
	mgr, err := ctrl.NewManager(access, options)
	if err != nil {
		return nil, fmt.Errorf("creating the manager: %w", err)
	}
	return mgr, certs.watch(mgr)
}

// newScheme returns the types of the API objects that the operator reads and writes.
func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, fmt.Errorf("registering the API types: %w", err)
	}
	return scheme, nil
}

func managerOptions(w wiring, certs certificates, scheme *runtime.Scheme) ctrl.Options {
	server := metricsserver.Options{BindAddress: w.MetricsBindAddress, SecureServing: w.MetricsSecure}
	if w.MetricsSecure {
		server.FilterProvider = filters.WithAuthenticationAndAuthorization
		server.TLSOpts = []func(*tls.Config){certs.serveMetrics}
	}
	return ctrl.Options{
		Scheme:                 scheme,
		Logger:                 w.log,
		Cache:                  fituser.CacheOptions(w.Namespace, trimmed(w.Roles)...),
		Client:                 client.Options{Cache: &client.CacheOptions{EnableReadYourWritesConsistency: new(true)}},
		Metrics:                server,
		HealthProbeBindAddress: w.HealthProbeBindAddress,
	}
}
