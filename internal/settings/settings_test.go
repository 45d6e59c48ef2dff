package settings_test

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/settings"
)

const webhookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func environment(variables map[string]string) func(string) string {
	return func(name string) string { return variables[name] }
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// The error names the setting, describes what to do, and contains no secret.
func TestRead_Errors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	empty, blank, large := file("empty", ""), file("blank", " \n\t\n"), file("large", strings.Repeat("a", 64<<10+1))
	good := map[string]string{
		"CLERK_SECRET_KEY": clerktest.DefaultSecretKey, "CLERK_WEBHOOK_SECRET": webhookSecret, "DATABASE_URL": "sqlite:users.db",
	}
	const (
		copySecret = ": copy the endpoint's signing secret from Clerk's dashboard (Configure, Webhooks)"
		unset      = ""
	)
	for name, test := range map[string]struct {
		env  map[string]string
		want string
	}{
		"nothing set": {
			env: map[string]string{"CLERK_SECRET_KEY": unset, "CLERK_WEBHOOK_SECRET": unset, "DATABASE_URL": unset},
			want: "CLERK_WEBHOOK_SECRET is not set: copy the signing secret (whsec_…) of the endpoint in Clerk's dashboard, or turn the receiver off with --receiver=false\n" +
				"CLERK_SECRET_KEY is not set: copy a secret key (sk_…) from Clerk's dashboard, or turn the controller off with --controller=false\n" +
				"DATABASE_URL is not set: set the address of the users table, such as postgres://user:password@host/database, mysql://…, libsql://… or sqlite:/path/to/file",
		},
		"blank secret key": {
			env:  map[string]string{"CLERK_SECRET_KEY": " \n"},
			want: "CLERK_SECRET_KEY is not set: copy a secret key (sk_…) from Clerk's dashboard, or turn the controller off with --controller=false",
		},
		"publishable key": {
			env:  map[string]string{"CLERK_SECRET_KEY": "pk_test_abc"},
			want: "CLERK_SECRET_KEY is a publishable key (pk_…): copy a secret key (sk_…) from Clerk's dashboard",
		},
		"webhook secret as secret key": {
			env:  map[string]string{"CLERK_SECRET_KEY": webhookSecret},
			want: "CLERK_SECRET_KEY is a webhook's signing secret (whsec_…): copy a secret key (sk_…) from Clerk's dashboard",
		},
		"webhook secret without content": {
			env:  map[string]string{"CLERK_WEBHOOK_SECRET": "whsec_"},
			want: "CLERK_WEBHOOK_SECRET: secret 1 of 1 is 0 bytes long, and less than 24 bytes can be guessed" + copySecret,
		},
		"short webhook secret": {
			env:  map[string]string{"CLERK_WEBHOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaQ="},
			want: "CLERK_WEBHOOK_SECRET: secret 1 of 1 is 23 bytes long, and less than 24 bytes can be guessed" + copySecret,
		},
		"webhook secret with prefix twice": {
			env:  map[string]string{"CLERK_WEBHOOK_SECRET": "whsec_" + webhookSecret},
			want: "CLERK_WEBHOOK_SECRET: secret 1 of 1 is not whsec_ followed by standard base64" + copySecret,
		},
		"second webhook secret empty": {
			env:  map[string]string{"CLERK_WEBHOOK_SECRET": webhookSecret + ","},
			want: "CLERK_WEBHOOK_SECRET: secret 2 of 2 is empty" + copySecret,
		},
		"API key as webhook secret": {
			env:  map[string]string{"CLERK_WEBHOOK_SECRET": "sk_test_abc"},
			want: "CLERK_WEBHOOK_SECRET: secret 1 of 1 is an API key (sk_…), which belongs in CLERK_SECRET_KEY" + copySecret,
		},
		"value and file": {
			env:  map[string]string{"CLERK_WEBHOOK_SECRET_FILE": empty},
			want: "CLERK_WEBHOOK_SECRET and CLERK_WEBHOOK_SECRET_FILE are both set: unset one of them",
		},
		"value and file of an optional setting": {
			env:  map[string]string{"CLERK_INSTANCE_ID": "ins_1", "CLERK_INSTANCE_ID_FILE": empty},
			want: "CLERK_INSTANCE_ID and CLERK_INSTANCE_ID_FILE are both set: unset one of them",
		},
		"missing file": {
			env:  map[string]string{"CLERK_SECRET_KEY": unset, "CLERK_SECRET_KEY_FILE": "/nonexistent/key"},
			want: "CLERK_SECRET_KEY_FILE: open /nonexistent/key: no such file or directory",
		},
		"directory instead of a file": {
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
			want: "CLERK_WEBHOOK_SECRET_FILE: " + large + " is larger than 65536 bytes, the most that a setting may have",
		},
		"Clerk URL without scheme": {
			env:  map[string]string{"CLERK_API_URL": "api.clerk.com/v1"},
			want: "CLERK_API_URL: want an address such as https://api.clerk.com/v1",
		},
		"Clerk URL with password": {
			env:  map[string]string{"CLERK_API_URL": "https://me:hunter2@api.clerk.com/v1"},
			want: "CLERK_API_URL: want nothing but scheme, host and path, such as https://api.clerk.com/v1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := maps.Clone(good)
			maps.Copy(env, test.env)
			_, err := settings.Read(settings.Parts{Receiver: true, Controller: true}, environment(env))
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

func TestRead_OnlyWhatEachPartNeeds(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		parts settings.Parts
		env   map[string]string
		want  int
	}{
		"receiver": {
			parts: settings.Parts{Receiver: true},
			env: map[string]string{
				"CLERK_WEBHOOK_SECRET": webhookSecret,
				"CLERK_API_URL":        "nonsense", "CLERK_SECRET_KEY": "pk_test_abc", "DATABASE_URL_FILE": "/nonexistent",
			},
			want: 2, // the secret, and the instance
		},
		"controller": {
			parts: settings.Parts{Controller: true},
			env: map[string]string{
				"CLERK_SECRET_KEY": clerktest.DefaultSecretKey, "DATABASE_URL": "sqlite:users.db",
				"CLERK_WEBHOOK_SECRET": "nonsense", "CLERK_WEBHOOK_SECRET_FILE": "/nonexistent",
			},
			want: 4, // the key, the database, Clerk's address, and the instance
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := settings.Read(test.parts, environment(test.env))
			must(t, err)
			if (s.WebhookSecret != nil) != test.parts.Receiver || (s.SecretKey != nil) != test.parts.Controller || len(s.All()) != test.want {
				t.Errorf("unexpected settings: %+v", s)
			}
		})
	}
}

// echo, editors and kubectl create secret leave a line end, which an HTTP header cannot contain.
func TestRead_TrimsWhiteSpace(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "url")
	must(t, os.WriteFile(file, []byte("\n sqlite:users.db\r\n"), 0o600))
	s, err := settings.Read(settings.Parts{Controller: true}, environment(map[string]string{
		"CLERK_SECRET_KEY": clerktest.DefaultSecretKey + "\n", "DATABASE_URL_FILE": file, "CLERK_INSTANCE_ID": " ins_1 ",
	}))
	must(t, err)
	got := []string{s.SecretKey.Get(), s.DatabaseURL.Get(), s.InstanceID.Get(), s.ClerkURL.Get()}
	want := []string{clerktest.DefaultSecretKey, "sqlite:users.db", "ins_1", "https://api.clerk.com/v1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestIsInsecureURL(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"https://api.clerk.com/v1": false, "http://127.0.0.1:8090/v1": false, "http://[::1]:8090/v1": false, "http://localhost/v1": false,
		"http://clerk.example.com/v1": true, "http://10.0.0.7/v1": true,
	} {
		if got := settings.IsInsecureURL(address); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
}
