package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/go-logr/logr"
	"github.com/go-logr/zapr"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client/config"
	kubezap "sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/fitai/fituser-operator/internal/budget"
)

// options are the flags. Each is also read from the environment as FITUSER_ and its name in capitals; the flag wins. The
// names and defaults are a contract with manifests.
type options struct {
	Receiver   bool `default:"true" negatable:"" help:"Take Clerk's webhooks."`
	Controller bool `default:"true" negatable:"" help:"Keep Clerk, the FitUsers and the users table in agreement."`

	Namespace  string `short:"n" placeholder:"NAME" help:"Namespace of the FitUsers. Default: the pod's own, else default."`
	Kubeconfig string `placeholder:"FILE" help:"Kubeconfig file. Default: KUBECONFIG, else the pod's service account, else ~/.kube/config."`

	WebhookBindAddress     string `default:":8080" placeholder:"ADDR" help:"Where webhooks arrive (default: ${default})."`
	WebhookCertPath        string `placeholder:"DIR" help:"Directory with tls.crt and tls.key, to take webhooks over TLS. Default: plain HTTP, as TLS ends before the receiver."`
	MetricsBindAddress     string `default:":8443" placeholder:"ADDR" help:"Where metrics are served; 0 turns them off (default: ${default})."`
	MetricsSecure          bool   `default:"true" negatable:"" help:"Serve metrics over TLS to those the API server lets read them."`
	MetricsCertPath        string `placeholder:"DIR" help:"Directory with tls.crt and tls.key for the metrics. Default: a certificate that the process signs itself."`
	HealthProbeBindAddress string `default:":8081" placeholder:"ADDR" help:"Where /healthz and /readyz are served (default: ${default})."`

	LeaderElect    bool          `negatable:"" help:"Let one of several replicas run the controller."`
	SyncPeriod     time.Duration `default:"10m" placeholder:"TIME" help:"How often Clerk, the FitUsers and the table are compared, all of them (default: ${default})."`
	ClerkRateLimit float64       `default:"20" placeholder:"N" help:"Requests to Clerk per second, at most (default: ${default})."`
	MaxDeletions   string        `placeholder:"N" help:"Most rows removed and roles taken back in one sync period: a number or a share, such as 50 or 10%. Default: 10, or 10% if that is more."`
	CreateTable    bool          `negatable:"" help:"Make the users table where there is none."`
	StatusProfile  string        `default:"full" enum:"full, masked, none" help:"How much of a person a FitUser shows: ${enum} (default: ${default})."`

	LogLevel     string `default:"info" enum:"debug, info, error" help:"What is logged: ${enum} (default: ${default})."`
	LogLevelFile string `placeholder:"FILE" help:"File whose content overrides --log-level while it is there; read again when it changes."`
	LogFormat    string `default:"json" enum:"json, console" help:"Format of the log: ${enum} (default: ${default})."`
}

// minSyncPeriod keeps a sweep from being asked for before the last one is done; webhooks are what is quick.
const minSyncPeriod = 10 * time.Second

// errHelp says that the usage was printed because it was asked for.
var errHelp = errors.New("help was asked for")

// podNamespaceFile is where Kubernetes tells a pod its namespace.
const podNamespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// parseCommandLine reads arguments and environment. The error is one sentence that names the setting.
func parseCommandLine(args []string, getenv func(string) string, stdout io.Writer) (commandLine, error) {
	var line commandLine
	helped := false
	parser, err := kong.New(&line,
		kong.Name("manager"),
		kong.Description("Keeps Clerk's users, FitUser objects and a users table in agreement. Credentials come from the "+
			"environment: CLERK_WEBHOOK_SECRET for the receiver; CLERK_SECRET_KEY and DATABASE_URL for the controller. Each flag "+
			"is also read from there, --leader-elect as FITUSER_LEADER_ELECT; the flag wins."),
		kong.Writers(stdout, stdout),
		kong.Exit(func(int) { helped = true }),
		kong.Resolvers(environment(getenv)),
		kong.Vars{"version": thisBuild().String()},
	)
	if err != nil {
		return commandLine{}, fmt.Errorf("declaring the flags: %w", err)
	}
	parsed, err := parser.Parse(args)
	if helped {
		return commandLine{}, errHelp
	}
	if err != nil {
		return commandLine{}, fmt.Errorf("%w (see --help)", err)
	}
	if line.Namespace == "" {
		line.Namespace = podNamespace()
	}
	if chosen, ok := reflect.TypeAssert[question](parsed.Selected().Target); ok {
		line.chosen = chosen
	}
	return line, line.check()
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
	case !(o.ClerkRateLimit > 0 && o.ClerkRateLimit <= 100): // so written, NaN is refused too
		return fmt.Errorf("--clerk-rate-limit is %v: want more than 0, and at most 100, which is all that Clerk allows", o.ClerkRateLimit)
	case o.SyncPeriod < minSyncPeriod:
		return fmt.Errorf("--sync-period is %s: want %s or more", o.SyncPeriod, minSyncPeriod)
	}
	if _, err := budget.ParseMaxDeletions(o.MaxDeletions); err != nil {
		return fmt.Errorf("--max-deletions: %w", err)
	}
	if len(validation.IsDNS1123Label(o.Namespace)) > 0 {
		return fmt.Errorf("--namespace is %q: want a namespace's name, of lower-case letters, digits and hyphens", o.Namespace)
	}
	return o.checkAddresses()
}

func (o options) checkAddresses() error {
	switch {
	case !isAddress(o.WebhookBindAddress):
		return fmt.Errorf("--webhook-bind-address is %q: want host:port or :port", o.WebhookBindAddress)
	case !isAddress(o.MetricsBindAddress) && o.MetricsBindAddress != "0":
		return fmt.Errorf("--metrics-bind-address is %q: want host:port, :port, or 0 for no metrics", o.MetricsBindAddress)
	case !isAddress(o.HealthProbeBindAddress):
		return fmt.Errorf("--health-probe-bind-address is %q: want host:port or :port", o.HealthProbeBindAddress)
	}
	return nil
}

func isAddress(s string) bool {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}

// restConfig says how to reach the API server.
func (o options) restConfig() (*rest.Config, error) {
	if o.Kubeconfig != "" {
		c, err := clientcmd.BuildConfigFromFlags("", o.Kubeconfig)
		if err != nil {
			return nil, fmt.Errorf("--kubeconfig: %w", err)
		}
		c.QPS = -1 // the API server's own fairness, as config.GetConfig has it, in place of five requests per second
		return c, nil
	}
	c, err := config.GetConfig()
	if err != nil {
		return nil, fmt.Errorf("no way to the API server: run in a pod, or set --kubeconfig or KUBECONFIG: %w", err)
	}
	return c, nil
}

// logger writes each line, however many there are at once: controller-runtime's own logger drops all but a hundred equal
// messages per second, and the log is where changes of rights are looked up. Objects are logged as their names.
func (o options) logger(stderr io.Writer, level zapcore.LevelEnabler) logr.Logger {
	config := zap.NewProductionEncoderConfig()
	config.EncodeTime = zapcore.RFC3339TimeEncoder
	encoder := zapcore.NewJSONEncoder(config)
	if o.LogFormat == "console" {
		encoder = zapcore.NewConsoleEncoder(config)
	}
	core := zapcore.NewCore(&kubezap.KubeAwareEncoder{Encoder: encoder}, zapcore.Lock(zapcore.AddSync(stderr)), level)
	return zapr.NewLogger(zap.New(core)) // no stack traces: an error says what it was about, and panics bring their own
}
