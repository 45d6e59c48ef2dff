// Package inspect answers questions at a terminal: what is the state of Clerk, the FitUsers and the table
// ([Inspector.Status]), why is one user in that state ([Inspector.Why]), what would a sweep change ([Inspector.Plan]), how
// did a user's role change ([Inspector.History]), and who holds a role ([Inspector.AccessReview]). [TableQuestion] compares the
// table with its mapping. [Inspector.Export] turns the roles in Clerk into manifests. It only reads. What the operator would
// write is decided by [preview.Preview], not here.
//
// Read inspect.go first, then one file per question: status.go, why.go, plan.go, table.go, history.go, review.go and
// export.go. The files *_text.go and text.go print the answers. The JSON keys of the answers are a contract with other
// programs: docs/questions.md lists them.
package inspect

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/budget"
	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/state"
	"github.com/fitai/fituser-operator/internal/store"
)

// Inspector reads the cluster, Clerk and the table with the operator's settings.
type Inspector struct {
	// Cluster reads FitUsers and the operator's own objects from the API server, without a cache.
	Cluster   client.Client
	Namespace string
	// Clerk and Table are nil when their settings are missing. Unavailable then has one line per missing setting.
	Clerk clerk.Client
	// Table was opened with [store.Options.DryRun].
	Table       *store.DB
	Unavailable error

	// SecretKey returns the key whose instance is checked. InstanceID is CLERK_INSTANCE_ID.
	SecretKey  func() string
	InstanceID string

	// Roles is what roles are decided by; MinProtected is --min-protected, Observe --observe.
	Roles        fituser.RoleConfig
	MinProtected int
	Observe      bool
	// DeletionPolicy is --deletion-policy, DeletionDelay --deletion-delay.
	DeletionPolicy v1alpha1.DeletionPolicy
	DeletionDelay  time.Duration

	Profile      fituser.ProfileMode
	MaxDeletions budget.MaxDeletions
	SyncPeriod   time.Duration
	Clock        clock.PassiveClock
}

// checkAvailable returns an error when Clerk or the table has no settings.
func (i *Inspector) checkAvailable() error {
	if i.Clerk != nil && i.Table != nil {
		return nil
	}
	return fmt.Errorf("this command reads Clerk and the table: %s. Run it with the controller's settings, for example "+
		"kubectl -n %s exec deploy/fituser-controller -- /manager", strings.Join(i.unavailable(), "; "), i.Namespace)
}

// unavailable returns why Clerk and the table cannot be read, without the advice for starting an operator.
func (i *Inspector) unavailable() (reasons []string) {
	for line := range strings.Lines(i.Unavailable.Error()) {
		reason := strings.TrimSpace(line)
		if setting, _, missing := strings.Cut(reason, " is not set: "); missing {
			reason = setting + " is not set"
		}
		if last := len(reasons) - 1; last >= 0 && strings.HasPrefix(reason, "line ") { // a fault in a file that the reason before names
			file, isFirst := strings.CutSuffix(reasons[last], ":")
			reasons[last] = file + map[bool]string{true: ": ", false: "; "}[isFirst] + reason
			continue
		}
		reasons = append(reasons, reason)
	}
	return reasons
}

func (i *Inspector) state() *state.Store {
	return &state.Store{Client: i.Cluster, Namespace: i.Namespace}
}

// pageSize is how many FitUsers one request reads.
const pageSize = 500

// eachFitUser calls visit with every FitUser, read page by page.
func (i *Inspector) eachFitUser(ctx context.Context, visit func(*v1alpha1.FitUser)) error {
	options := &client.ListOptions{Namespace: i.Namespace, Limit: pageSize}
	for {
		var page v1alpha1.FitUserList
		if err := i.Cluster.List(ctx, &page, options); err != nil {
			return fmt.Errorf("listing FitUsers: %w", err)
		}
		for n := range page.Items {
			visit(&page.Items[n])
		}
		if options.Continue = page.Continue; options.Continue == "" {
			return nil
		}
	}
}

// unlimited returns a limiter for requests that Clerk's own limiter bounds.
func unlimited() *rate.Limiter { return rate.NewLimiter(rate.Inf, 1) }
