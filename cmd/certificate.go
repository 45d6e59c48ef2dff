package main

import (
	"crypto/tls"
	"fmt"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// certificates are those of the servers of this process, reloaded when they change. A server without one has nil.
type certificates struct{ webhook, metrics *certwatcher.CertWatcher }

// readCertificates reads the certificates that the flags name. An invalid one ends the start.
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
		return nil, nil //nolint:nilnil // the flag is not set
	}
	watcher, err := certwatcher.New(filepath.Join(dir, corev1.TLSCertKey), filepath.Join(dir, corev1.TLSPrivateKeyKey))
	if err != nil {
		return nil, fmt.Errorf("--%s-cert-path: %w: want a certificate in %s and its key in %s there, in PEM",
			server, err, corev1.TLSCertKey, corev1.TLSPrivateKeyKey)
	}
	return watcher, nil
}

// watch makes the manager reload the certificates when their files change.
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

// serveMetrics configures TLS of the metrics server. Without a certificate, the server signs one itself. HTTP/2 gives a
// scraper no advantage, and unauthenticated clients ways to keep a server busy.
func (c certificates) serveMetrics(config *tls.Config) {
	config.MinVersion, config.NextProtos = tls.VersionTLS12, []string{"http/1.1"}
	if c.metrics != nil {
		config.GetCertificate = c.metrics.GetCertificate
	}
}
