package receiver

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	certutil "k8s.io/client-go/util/cert"
)

// secure returns a receiver with a certificate, and the configuration of a client that trusts it.
func (w *world) secure(t *testing.T, change func(*Config)) (*endpoint, *tls.Config) {
	t.Helper()
	certPEM, keyPEM, err := certutil.GenerateSelfSignedCertKey("127.0.0.1", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(certPEM)
	e := w.receive(t, func(c *Config) {
		c.Certificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &certificate, nil }
		if change != nil {
			change(c)
		}
	})
	return e, &tls.Config{RootCAs: trusted}
}

func TestTLS_WebhookIsAccepted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, config := w.secure(t, nil)
	config.NextProtos = []string{"h2", "http/1.1"}
	conn, err := tls.Dial("tcp", e.addr, config)
	if err != nil {
		t.Fatal(err)
	}
	defer hangUp(conn)
	if state := conn.ConnectionState(); state.NegotiatedProtocol != "http/1.1" || state.Version != tls.VersionTLS13 {
		t.Errorf("the protocol is %s over %s", state.NegotiatedProtocol, tls.VersionName(state.Version))
	}
	send(t, conn, signed("msg_1", created(ada)).length().String())
	mustAccept(t, readReply(t, conn))
	if hints := w.hints(t); hints[adaName].MessageID != "msg_1" {
		t.Errorf("hints are %v", hints)
	}
}

func TestTLS_Refusals(t *testing.T) {
	t.Parallel()
	e, config := newWorld(t).secure(t, nil)
	for name, change := range map[string]func(*tls.Config){
		"TLS 1.1":     func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 },
		"HTTP/2 only": func(c *tls.Config) { c.NextProtos = []string{"h2"} },
	} {
		changed := config.Clone()
		change(changed)
		if conn, err := tls.Dial("tcp", e.addr, changed); err == nil {
			hangUp(conn)
			t.Errorf("%s: accepted", name)
		}
	}
	if got := e.post(t, signed("msg_1", created(ada))); got.status != http.StatusBadRequest {
		t.Errorf("plain HTTP: status %d, want 400", got.status)
	}
	if counts := e.counts(t); len(counts) != 0 {
		t.Errorf("requests were counted: %v", counts)
	}
}

func TestTLS_HangingHandshakeEnds(t *testing.T) {
	t.Parallel()
	e, _ := newWorld(t).secure(t, func(c *Config) { c.Limits.Read = 200 * time.Millisecond })
	conn := e.dial(t)
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !strings.Contains(err.Error(), "reset") {
		t.Errorf("want the connection closed, got %v", err)
	}
}
