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
		"another engine":          "mysql://user:canary@host/db",
		"no scheme":               "canary",
		"a password with a slash": "postgres://user:canary/canary@host/db",
		"a password with a hash":  "postgres://user:#canary@host/db",
		"an invalid port":         "postgres://user:canary@host:canary/db",
		"invalid escapes":         "postgres://user:canary%zz@host/db",
		"an invalid setting":      "postgres://user:canary@host/db?sslmode=canary",
		"a missing file":          "postgres://user@host/db?sslrootcert=/canary",
		"no path":                 "sqlite:",
		"no file":                 "sqlite::memory:",
		"a path with parameters":  "sqlite:canary.sqlite?mode=ro",
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
		"mysql://db/app":                                               false,
	} {
		if got := store.InsecureTransport(databaseURL); got != want {
			t.Errorf("%s: %v", databaseURL, got)
		}
	}
}
