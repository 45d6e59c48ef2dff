package main

import (
	"crypto/tls"
	"fmt"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// certificates are what the servers of this process show, read again when they change. Nil is a server that has none.
type certificates struct{ webhook, metrics *certwatcher.CertWatcher }

// readCertificates reads those that the flags name. A certificate that cannot be used ends the start.
func readCertificates(o options) (c certificates, err error) {
	if o.Receiver {
		if c.webhook, err = readCertificate("webhook", o.WebhookCertPath); err != nil {
			return certificates{}, err
		}
	}
	if o.MetricsSecure && o.MetricsBindAddress != "0" {
		c.metrics, err = readCertificate("metrics", o.MetricsCertPath)
	}
	return c, err
}

// readCertificate reads the files of a mounted Secret of type kubernetes.io/tls.
func readCertificate(server, dir string) (*certwatcher.CertWatcher, error) {
	if dir == "" {
		return nil, nil //nolint:nilnil // no certificate was asked for
	}
	watcher, err := certwatcher.New(filepath.Join(dir, corev1.TLSCertKey), filepath.Join(dir, corev1.TLSPrivateKeyKey))
	if err != nil {
		return nil, fmt.Errorf("--%s-cert-path: %w: want a certificate in %s and its key in %s there, in PEM",
			server, err, corev1.TLSCertKey, corev1.TLSPrivateKeyKey)
	}
	return watcher, nil
}

func (c certificates) watch(mgr manager.Manager) error {
	for _, watcher := range []*certwatcher.CertWatcher{c.webhook, c.metrics} {
		if watcher == nil {
			continue
		}
		if err := mgr.Add(watcher); err != nil {
			return fmt.Errorf("adding the watch of a certificate: %w", err)
		}
	}
	return nil
}

// serveMetrics sets how metrics are served. Without a certificate, the metrics server signs one itself. HTTP/2 brings
// a scraper nothing, and strangers ways to keep a server busy.
func (c certificates) serveMetrics(config *tls.Config) {
	config.MinVersion, config.NextProtos = tls.VersionTLS12, []string{"http/1.1"}
	if c.metrics != nil {
		config.GetCertificate = c.metrics.GetCertificate
	}
}
