package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/user"
)

// contract is what manifests rely on: the flags, their defaults, and that the variable FITUSER_ plus the name sets a flag too.
// The field other is any other value.
var contract = []struct{ flag, byDefault, other string }{
	{"receiver", "true", "false"},
	{"controller", "true", "false"},
	{"namespace", "default", "fitai"},
	{"kubeconfig", "", "/etc/kubeconfig"},
	{"webhook-bind-address", ":8080", "127.0.0.1:80"},
	{"webhook-cert-path", "", "/etc/webhook-tls"},
	{"metrics-bind-address", ":8443", "0"},
	{"metrics-secure", "true", "false"},
	{"metrics-cert-path", "", "/etc/metrics-tls"},
	{"health-probe-bind-address", ":8081", "127.0.0.1:81"},
	{"leader-elect", "false", "true"},
	{"sync-period", "10m0s", "1h0m0s"},
	{"clerk-rate-limit", "20", "2.5"},
	{"max-deletions", "", "10%"},
	{"deletion-policy", "Delete", "Anonymize"},
	{"deletion-delay", "0s", "720h0m0s"},
	{"create-table", "false", "true"},
	{"table-config", "", "/etc/table.yaml"},
	{"status-profile", "full", "none"},
	{"observe", "false", "true"},
	{"owner-id", "", "fitai-production"},
	{"adopt-owner", "", "old-one,old-two"},
	{"roles", "admin,trainer,client", "admin,owner,client"},
	{"default-role", "client", "trainer"},
	{"protected-role", "admin", "trainer"},
	{"min-protected", "1", "2"},
	{"log-level", "info", "debug"},
	{"log-level-file", "", "/etc/level"},
	{"log-format", "json", "console"},
}

// flags returns the flags in the order of their declaration, without --help.
func flags(t *testing.T) []*kong.Flag {
	t.Helper()
	parser, err := kong.New(&options{})
	if err != nil {
		t.Fatal(err)
	}
	return parser.Model.Flags[1:]
}

// values returns the options by the names of their flags.
func values(t *testing.T, o options) map[string]string {
	t.Helper()
	declared, fields := flags(t), reflect.ValueOf(o)
	if len(declared) != fields.NumField() {
		t.Fatalf("%d flags for %d options", len(declared), fields.NumField())
	}
	values := map[string]string{}
	for i, flag := range declared {
		values[flag.Name] = fmt.Sprint(fields.Field(i))
		if list, ok := fields.Field(i).Interface().([]string); ok {
			values[flag.Name] = strings.Join(list, ",")
		}
	}
	return values
}

func environmentOf(variables map[string]string) func(string) string {
	return func(name string) string { return variables[name] }
}

func TestOptions_FlagsAndDefaults(t *testing.T) {
	t.Parallel()
	o, err := parseOptions(nil, environmentOf(nil), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, c := range contract {
		want[c.flag] = c.byDefault
	}
	if diff := cmp.Diff(want, values(t, o)); diff != "" {
		t.Errorf("-contract +flags:\n%s", diff)
	}
}

func TestOptions_FlagBeforeEnvironmentBeforeDefault(t *testing.T) {
	t.Parallel()
	for _, c := range contract {
		variable := "FITUSER_" + strings.ToUpper(strings.ReplaceAll(c.flag, "-", "_"))
		getenv := environmentOf(map[string]string{variable: c.other})
		for _, test := range []struct {
			args []string
			want string
		}{
			{nil, c.other},
			{[]string{"--" + c.flag + "=" + c.byDefault}, c.byDefault},
		} {
			o, err := parseOptions(test.args, getenv, io.Discard)
			if err != nil {
				t.Fatalf("%s=%s %v: %v", variable, c.other, test.args, err)
			}
			if got := values(t, o)[c.flag]; got != test.want {
				t.Errorf("%s=%s %v: %q, want %q", variable, c.other, test.args, got, test.want)
			}
		}
	}
}

func TestOptions_NegatedFlags(t *testing.T) {
	t.Parallel()
	o, err := parseOptions([]string{"--no-receiver", "--no-metrics-secure"}, environmentOf(nil), io.Discard)
	if err != nil || o.Receiver || o.MetricsSecure || !o.Controller {
		t.Errorf("%+v, %v", o, err)
	}
}

// The error is one sentence that names the flag and the valid values.
func TestOptions_Errors(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args []string
		env  map[string]string
		want string
	}{
		"both parts off": {
			args: []string{"--receiver=false", "--no-controller"},
			want: "--receiver and --controller are both off: turn on one of them",
		},
		"rate of zero": {
			args: []string{"--clerk-rate-limit=0"},
			want: "--clerk-rate-limit is 0: want more than 0, and at most 100, which is Clerk's limit",
		},
		"negative rate": {
			args: []string{"--clerk-rate-limit=-1"},
			want: "--clerk-rate-limit is -1: want more than 0, and at most 100, which is Clerk's limit",
		},
		"rate above Clerk's": {
			env:  map[string]string{"FITUSER_CLERK_RATE_LIMIT": "101"},
			want: "--clerk-rate-limit is 101: want more than 0, and at most 100, which is Clerk's limit",
		},
		"rate of NaN": {
			args: []string{"--clerk-rate-limit=NaN"},
			want: "--clerk-rate-limit is NaN: want more than 0, and at most 100, which is Clerk's limit",
		},
		"rate not a number": {
			args: []string{"--clerk-rate-limit=fast"},
			want: `--clerk-rate-limit: expected a float but got "fast" (string) (see --help)`,
		},
		"value not in the enum": {
			args: []string{"--status-profile=some"},
			want: `--status-profile must be one of "full","masked","none" but got "some" (see --help)`,
		},
		"value not in the enum in the environment": {
			env:  map[string]string{"FITUSER_LOG_LEVEL": "warn"},
			want: `--log-level must be one of "debug","info","error" but got "warn" (see --help)`,
		},
		"invalid bool in the environment": {
			env:  map[string]string{"FITUSER_CREATE_TABLE": "maybe"},
			want: `--create-table: bool value must be true, 1, yes, false, 0 or no but got "maybe" (see --help)`,
		},
		"unknown flag": {
			args: []string{"--statusprofile=full"},
			want: `unknown flag --statusprofile, did you mean "--status-profile"? (see --help)`,
		},
		"unknown command": {
			args: []string{"serve"},
			want: "unexpected argument serve (see --help)",
		},
		"invalid namespace": {
			args: []string{"--namespace=Fit_AI"},
			want: `--namespace is "Fit_AI": want a namespace's name, of lower-case letters, digits and hyphens`,
		},
		"address without a port": {
			args: []string{"--webhook-bind-address=localhost"},
			want: `--webhook-bind-address is "localhost": want host:port or :port`,
		},
		"port out of range": {
			args: []string{"--health-probe-bind-address=:65536"},
			want: `--health-probe-bind-address is ":65536": want host:port or :port`,
		},
		"invalid address for metrics": {
			env:  map[string]string{"FITUSER_METRICS_BIND_ADDRESS": "off"},
			want: `--metrics-bind-address is "off": want host:port, :port, or 0 for no metrics`,
		},
		"owner id with a space": {
			args: []string{"--owner-id=fitai production"},
			want: `--owner-id is "fitai production": want 1 to 63 letters, digits, dots, hyphens and underscores`,
		},
		"owner id too long": {
			args: []string{"--owner-id=" + strings.Repeat("a", 64)},
			want: `--owner-id is "` + strings.Repeat("a", 64) + `": want 1 to 63 letters, digits, dots, hyphens and underscores`,
		},
		"invalid owner id to adopt": {
			env:  map[string]string{"FITUSER_ADOPT_OWNER": "old,new/er"},
			want: `--adopt-owner contains "new/er": want 1 to 63 letters, digits, dots, hyphens and underscores, and commas between ids`,
		},
		"no roles": {
			args: []string{"--roles="},
			want: "--roles is empty: list the application's roles, the most privileged first, such as admin,trainer,client",
		},
		"invalid role": {
			args: []string{"--roles=admin,personal trainer,client"},
			want: `--roles: role "personal trainer": want a letter, then letters, digits, hyphens and underscores, 63 at most, ` +
				"and not true, false or null; list each role of the application once, with commas between them",
		},
		"role named twice": {
			env:  map[string]string{"FITUSER_ROLES": "admin,client,admin"},
			want: `--roles: role "admin" is named twice; list each role of the application once, with commas between them`,
		},
		"unknown default role": {
			args: []string{"--roles=admin,trainer"},
			want: `--default-role: the default role "client" is not one of [admin trainer]: name one of --roles`,
		},
		"unknown protected role": {
			args: []string{"--roles=owner,client"},
			want: `--protected-role: the protected role "admin" is not one of [owner client]; ` +
				"name another one of --roles, or none with --protected-role=",
		},
		"default role protected": {
			args: []string{"--protected-role=client"},
			want: `--protected-role: "client" is the default role, which everybody has: it cannot be protected; ` +
				"name another one of --roles, or none with --protected-role=",
		},
		"negative number of protected users": {
			args: []string{"--min-protected=-1"},
			want: "--min-protected is -1: want 0 or more",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := parseOptions(test.args, environmentOf(test.env), io.Discard)
			if err == nil || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

func TestOptions_Roles(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args                 []string
		env                  map[string]string
		names                []user.Role
		byDefault, protected user.Role
	}{
		"defaults": {
			names: []user.Role{user.Admin, user.Trainer, user.Client}, byDefault: user.Client, protected: user.Admin,
		},
		"a fourth role": {
			args:  []string{"--roles=admin,trainer,nutritionist,client"},
			names: []user.Role{user.Admin, user.Trainer, "nutritionist", user.Client}, byDefault: user.Client, protected: user.Admin,
		},
		"other roles": {
			args:  []string{"--roles=owner,member", "--default-role=member", "--protected-role=owner"},
			names: []user.Role{"owner", "member"}, byDefault: "member", protected: "owner",
		},
		"nothing protected": {
			args:  []string{"--protected-role="},
			names: []user.Role{user.Admin, user.Trainer, user.Client}, byDefault: user.Client,
		},
		"white space in the environment": {
			env:   map[string]string{"FITUSER_ROLES": "admin, trainer,\tclient\n"},
			names: []user.Role{user.Admin, user.Trainer, user.Client}, byDefault: user.Client, protected: user.Admin,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, err := parseOptions(test.args, environmentOf(test.env), io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			roles, err := o.roles()
			if err != nil || !slices.Equal(roles.Names(), test.names) || roles.Default() != test.byDefault || roles.Protected() != test.protected {
				t.Errorf("%v, default %s, protected %q, %v", roles.Names(), roles.Default(), roles.Protected(), err)
			}
		})
	}
}

func TestOptions_AdoptedOwners(t *testing.T) {
	t.Parallel()
	for value, want := range map[string][]string{"": nil, "old": {"old"}, "old-1, 0b9c.B_2": {"old-1", "0b9c.B_2"}} {
		o, err := parseOptions(nil, environmentOf(map[string]string{"FITUSER_ADOPT_OWNER": value}), io.Discard)
		if err != nil || !slices.Equal(o.adoptedOwners(), want) {
			t.Errorf("%q: %q, %v", value, o.adoptedOwners(), err)
		}
	}
}

// With both ways to name the kubeconfig, the API server limits the requests, and not client-go to five per second.
func TestRestConfig_HasNoClientSideLimit(t *testing.T) {
	kubeconfig := writeKubeconfig(t)
	for name, o := range map[string]options{"--kubeconfig": {Kubeconfig: kubeconfig}, "KUBECONFIG": {}} {
		t.Setenv("KUBECONFIG", kubeconfig)
		config, err := o.restConfig()
		if err != nil || config.Host != "https://127.0.0.1:1" || config.QPS >= 0 {
			t.Errorf("%s: %+v, %v", name, config, err)
		}
	}
}

func TestRestConfig_Errors(t *testing.T) {
	t.Setenv("KUBECONFIG", "/nonexistent")
	for name, test := range map[string]struct {
		o    options
		want string // the rest of the text is client-go's
	}{
		"--kubeconfig": {options{Kubeconfig: "/nonexistent"}, "--kubeconfig: stat /nonexistent: no such file"},
		"KUBECONFIG":   {options{}, "no way to the API server: run in a pod, or set --kubeconfig or KUBECONFIG: "},
	} {
		if _, err := test.o.restConfig(); err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %s", name, err, test.want)
		}
	}
}

// writeKubeconfig writes a kubeconfig of an API server that does not exist.
func writeKubeconfig(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	content := `{"clusters":[{"name":"a","cluster":{"server":"https://127.0.0.1:1"}}],` +
		`"contexts":[{"name":"a","context":{"cluster":"a"}}],"current-context":"a"}`
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func parseOptions(args []string, getenv func(string) string, stdout io.Writer) (options, error) {
	line, _, err := parseCommandLine(args, getenv, stdout)
	return line.options, err
}

func TestHelp_ContainsSettings(t *testing.T) {
	var out strings.Builder
	ok(t, run(t.Context(), []string{"--help"}, func(string) string { return "" }, &out, io.Discard))
	for _, want := range []string{"CLERK_SECRET_KEY", "DATABASE_URL", "CLERK_WEBHOOK_SECRET", "--clerk-rate-limit"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the help does not contain %s", want)
		}
	}
}
