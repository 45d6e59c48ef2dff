package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	certutil "k8s.io/client-go/util/cert"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/settings/mounttest"
	"github.com/fitai/fituser-operator/internal/store/storetest"
	"github.com/fitai/fituser-operator/internal/testenv"
)

// pair is a certificate and its key, in PEM.
type pair struct{ cert, key []byte }

func newPair(t *testing.T) pair {
	t.Helper()
	cert, key, err := certutil.GenerateSelfSignedCertKey("127.0.0.1", nil, nil)
	ok(t, err)
	return pair{cert, key}
}

// mount replaces the pair in dir as the kubelet does.
func (p pair) mount(t *testing.T, dir string) {
	t.Helper()
	ok(t, mounttest.Replace(dir, map[string]string{"tls.crt": string(p.cert), "tls.key": string(p.key)}))
}

// servedCertificate returns the certificate that a server presents to new connections.
func servedCertificate(address string) ([]byte, error) {
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}, "tcp", address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	return conn.ConnectionState().PeerCertificates[0].Raw, nil
}

// waitForCertificate waits until a server presents the certificate of want.
func (s *system) waitForCertificate(address string, want pair) {
	s.Helper()
	certs, err := certutil.ParseCertsPEM(want.cert)
	ok(s, err)
	s.eventually("the certificate is served at "+address, func() error {
		raw, err := servedCertificate(address)
		if err == nil && string(raw) != string(certs[0].Raw) {
			err = errors.New("another certificate is served")
		}
		return err
	})
}

// cert-manager renews certificates regularly. No delivery may fail, and an invalid pair changes nothing.
func TestCertificates_RotateUnderTraffic(t *testing.T) {
	s := newSystem(t, storetest.SQLite(t))
	metrics, webhooks := testenv.FreeAddress(t), s.webhooks
	dir, pairs, trusted := t.TempDir(), []pair{newPair(t), newPair(t), newPair(t)}, x509.NewCertPool()
	for _, p := range pairs {
		trusted.AppendCertsFromPEM(p.cert)
	}
	pairs[0].mount(t, dir)
	s.start("FITUSER_WEBHOOK_CERT_PATH="+dir, "FITUSER_METRICS_CERT_PATH="+dir, "FITUSER_METRICS_BIND_ADDRESS="+metrics)
	s.clerk.SignUp(clerktest.Person{Email: "jane@example.com", FirstName: "Jane"})
	stop := s.traffic(trusted)
	for _, p := range pairs[1:] {
		p.mount(t, dir)
		s.waitForCertificate(webhooks, p)
		s.waitForCertificate(metrics, p)
		pair{pairs[0].cert, p.key}.mount(t, dir) // a key of another certificate
		s.waitForCertificate(webhooks, p)
	}
	if delivered := stop(); delivered == 0 {
		t.Error("no delivery during the rotation")
	}
	s.eventually("the user is synced", s.synced)
	s.stop()
}

// traffic delivers over kept and over new connections until stop, which returns the number of deliveries. None may fail.
func (s *system) traffic(trusted *x509.CertPool) (stop func() int64) {
	s.Helper()
	var count atomic.Int64
	var done atomic.Bool
	var senders sync.WaitGroup
	for _, fresh := range []bool{true, false} {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}, DisableKeepAlives: fresh}
		s.Cleanup(transport.CloseIdleConnections)
		sender, err := clerktest.NewSender(clerktest.SenderConfig{
			URL: "https://" + s.webhooks + "/api/webhooks", Secrets: []string{webhookSecret}, Transport: transport,
		})
		ok(s, err)
		senders.Go(func() {
			for !done.Load() {
				user := s.clerk.Users()[0]
				message := sender.Message(clerktest.Event{Type: "user.updated", Data: user, InstanceID: clerktest.DefaultInstanceID})
				if status, err := sender.Deliver(s.Context(), message); err != nil || status != http.StatusOK {
					s.Errorf("delivery %d: %d, %v", count.Load(), status, err)
				}
				count.Add(1)
			}
		})
	}
	return func() int64 {
		done.Store(true)
		senders.Wait()
		return count.Load()
	}
}

func TestCertificates_InvalidPairEndsTheStart(t *testing.T) {
	t.Parallel()
	good, other, dir := newPair(t), newPair(t), t.TempDir()
	pair{good.cert, other.key}.mount(t, dir)
	env := map[string]string{
		"CLERK_SECRET_KEY": clerktest.DefaultSecretKey, "CLERK_WEBHOOK_SECRET": webhookSecret, "DATABASE_URL": "sqlite:users.db",
		"FITUSER_KUBECONFIG": writeKubeconfig(t), "FITUSER_METRICS_BIND_ADDRESS": "127.0.0.1:0",
	}
	const hint = ": want a certificate in tls.crt and its key in tls.key there, in PEM"
	for args, want := range map[string]string{
		"--webhook-cert-path=/nonexistent": "--webhook-cert-path: open /nonexistent/tls.crt: no such file or directory" + hint,
		"--metrics-cert-path=" + dir:       "--metrics-cert-path: tls: private key does not match public key" + hint,
	} {
		err := run(t.Context(), []string{args}, environmentOf(env), io.Discard, io.Discard)
		if err == nil || err.Error() != want {
			t.Errorf("%s: got %v\nwant %s", args, err, want)
		}
	}
	// Both parts have the same ConfigMap, so a part ignores the certificates that it does not use.
	for _, o := range []options{
		{Controller: true, WebhookCertPath: "/nonexistent"},
		{Receiver: true, MetricsSecure: true, MetricsBindAddress: "0", MetricsCertPath: "/nonexistent"},
		{Receiver: true, MetricsBindAddress: ":8443", MetricsCertPath: "/nonexistent"},
	} {
		if _, err := readCertificates(o); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
