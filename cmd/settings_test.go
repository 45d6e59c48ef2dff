package main

import (
	"encoding/json"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/settings"
	"github.com/fitai/fituser-operator/internal/store/storetest"
)

// TestRun_SettingErrors starts the program with valid settings except for what a case changes. It must end with one
// sentence that names the setting, describes what to do, and contains no secret. internal/settings tests what it reads.
func TestRun_SettingErrors(t *testing.T) {
	t.Parallel()
	emptyFile := filepath.Join(t.TempDir(), "users.db")
	ok(t, os.WriteFile(emptyFile, nil, 0o600))
	mapping := writeFile(t, "columns:\n  phnoe: phone\ntimes: ms\n")
	emptyTable := "sqlite:" + emptyFile
	good := map[string]string{
		"CLERK_SECRET_KEY": clerktest.DefaultSecretKey, "CLERK_WEBHOOK_SECRET": webhookSecret, "DATABASE_URL": emptyTable,
		"FITUSER_KUBECONFIG": writeKubeconfig(t), "FITUSER_METRICS_BIND_ADDRESS": "0",
		"FITUSER_HEALTH_PROBE_BIND_ADDRESS": "127.0.0.1:0",
	}
	const (
		readableURL = "DATABASE_URL: the database URL cannot be read: want postgres://user:password@host:5432/database, " +
			"with characters such as / : @ ? # in the password percent-encoded"
		unset = ""
	)
	for name, test := range map[string]struct {
		env  map[string]string
		args []string
		want string
	}{
		"nothing set": {
			env: map[string]string{"CLERK_SECRET_KEY": unset, "CLERK_WEBHOOK_SECRET": unset, "DATABASE_URL": unset},
			want: "CLERK_WEBHOOK_SECRET is not set: copy the signing secret (whsec_…) of the endpoint in Clerk's dashboard, or turn the receiver off with --receiver=false\n" +
				"CLERK_SECRET_KEY is not set: copy a secret key (sk_…) from Clerk's dashboard, or turn the controller off with --controller=false\n" +
				"DATABASE_URL is not set: set the address of the users table, such as postgres://user:password@host/database, mysql://…, libsql://… or sqlite:/path/to/file",
		},
		"unknown database": {
			env:  map[string]string{"DATABASE_URL": "oracle://root:hunter2@db/fitai"},
			args: []string{"--no-receiver"},
			want: "DATABASE_URL: the database URL must begin with sqlite:, postgres://, postgresql://, mysql:// or libsql://",
		},
		"PostgreSQL at no port": {
			env:  map[string]string{"DATABASE_URL": "postgres://root:hunter2@db:port/fitai"},
			args: []string{"--no-receiver"},
			want: readableURL,
		},
		"password that is not escaped": {
			env:  map[string]string{"DATABASE_URL": "postgres://root:hunter2%@db/fitai"},
			args: []string{"--no-receiver"},
			want: readableURL,
		},
		"SQLite without a file": {
			env:  map[string]string{"DATABASE_URL": "sqlite:"},
			args: []string{"--no-receiver"},
			want: "DATABASE_URL: the database URL cannot be read: want sqlite:PATH, the path of a file and no parameters",
		},
		"no table": {
			args: []string{"--no-receiver"},
			want: "DATABASE_URL: the users table cannot be used: there is no table users in the file; " +
				"run the application's migrations, or start the operator with --create-table",
		},
		"another table": {
			env:  map[string]string{"DATABASE_URL": storetest.SQLite(t, `CREATE TABLE "User" (id text PRIMARY KEY, email text)`)},
			args: []string{"--no-receiver"},
			want: "DATABASE_URL: the users table cannot be used: there is no table users in the file; " +
				`there is a table "User": manager table proposes a mapping for it; or run the application's migrations`,
		},
		"mapping file with faults": {
			env:  map[string]string{"FITUSER_TABLE_CONFIG": mapping},
			args: []string{"--no-receiver"},
			want: "--table-config=" + mapping + ":\nline 2: columns.phnoe: no such field: did you mean phone?\nline 3: times: no such value \"ms\": want one of seconds, milliseconds, native",
		},
		"no mapping file": {
			args: []string{"--no-receiver", "--table-config=/absent.yaml"},
			want: "--table-config: open /absent.yaml: no such file or directory",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := maps.Clone(good)
			maps.Copy(env, test.env)
			err := run(t.Context(), test.args, environmentOf(env), io.Discard, io.Discard)
			if err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff(test.want, err.Error()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			for _, secret := range []string{"hunter2", webhookSecret, clerktest.DefaultSecretKey} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error contains the secret %s", secret)
				}
			}
		})
	}
}

func TestWarnInsecureTransport(t *testing.T) {
	t.Parallel()
	const clerkURL = "https://api.clerk.com/v1"
	for name, test := range map[string]struct{ clerkURL, databaseURL, want string }{
		"all secure":        {clerkURL, "postgres://db/app?sslmode=verify-full", ""},
		"insecure Clerk":    {"http://clerk.example.com", "sqlite:users.db", "CLERK_API_URL: "},
		"insecure database": {clerkURL, "postgres://app:hunter2@db/app", "DATABASE_URL: add sslmode=verify-full"},
		"insecure MySQL":    {clerkURL, "mysql://app:hunter2@db/app", "DATABASE_URL: add ssl-mode=VERIFY_IDENTITY"},
		"insecure libSQL":   {clerkURL, "http://db:8080", "DATABASE_URL: remove tls=0, or begin the URL with https:"},
		"both":              {"http://clerk.example.com", "postgres://db/app", "CLERK_API_URL: DATABASE_URL: add sslmode=verify-full"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := settings.Read(settings.Parts{Controller: true}, environmentOf(map[string]string{
				"CLERK_SECRET_KEY": clerktest.DefaultSecretKey, "CLERK_API_URL": test.clerkURL, "DATABASE_URL": test.databaseURL,
			}))
			ok(t, err)
			var warned string
			warnInsecureTransport(funcr.NewJSON(func(line string) {
				var entry struct{ Setting, NextStep string }
				if err := json.Unmarshal([]byte(line), &entry); err != nil || strings.Contains(line, "hunter2") {
					t.Errorf("%s: %v", line, err)
				}
				warned += entry.Setting + ": " + entry.NextStep
			}, funcr.Options{}), s)
			if warned != test.want {
				t.Errorf("warned of %q, want %q", warned, test.want)
			}
		})
	}
}
