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
)

// TestWrongSettings starts the program with settings that are good but for what a case changes. It must end with one
// sentence that names the setting and says what to do, and that does not give a secret away.
func TestWrongSettings(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	empty, blank, large := file("empty", ""), file("blank", " \n\t\n"), file("large", strings.Repeat("a", 64<<10+1))
	emptyTable := "sqlite:" + file("users.db", "")
	good := map[string]string{
		"CLERK_SECRET_KEY": clerktest.DefaultSecretKey, "CLERK_WEBHOOK_SECRET": webhookSecret, "DATABASE_URL": emptyTable,
		"FITUSER_KUBECONFIG": writeKubeconfig(t), "FITUSER_METRICS_BIND_ADDRESS": "0",
		"FITUSER_HEALTH_PROBE_BIND_ADDRESS": "127.0.0.1:0",
	}
	const (
		copySecret  = ": copy the endpoint's signing secret from Clerk's dashboard (Configure, Webhooks)"
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
				"DATABASE_URL is not set: say where the users table is, such as postgres://user:password@host/database or sqlite:/path/to/file",
		},
		"blank secret key": {
			env:  map[string]string{"CLERK_SECRET_KEY": " \n"},
			want: "CLERK_SECRET_KEY is not set: copy a secret key (sk_…) from Clerk's dashboard, or turn the controller off with --controller=false",
		},
		"publishable key": {
			env:  map[string]string{"CLERK_SECRET_KEY": "pk_test_abc"},
			want: "CLERK_SECRET_KEY is a publishable key (pk_…): copy a secret key (sk_…) from Clerk's dashboard",
		},
		"signing secret for a key": {
			env:  map[string]string{"CLERK_SECRET_KEY": webhookSecret},
			want: "CLERK_SECRET_KEY is a webhook's signing secret (whsec_…): copy a secret key (sk_…) from Clerk's dashboard",
		},
		"signing secret of nothing": {
			env:  map[string]string{"CLERK_WEBHOOK_SECRET": "whsec_"},
			want: "CLERK_WEBHOOK_SECRET: secret 1 of 1 is 0 bytes long, and fewer than 24 can be guessed" + copySecret,
		},
		"short signing secret": {
			env:  map[string]string{"CLERK_WEBHOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaQ="},
			want: "CLERK_WEBHOOK_SECRET: secret 1 of 1 is 23 bytes long, and fewer than 24 can be guessed" + copySecret,
		},
		"doubled signing secret": {
			env:  map[string]string{"CLERK_WEBHOOK_SECRET": "whsec_" + webhookSecret},
			want: "CLERK_WEBHOOK_SECRET: secret 1 of 1 is not whsec_ followed by standard base64" + copySecret,
		},
		"second signing secret empty": {
			env:  map[string]string{"CLERK_WEBHOOK_SECRET": webhookSecret + ","},
			want: "CLERK_WEBHOOK_SECRET: secret 2 of 2 is empty" + copySecret,
		},
		"key for a signing secret": {
			env:  map[string]string{"CLERK_WEBHOOK_SECRET": "sk_test_abc"},
			want: "CLERK_WEBHOOK_SECRET: secret 1 of 1 is an API key (sk_…), which belongs in CLERK_SECRET_KEY" + copySecret,
		},
		"both forms": {
			env:  map[string]string{"CLERK_WEBHOOK_SECRET_FILE": empty},
			want: "CLERK_WEBHOOK_SECRET and CLERK_WEBHOOK_SECRET_FILE are both set: unset one of them",
		},
		"both forms of what is optional": {
			env:  map[string]string{"CLERK_INSTANCE_ID": "ins_1", "CLERK_INSTANCE_ID_FILE": empty},
			want: "CLERK_INSTANCE_ID and CLERK_INSTANCE_ID_FILE are both set: unset one of them",
		},
		"file that is not there": {
			env:  map[string]string{"CLERK_SECRET_KEY": unset, "CLERK_SECRET_KEY_FILE": "/nonexistent/key"},
			want: "CLERK_SECRET_KEY_FILE: open /nonexistent/key: no such file or directory",
		},
		"directory for a file": {
			env:  map[string]string{"DATABASE_URL": unset, "DATABASE_URL_FILE": "/proc/self"},
			want: "DATABASE_URL_FILE: read /proc/self: is a directory",
		},
		"empty file": {
			env:  map[string]string{"CLERK_SECRET_KEY": unset, "CLERK_SECRET_KEY_FILE": empty},
			want: "CLERK_SECRET_KEY_FILE: " + empty + " is empty: put the value into it",
		},
		"blank file": {
			env:  map[string]string{"CLERK_WEBHOOK_SECRET": unset, "CLERK_WEBHOOK_SECRET_FILE": blank},
			want: "CLERK_WEBHOOK_SECRET_FILE: " + blank + " is empty: put the value into it",
		},
		"large file": {
			env:  map[string]string{"CLERK_WEBHOOK_SECRET": unset, "CLERK_WEBHOOK_SECRET_FILE": large},
			want: "CLERK_WEBHOOK_SECRET_FILE: " + large + " is larger than 65536 bytes, so it is no setting",
		},
		"Clerk's address without a scheme": {
			env:  map[string]string{"CLERK_API_URL": "api.clerk.com/v1"},
			want: "CLERK_API_URL: want an address such as https://api.clerk.com/v1",
		},
		"Clerk's address with a password": {
			env:  map[string]string{"CLERK_API_URL": "https://me:hunter2@api.clerk.com/v1"},
			want: "CLERK_API_URL: want nothing but scheme, host and path, such as https://api.clerk.com/v1",
		},
		"unknown database": {
			env:  map[string]string{"DATABASE_URL": "mysql://root:hunter2@db/fitai"},
			args: []string{"--no-receiver"},
			want: "DATABASE_URL: the database URL must begin with sqlite:, postgres:// or postgresql://",
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
	} {
		t.Run(name, func(t *testing.T) {
			env := maps.Clone(good)
			maps.Copy(env, test.env)
			err := run(t.Context(), test.args, environmentOf(env), io.Discard, io.Discard)
			if err == nil {
				t.Fatal("the program ended without an error")
			}
			if diff := cmp.Diff(test.want, err.Error()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			for _, secret := range []string{"hunter2", webhookSecret, clerktest.DefaultSecretKey} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error gives %s away", secret)
				}
			}
		})
	}
}

func TestEachPartNeedsOnlyItsOwnSettings(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		o   options
		env map[string]string
	}{
		"receiver": {
			o: options{Receiver: true},
			env: map[string]string{
				"CLERK_WEBHOOK_SECRET": webhookSecret,
				"CLERK_API_URL":        "nonsense", "CLERK_SECRET_KEY": "pk_test_abc", "DATABASE_URL_FILE": "/nonexistent",
			},
		},
		"controller": {
			o: options{Controller: true},
			env: map[string]string{
				"CLERK_SECRET_KEY": clerktest.DefaultSecretKey, "DATABASE_URL": "sqlite:users.db",
				"CLERK_WEBHOOK_SECRET": "nonsense", "CLERK_WEBHOOK_SECRET_FILE": "/nonexistent",
			},
		},
	} {
		s, err := readSettings(test.o, environmentOf(test.env))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if (s.webhookSecret != nil) != test.o.Receiver || (s.secretKey != nil) != test.o.Controller {
			t.Errorf("%s: holds what it does not need: %+v", name, s)
		}
	}
}

// echo, editors and kubectl create secret leave a line end, and no header can hold one.
func TestWhiteSpaceAroundASettingIsNoPartOfIt(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(file, []byte("\n sqlite:users.db\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := readSettings(options{Controller: true}, environmentOf(map[string]string{
		"CLERK_SECRET_KEY": clerktest.DefaultSecretKey + "\n", "DATABASE_URL_FILE": file, "CLERK_INSTANCE_ID": " ins_1 ",
	}))
	if err != nil {
		t.Fatal(err)
	}
	got := []string{s.secretKey.Get(), s.databaseURL.Get(), s.instanceID.Get(), s.clerkURL.Get()}
	want := []string{clerktest.DefaultSecretKey, "sqlite:users.db", "ins_1", "https://api.clerk.com/v1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestWhereTheSecretKeyIsShown(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		defaultClerkURL: false, "http://127.0.0.1:8090/v1": false, "http://[::1]:8090/v1": false, "http://localhost/v1": false,
		"http://clerk.example.com/v1": true, "http://10.0.0.7/v1": true,
	} {
		if got := showsKey(address); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
}

func TestSecretsOnTheWayAreWarnedOfWithoutNamingThem(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ clerkURL, databaseURL, want string }{
		"nothing is shown": {defaultClerkURL, "postgres://db/app?sslmode=verify-full", ""},
		"the key":          {"http://clerk.example.com", "sqlite:users.db", "CLERK_API_URL "},
		"the rows":         {defaultClerkURL, "postgres://app:hunter2@db/app", "DATABASE_URL "},
		"both":             {"http://clerk.example.com", "postgres://db/app", "CLERK_API_URL DATABASE_URL "},
	} {
		s, err := readSettings(options{Controller: true}, environmentOf(map[string]string{
			"CLERK_SECRET_KEY": clerktest.DefaultSecretKey, "CLERK_API_URL": test.clerkURL, "DATABASE_URL": test.databaseURL,
		}))
		if err != nil {
			t.Fatal(err)
		}
		var settings string
		warnOfListeners(funcr.NewJSON(func(line string) {
			var said struct{ Setting string }
			if err := json.Unmarshal([]byte(line), &said); err != nil || strings.Contains(line, "hunter2") {
				t.Errorf("%s: %v", line, err)
			}
			settings += said.Setting + " "
		}, funcr.Options{}), &s)
		if settings != test.want {
			t.Errorf("%s: warned of %q, not of %q", name, settings, test.want)
		}
	}
}
