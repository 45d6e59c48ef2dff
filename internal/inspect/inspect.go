// Package inspect answers questions at a terminal: what is the state of Clerk, the FitUsers and the table
// ([Inspector.Status]), why is one user in that state ([Inspector.Why]), and what would a sweep change
// ([Inspector.Plan]). It only reads. What the operator would write is decided by [preview.Preview], not here.
//
// Read inspect.go first, then status.go, why.go and plan.go, one question each. The files *_text.go and text.go print
// the answers. The JSON keys of the answers are a contract with other programs: docs/questions.md lists them.
package inspect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/controllers/preview"
	"github.com/fitai/fituser-operator/internal/budget"
	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/instance"
	"github.com/fitai/fituser-operator/internal/state"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// Inspector reads the cluster, Clerk and the table with the operator's settings.
type Inspector struct {
	// Cluster reads FitUsers and the operator's own objects from the API server, without a cache.
	Cluster   client.Client
	Namespace string
	// Clerk and Table are nil when their settings are missing. Unavailable then has one line per missing setting.
	Clerk clerk.Directory
	// Table was opened with [store.Options.DryRun].
	Table       *store.DB
	Unavailable error

	// SecretKey returns the key whose instance is checked. InstanceID is CLERK_INSTANCE_ID.
	SecretKey  func() string
	InstanceID string

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
		reasons = append(reasons, reason)
	}
	return reasons
}

// newPreview returns a preview that reads FitUsers from reader. users returns how many there are.
func (i *Inspector) newPreview(reader client.Client, users func() int) *preview.Preview {
	return preview.New(
		fituser.Config{
			Client: reader, Live: i.Cluster, Namespace: i.Namespace, Clerk: i.Clerk, Store: i.Table, Profile: i.Profile,
			Clock: i.Clock, LagTolerance: fituser.DefaultLagTolerance,
		},
		instance.Config{State: i.state(), Clerk: i.Clerk, Key: i.SecretKey, Expected: i.InstanceID, Clock: i.Clock},
		budget.Config{Max: i.MaxDeletions, Period: i.SyncPeriod, Users: users, Clock: i.Clock},
	)
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

// find returns the user with a Clerk id, a FitUser's name, or an e-mail address. An address is looked up in the FitUsers
// and, where --status-profile hides it there, in Clerk.
func (i *Inspector) find(ctx context.Context, name string) (user.ID, error) {
	if id, err := user.ParseID(name); err == nil {
		return id, nil
	}
	var found []user.ID
	if err := i.eachFitUser(ctx, func(u *v1alpha1.FitUser) {
		if u.Name == name || u.Status.Profile != nil && strings.EqualFold(u.Status.Profile.Email, name) {
			found = append(found, user.ID(u.Spec.ClerkUserID))
		}
	}); err != nil {
		return "", err
	}
	if len(found) == 0 && strings.Contains(name, "@") {
		var err error
		if found, err = i.Clerk.ByEmail(ctx, name); err != nil {
			return "", err
		}
	}
	slices.Sort(found)
	found = slices.Compact(found)
	switch {
	case len(found) == 0:
		return "", errors.New("no user found: name one by Clerk id (user_…), by FitUser name, or by an e-mail address " +
			"that Clerk has")
	case len(found) > 1:
		return "", fmt.Errorf("several users match, name one by Clerk id: %v", found)
	}
	return found[0], nil
}

// unlimited returns a limiter for requests that Clerk's own limiter bounds.
func unlimited() *rate.Limiter { return rate.NewLimiter(rate.Inf, 1) }
