package main

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client/config"

	"github.com/fitai/fituser-operator/internal/budget"
	"github.com/fitai/fituser-operator/internal/settings"
	"github.com/fitai/fituser-operator/internal/user"
)

// options are the flags. Each is also read from the environment as FITUSER_ and its name in capitals; the flag wins. Names
// and defaults are a contract with manifests.
type options struct {
	Receiver   bool `default:"true" negatable:"" help:"Receive Clerk's webhooks."`
	Controller bool `default:"true" negatable:"" help:"Keep Clerk, the FitUsers and the users table in sync."`

	Namespace  string `short:"n" placeholder:"NAME" help:"Namespace of the FitUsers. Default: the pod's own, else default."`
	Kubeconfig string `placeholder:"FILE" help:"Kubeconfig file. Default: KUBECONFIG, else the pod's service account, else ~/.kube/config."`

	WebhookBindAddress     string `default:":8080" placeholder:"ADDR" help:"Address of the webhook server (default: ${default})."`
	WebhookCertPath        string `placeholder:"DIR" help:"Directory with tls.crt and tls.key, to receive webhooks over TLS. Default: plain HTTP, as TLS ends before the receiver."`
	MetricsBindAddress     string `default:":8443" placeholder:"ADDR" help:"Address of the metrics server; 0 turns it off (default: ${default})."`
	MetricsSecure          bool   `default:"true" negatable:"" help:"Serve metrics over TLS, to clients that the API server authorizes."`
	MetricsCertPath        string `placeholder:"DIR" help:"Directory with tls.crt and tls.key for the metrics. Default: a self-signed certificate."`
	HealthProbeBindAddress string `default:":8081" placeholder:"ADDR" help:"Address of /healthz and /readyz (default: ${default})."`

	LeaderElect    bool          `negatable:"" help:"Run the controller in one of several replicas only."`
	SyncPeriod     time.Duration `default:"10m" placeholder:"TIME" help:"Time between two sweeps, which compare all of Clerk, the FitUsers and the table (default: ${default})."`
	ClerkRateLimit float64       `default:"20" placeholder:"N" help:"Most requests to Clerk per second (default: ${default})."`
	MaxDeletions   string        `placeholder:"N" help:"Deletion budget: most rows deleted, roles revoked or lowered, and grants of the protected role in one sync period, as a number or a share, such as 50 or 10%. Default: 10, or 10% if that is more."`
	DeletionPolicy string        `default:"Delete" enum:"Delete, Retain, Anonymize" help:"What happens to the row of a user who is deleted in Clerk, unless the FitUser sets a policy: ${enum} (default: ${default})."`
	DeletionDelay  time.Duration `default:"0s" placeholder:"TIME" help:"How much later it happens. Until then, the user can return, and the row has the default role (default: ${default})."`
	CreateTable    bool          `negatable:"" help:"Create the users table if it does not exist."`
	TableConfig    string        `placeholder:"FILE" help:"Mapping file: which table holds the users, and what its columns are called; reloaded when it changes. Default: FitAI's own table, users."`
	StatusProfile  string        `default:"full" enum:"full, masked, none" help:"How much personal data a FitUser contains: ${enum} (default: ${default})."`
	Observe        bool          `negatable:"" help:"Only compare and report: write nothing to Clerk or to the users table."`

	OwnerID    string   `placeholder:"ID" help:"Owner id of this installation, which Clerk records beside each role that it grants. Default: generated once and kept in the operator state."`
	AdoptOwner []string `placeholder:"ID" help:"Owner ids of former installations, separated by commas: manifests take over the roles that they granted."`

	Roles         []string `default:"admin,trainer,client" placeholder:"ROLE" help:"Roles of the application, separated by commas, the most privileged first (default: ${default})."`
	DefaultRole   string   `default:"client" placeholder:"ROLE" help:"Role of users who are assigned no other (default: ${default})."`
	ProtectedRole string   `default:"admin" placeholder:"ROLE" help:"Role whose last holders keep it, and whose grants --max-deletions bounds; empty for none (default: ${default})."`
	MinProtected  int      `default:"1" placeholder:"N" help:"How many users always hold the protected role: a revocation that would leave fewer waits (default: ${default})."`

	LogLevel     string `default:"info" enum:"debug, info, error" help:"Log level: ${enum} (default: ${default})."`
	LogLevelFile string `placeholder:"FILE" help:"File that overrides --log-level while it exists; reloaded when it changes."`
	LogFormat    string `default:"json" enum:"json, console" help:"Format of the log: ${enum} (default: ${default})."`
}

// minSyncPeriod leaves time for a sweep to finish before the next one is due. Webhooks, and not sweeps, bring quick changes.
const minSyncPeriod = 10 * time.Second

// maxDeletionDelay is the longest time for which the row of a deleted user waits: a longer one is a mistake.
const maxDeletionDelay = 366 * 24 * time.Hour

// parts returns the parts of the operator that run in this process.
func (o options) parts() settings.Parts {
	return settings.Parts{Receiver: o.Receiver, Controller: o.Controller}
}

// check rejects values that kong accepts and the operator cannot use.
func (o options) check() error {
	switch {
	case !o.Receiver && !o.Controller:
		return errors.New("--receiver and --controller are both off: turn on one of them")
	case !(o.ClerkRateLimit > 0 && o.ClerkRateLimit <= 100): // written so that NaN is rejected too
		return fmt.Errorf("--clerk-rate-limit is %v: want more than 0, and at most 100, which is Clerk's limit", o.ClerkRateLimit)
	case o.SyncPeriod < minSyncPeriod:
		return fmt.Errorf("--sync-period is %s: want %s or more", o.SyncPeriod, minSyncPeriod)
	case o.DeletionDelay < 0 || o.DeletionDelay > maxDeletionDelay:
		return fmt.Errorf("--deletion-delay is %s: want 0s to %s, which is a year", o.DeletionDelay, maxDeletionDelay)
	}
	if _, err := budget.ParseMaxDeletions(o.MaxDeletions); err != nil {
		return fmt.Errorf("--max-deletions: %w", err)
	}
	if len(validation.IsDNS1123Label(o.Namespace)) > 0 {
		return fmt.Errorf("--namespace is %q: want a namespace's name, of lower-case letters, digits and hyphens", o.Namespace)
	}
	return cmp.Or(o.checkAddresses(), o.checkOwners(), o.checkRoles())
}

// ownerID is the form of an owner id. Clerk stores it in metadata, and a FitUser shows it in its status.
var ownerID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,63}$`)

func (o options) checkOwners() error {
	const want = "want 1 to 63 letters, digits, dots, hyphens and underscores"
	if o.OwnerID != "" && !ownerID.MatchString(o.OwnerID) {
		return fmt.Errorf("--owner-id is %q: %s", o.OwnerID, want)
	}
	for _, id := range o.adoptedOwners() {
		if !ownerID.MatchString(id) {
			return fmt.Errorf("--adopt-owner contains %q: %s, and commas between ids", id, want)
		}
	}
	return nil
}

// adoptedOwners returns the owner ids of former installations.
func (o options) adoptedOwners() []string { return trimmed(o.AdoptOwner) }

func (o options) checkRoles() error {
	if o.MinProtected < 0 {
		return fmt.Errorf("--min-protected is %d: want 0 or more", o.MinProtected)
	}
	_, err := o.roles()
	return err
}

// roles returns the roles of the application. It checks one flag after the other, so that an error names the wrong one.
func (o options) roles() (user.Roles, error) {
	names := trimmed(o.Roles)
	if len(names) == 0 {
		return user.Roles{}, errors.New("--roles is empty: list the application's roles, the most privileged first, such as admin,trainer,client")
	}
	if _, err := user.NewRoles(names, names[0], ""); err != nil {
		return user.Roles{}, fmt.Errorf("--roles: %w; list each role of the application once, with commas between them", err)
	}
	if _, err := user.NewRoles(names, o.DefaultRole, ""); err != nil {
		return user.Roles{}, fmt.Errorf("--default-role: %w: name one of --roles", err)
	}
	roles, err := user.NewRoles(names, o.DefaultRole, o.ProtectedRole)
	if err != nil {
		return user.Roles{}, fmt.Errorf("--protected-role: %w; name another one of --roles, or none with --protected-role=", err)
	}
	return roles, nil
}

// trimmed returns the items of a list without the white space around them.
func trimmed(items []string) []string {
	var list []string
	for _, item := range items {
		list = append(list, strings.TrimSpace(item))
	}
	return list
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

// restConfig returns how to reach the API server.
func (o options) restConfig() (*rest.Config, error) {
	if o.Kubeconfig != "" {
		c, err := clientcmd.BuildConfigFromFlags("", o.Kubeconfig)
		if err != nil {
			return nil, fmt.Errorf("--kubeconfig: %w", err)
		}
		c.QPS = -1 // as in config.GetConfig: the API server's own fairness limits us, and not five requests per second
		return c, nil
	}
	c, err := config.GetConfig()
	if err != nil {
		return nil, fmt.Errorf("no way to the API server: run in a pod, or set --kubeconfig or KUBECONFIG: %w", err)
	}
	return c, nil
}
