package store_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/store/storetest"
)

// certificateFiles writes the certificate of a new authority, and one that it has signed for 127.0.0.1 with its key.
func certificateFiles(t *testing.T) (authority, certificate, key string) {
	t.Helper()
	dir := t.TempDir()
	for _, readable := range []string{dir, filepath.Dir(dir)} { // the server has another user
		if err := os.Chmod(readable, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write := func(name, kind string, content []byte, err error) string {
		file := filepath.Join(dir, name)
		if err = errors.Join(err, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o644)); err != nil {
			t.Fatal(err)
		}
		return file
	}
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	own, ownErr := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err := errors.Join(err, ownErr); err != nil {
		t.Fatal(err)
	}
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "server"}, NotAfter: root.NotAfter, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	signedRoot, err := x509.CreateCertificate(rand.Reader, root, root, &authorityKey.PublicKey, authorityKey)
	authority = write("ca.crt", "CERTIFICATE", signedRoot, err)
	signed, err := x509.CreateCertificate(rand.Reader, leaf, root, &own.PublicKey, authorityKey)
	certificate = write("tls.crt", "CERTIFICATE", signed, err)
	encoded, err := x509.MarshalPKCS8PrivateKey(own)
	return authority, certificate, write("tls.key", "PRIVATE KEY", encoded, err)
}

// overNetwork returns the URL for the same database behind a TCP port of host.
func overNetwork(t *testing.T, databaseURL, host string) string {
	t.Helper()
	parsed, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	socket := parsed.Query().Get("socket")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			if server, err := net.Dial("unix", socket); err == nil {
				go func() { _, _ = io.Copy(server, client); _ = server.Close() }()
				go func() { _, _ = io.Copy(client, server); _ = client.Close() }()
			}
		}
	}()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	parsed.Host, parsed.RawQuery = net.JoinHostPort(host, port), ""
	return parsed.String()
}

func TestMariaDB_TLS(t *testing.T) {
	t.Parallel()
	authority, certificate, key := certificateFiles(t)
	other, _, _ := certificateFiles(t)
	own := storetest.MariaDB{Options: []string{"--ssl-ca=" + authority, "--ssl-cert=" + certificate, "--ssl-key=" + key}}
	databaseURL := own.URL(t)
	raw := storetest.OpenRaw(t, databaseURL)
	raw.Exec("CREATE USER secured REQUIRE SSL")
	raw.Exec("GRANT ALL ON users TO secured")
	raw.Exec("CREATE USER known IDENTIFIED BY 'p@ss/word' REQUIRE X509")
	raw.Exec("GRANT ALL ON users TO known")
	address := overNetwork(t, own.As(t, databaseURL, "secured"), "127.0.0.1")
	named := strings.Replace(address, "127.0.0.1", "localhost", 1) // the certificate has no such name
	owner := strings.Replace(address, "secured@", "known:p%40ss%2Fword@", 1)
	t.Run("connects", func(t *testing.T) {
		for _, databaseURL := range []string{
			address, address + "?sslmode=prefer", address + "?ssl-mode=REQUIRED", address + "?tls=skip-verify",
			address + "?ssl-mode=VERIFY_IDENTITY&ssl-ca=" + authority, address + "?sslaccept=strict&sslcert=" + authority,
			named + "?ssl-ca=" + authority, named + "?sslmode=verify-ca&sslrootcert=" + authority,
			owner + "?sslca=" + authority + "&sslcert=" + certificate + "&sslkey=" + key,
		} {
			if err := open(t, databaseURL, store.Options{}).Check(t.Context()); err != nil {
				t.Errorf("%s: %v", databaseURL, err)
			}
		}
	})
	t.Run("refuses", func(t *testing.T) {
		untrusted := "its TLS certificate is not trusted"
		for databaseURL, want := range map[string]string{
			address + "?tls=true":                                  untrusted,
			address + "?ssl-ca=" + other:                           untrusted,
			named + "?ssl-mode=VERIFY_IDENTITY&sslca=" + authority: untrusted,
			address + "?tls=false":                                 "the user or the password is wrong",
			owner + "?sslca=" + authority:                          "the user or the password is wrong",
		} {
			if err := open(t, databaseURL, store.Options{}).Check(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got error %v, want %s", databaseURL, err, want)
			}
		}
	})
	t.Run("a server without TLS", func(t *testing.T) {
		plain := overNetwork(t, mariadb.URL(t), "127.0.0.1")
		if err := open(t, plain, store.Options{}).Check(t.Context()); err != nil {
			t.Errorf("without a mode: %v", err)
		}
		err := open(t, plain+"?ssl-mode=REQUIRED", store.Options{}).Check(t.Context())
		if want := "it does not offer TLS"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %s", err, want)
		}
	})
}
