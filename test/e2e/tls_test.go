//go:build e2e

package e2e

import (
	"crypto/x509"
	"os"
	"path/filepath"

	certutil "k8s.io/client-go/util/cert"
)

// tlsName is the certificates' host name.
const tlsName = "fituser.e2e.example.com"

// createCertificates creates TLS Secrets like cert-manager's.
func (w *world) createCertificates(secrets ...string) {
	w.Helper()
	cert, key, err := certutil.GenerateSelfSignedCertKey(tlsName, nil, nil)
	if err != nil {
		w.Fatal(err)
	}
	w.trusted = x509.NewCertPool()
	w.trusted.AppendCertsFromPEM(cert)
	dir := w.TempDir()
	for name, content := range map[string][]byte{"tls.crt": cert, "tls.key": key} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			w.Fatal(err)
		}
	}
	for _, secret := range secrets {
		w.kubectl("create", "secret", "tls", secret, "--cert="+filepath.Join(dir, "tls.crt"), "--key="+filepath.Join(dir, "tls.key"))
	}
}

// overTLS delivers webhooks over TLS. The step before deployed the receivers with the TLS component.
func (w *world) overTLS() {
	w.attach(true)
	kim := w.signUp("Kim")
	w.deliver()
	w.eventually("the row exists", func() error { return w.row(kim, "first_name", "Kim") })
	w.metrics()
}
