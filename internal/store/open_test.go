package store_test

import (
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fitai/fituser-operator/internal/store"
)

func TestOpen_ErrorDoesNotRepeatTheURL(t *testing.T) {
	t.Parallel()
	for name, databaseURL := range map[string]string{
		"empty":                   "",
		"another engine":          "oracle://user:canary@host/db",
		"no scheme":               "canary",
		"a password with a slash": "postgres://user:canary/canary@host/db",
		"a password with a hash":  "postgres://user:#canary@host/db",
		"an invalid port":         "postgres://user:canary@host:canary/db",
		"invalid escapes":         "postgres://user:canary%zz@host/db",
		"an invalid setting":      "postgres://user:canary@host/db?sslmode=canary",
		"a missing file":          "postgres://canary:canary@host/db?sslrootcert=/nowhere/ca.crt",
		"a password with a ?":     "postgres://user:1?canary=1@host/db",
		"a password with ? and :": "postgres://user:can?ary:canary=x@host/db",
		"another password with ?": "postgres://user:x?canary&schema=canary@host/db",
		"no path":                 "sqlite:",

		"MySQL: no database":                      "mysql://user:canary@host",
		"MySQL: a password with a slash":          "mysql://user:canary/canary@host/db",
		"MySQL: a password with digits and slash": "mysql://user:123/canary@host/db",
		"MySQL: a password with a question mark":  "mysql://user:123/x?canary@host/db",
		"MySQL: a password with a hash":           "mysql://user:#canary@host/db",
		"MySQL: an invalid port":                  "mysql://user:canary@host:99999/db",
		"MySQL: invalid escapes":                  "mysql://user:canary%zz@host/db",
		"MySQL: an unknown parameter":             "mysql://user@host/db?unknown=canary",
		"MySQL: an odd parameter":                 "mysql://user@host/db?canary%20canary",
		"MySQL: an invalid mode":                  "mysql://user@host/db?sslmode=canary",
		"MySQL: an invalid timeout":               "mysql://user@host/db?connect_timeout=canary",
		"MySQL: another character set":            "mysql://user@host/db?charset=latin1canary",
		"no file":                                 "sqlite::memory:",
		"a path with parameters":                  "sqlite:canary.sqlite?mode=ro",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := store.Open(databaseURL, store.Options{})
			if err == nil {
				t.Fatal("Open accepted the URL")
			}
			if strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "host/db") {
				t.Errorf("the error repeats the URL: %v", err)
			}
		})
	}
}

func TestOpen_DoesNotConnect(t *testing.T) {
	t.Parallel()
	for _, databaseURL := range []string{
		"postgres://nowhere.invalid/db", "postgresql://nowhere.invalid/db", "sqlite:/nowhere/app.sqlite",
		"mysql://nowhere.invalid/db", "mysql://nowhere/db?socket=/nowhere", "mariadb://user:p%40ss@127.0.0.1:1/db",
	} {
		db := open(t, databaseURL, store.Options{})
		wantError(t, db.Check(t.Context()), store.ErrUnavailable)
	}
}

func TestInsecureTransport(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	authority := filepath.Join(t.TempDir(), "ca.crt")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(authority, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	for databaseURL, want := range map[string]bool{
		"sqlite:/data/users.db":                                        false,
		"postgres:///app?host=/run/postgres":                           false,
		"postgres://localhost/app":                                     false,
		"postgres://127.0.0.1/app":                                     false,
		"postgres://db.example.com/app":                                true,
		"postgres://10.0.0.7/app":                                      true,
		"postgres://localhost,db/app":                                  true,
		"postgres://db/app?sslmode=disable":                            true,
		"postgres://db/app?sslmode=require":                            true,
		"postgres://db.example.com/app?sslmode=verify-full":            false,
		"postgres://db/app?sslmode=verify-ca&sslrootcert=" + authority: false,
		"mysql://db/app":                                               true,
		"mysql://localhost/app":                                        false,
		"mysql://db/app?socket=/run/mysqld/mysqld.sock":                false,
		"mysql://[::1]:3307/app":                                       false,
		"mysql://db/app?ssl-mode=REQUIRED":                             true,
		"mysql://db/app?tls=skip-verify":                               true,
		"mysql://db/app?sslaccept=accept_invalid_certs":                true,
		`mysql://db/app?ssl={"rejectUnauthorized":false}`:              true,
		"mysql://db/app?tls=false&sslca=" + authority:                  true,
		"mysql://db/app?ssl-mode=VERIFY_IDENTITY":                      false,
		"mysql://db/app?tls=true":                                      false,
		"mysql://db/app?sslaccept=strict":                              false,
		`mysql://db/app?ssl={"rejectUnauthorized":true}`:               false,
		"mysql://db/app?ssl_ca=" + authority:                           false,
		"mysql://db/app?sslcert=" + authority:                          false, // as Prisma names it
		"mysql://db/app?sslmode=require&sslaccept=strict":              false,
		"oracle://db/app":                                              false,
	} {
		if got := store.InsecureTransport(databaseURL); got != want {
			t.Errorf("%s: %v", databaseURL, got)
		}
	}
}
