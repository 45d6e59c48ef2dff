package main

import (
	"crypto/tls"
	"errors"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/fitai/fituser-operator/internal/receiver"
	"github.com/fitai/fituser-operator/internal/settings"
)

// addReceiver adds the webhook receiver with its own small cache, and returns its readiness check.
func addReceiver(mgr manager.Manager, w wiring, cert *certwatcher.CertWatcher) (healthz.Checker, error) {
	cluster, err := receiver.NewCluster(mgr.GetConfig(), mgr.GetScheme(), w.Namespace)
	if err != nil {
		return nil, err
	}
	keyring, err := settings.NewKeyring(w.settings.WebhookSecret)
	if err != nil {
		return nil, err
	}
	r, err := receiver.New(receiver.Config{
		BindAddress: w.WebhookBindAddress,
		Namespace:   w.Namespace,
		InstanceID:  w.settings.InstanceID.Get(),
		Certificate: certificateOf(cert),
		Keys:        keyring.Keys,
		Writer:      cluster.GetClient(),
		Cache:       cluster.GetCache(),
		Live:        cluster.GetAPIReader(),
		Registerer:  metrics.Registry,
		Tracer:      w.tracer,
		Log:         mgr.GetLogger().WithName("receiver"),
	})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(mgr.Add(cluster), mgr.Add(r)); err != nil {
		return nil, fmt.Errorf("adding the receiver: %w", err)
	}
	return r.Ready, nil
}

// certificateOf returns what gives a server its current certificate; nil without one.
func certificateOf(cert *certwatcher.CertWatcher) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if cert == nil {
		return nil
	}
	return cert.GetCertificate
}
