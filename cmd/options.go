package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/go-logr/logr"
	"go.uber.org/zap/zapcore"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client/config"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

// options are the flags. Each is also read from the environment as FITUSER_ and its name in capitals; the flag wins. The
// names and defaults are a contract with manifests.
type options struct {
	Receiver   bool `default:"true" negatable:"" help:"Take Clerk's webhooks."`
	Controller bool `default:"true" negatable:"" help:"Keep Clerk, the FitUsers and the users table in agreement."`

	Namespace  string `placeholder:"NAME" help:"Namespace of the FitUsers. Default: the pod's own, else default."`
	Kubeconfig string `placeholder:"FILE" help:"Kubeconfig file. Default: the pod's service account, else KUBECONFIG, else ~/.kube/config."`

	WebhookBindAddress     string `default:":8080" placeholder:"ADDR" help:"Where webhooks arrive (default: ${default})."`
	MetricsBindAddress     string `default:":8443" placeholder:"ADDR" help:"Where metrics are served; 0 turns them off (default: ${default})."`
	MetricsSecure          bool   `default:"true" negatable:"" help:"Serve metrics over TLS to those the API server lets read them."`
	HealthProbeBindAddress string `default:":8081" placeholder:"ADDR" help:"Where /healthz and /readyz are served (default: ${default})."`

	LeaderElect    bool    `negatable:"" help:"Let one of several replicas run the controller."`
	ClerkRateLimit float64 `default:"20" placeholder:"N" help:"Requests to Clerk per second, at most (default: ${default})."`
	CreateTable    bool    `negatable:"" help:"Make the users table where there is none."`
	StatusProfile  string  `default:"full" enum:"full,masked,none" help:"How much of a person a FitUser shows: ${enum} (default: ${default})."`

	LogLevel  string `default:"info" enum:"debug,info,error" help:"What is logged: ${enum} (default: ${default})."`
	LogFormat string `default:"json" enum:"json,console" help:"How it is logged: ${enum} (default: ${default})."`
}

// errHelp says that the usage was printed because it was asked for.
var errHelp = errors.New("help was asked for")

// podNamespaceFile is where Kubernetes tells a pod its namespace.
const podNamespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// parseOptions reads flags and environment. The error is one sentence that names the setting.
func parseOptions(args []string, getenv func(string) string, stdout io.Writer) (options, error) {
	var o options
	helped := false
	parser, err := kong.New(&o,
		kong.Name("manager"),
		kong.Description("Keeps Clerk's users, FitUser objects and a users table in agreement. Credentials come from the "+
			"environment: CLERK_WEBHOOK_SECRET for the receiver; CLERK_SECRET_KEY and DATABASE_URL for the controller."),
		kong.Writers(stdout, stdout),
		kong.Exit(func(int) { helped = true }),
		kong.Resolvers(environment(getenv)),
	)
	if err != nil {
		return options{}, fmt.Errorf("declaring the flags: %w", err)
	}
	_, err = parser.Parse(args)
	if helped {
		return options{}, errHelp
	}
	if err != nil {
		return options{}, fmt.Errorf("%w (see --help)", err)
	}
	if o.Namespace == "" {
		o.Namespace = podNamespace()
	}
	return o, o.check()
}

// environment finds a flag's value in the environment.
func environment(getenv func(string) string) kong.Resolver {
	return kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		value := getenv("FITUSER_" + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_")))
		if value == "" {
			return nil, nil //nolint:nilnil // kong's way of saying that there is no value here
		}
		return value, nil
	})
}

func podNamespace() string {
	if name, err := os.ReadFile(podNamespaceFile); err == nil {
		if name := strings.TrimSpace(string(name)); name != "" {
			return name
		}
	}
	return "default"
}

func (o options) check() error {
	switch {
	case !o.Receiver && !o.Controller:
		return errors.New("--receiver and --controller are both off: turn on what this process is to do")
	case o.ClerkRateLimit <= 0 || o.ClerkRateLimit > 100:
		return fmt.Errorf("--clerk-rate-limit is %v: want more than 0, and at most 100, which is all that Clerk allows", o.ClerkRateLimit)
	}
	return nil
}

// restConfig says how to reach the API server.
func (o options) restConfig() (*rest.Config, error) {
	if o.Kubeconfig != "" {
		c, err := clientcmd.BuildConfigFromFlags("", o.Kubeconfig)
		if err != nil {
			return nil, fmt.Errorf("--kubeconfig: %w", err)
		}
		return c, nil
	}
	c, err := config.GetConfig()
	if err != nil {
		return nil, fmt.Errorf("no way to the API server: run in a pod, or set --kubeconfig or KUBECONFIG: %w", err)
	}
	return c, nil
}

func (o options) logger(stderr io.Writer) logr.Logger {
	level := map[string]zapcore.Level{
		"debug": zapcore.DebugLevel, "info": zapcore.InfoLevel, "error": zapcore.ErrorLevel,
	}[o.LogLevel]
	return zap.New(zap.WriteTo(stderr), zap.Level(level), zap.UseDevMode(o.LogFormat == "console"))
}
