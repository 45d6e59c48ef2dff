// Package inspect answers a person's questions at a terminal: what is so in the three places ([Places.Status]), why a
// user is as they are ([Places.Why]), and what a sweep would change ([Places.Plan]). It reads, and changes nothing. What
// the operator would do is not decided here but by [preview.Preview].
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

// Places are the three places, as the operator with these settings sees them.
type Places struct {
	// Cluster reads FitUsers and the operator's own objects from the API server itself.
	Cluster   client.Client
	Namespace string
	// Clerk and Table are nil where they cannot be asked; Unasked then says why, a line for each setting.
	Clerk clerk.Directory
	// Table was opened with [store.Options.DryRun].
	Table   *store.DB
	Unasked error

	// SecretKey gives the key whose instance is checked, and InstanceID is CLERK_INSTANCE_ID.
	SecretKey  func() string
	InstanceID string

	Profile      fituser.ProfileMode
	MaxDeletions budget.MaxDeletions
	SyncPeriod   time.Duration
	Clock        clock.PassiveClock
}

// errUnasked is the answer where Clerk or the table is needed and cannot be asked.
func (p *Places) errUnasked() error {
	if p.Clerk != nil && p.Table != nil {
		return nil
	}
	return fmt.Errorf("clerk and the table cannot be asked: %s. Run this where the controller's settings are, such as in "+
		"kubectl -n %s exec deploy/fituser-controller -- /manager", strings.Join(p.unasked(), "; "), p.Namespace)
}

// unasked are the reasons why Clerk and the table cannot be asked, without the advice for whoever starts an operator.
func (p *Places) unasked() (reasons []string) {
	for line := range strings.Lines(p.Unasked.Error()) {
		reason := strings.TrimSpace(line)
		if setting, _, missing := strings.Cut(reason, " is not set: "); missing {
			reason = setting + " is not set"
		}
		reasons = append(reasons, reason)
	}
	return reasons
}

// newPreview returns a preview that reads FitUsers from reader; users returns how many there are.
func (p *Places) newPreview(reader client.Client, users func() int) *preview.Preview {
	operatorState := &state.Store{Client: p.Cluster, Namespace: p.Namespace}
	return preview.New(
		fituser.Config{
			Client: reader, Live: p.Cluster, Namespace: p.Namespace, Clerk: p.Clerk, Store: p.Table, Profile: p.Profile,
			Clock: p.Clock, LagTolerance: fituser.DefaultLagTolerance,
		},
		instance.Config{State: operatorState, Clerk: p.Clerk, Key: p.SecretKey, Expected: p.InstanceID, Clock: p.Clock},
		budget.Config{Max: p.MaxDeletions, Period: p.SyncPeriod, Users: users, Clock: p.Clock},
	)
}

// pageSize is how many FitUsers are read at a time.
const pageSize = 500

// eachFitUser reads all FitUsers, page by page.
func (p *Places) eachFitUser(ctx context.Context, see func(*v1alpha1.FitUser)) error {
	options := &client.ListOptions{Namespace: p.Namespace, Limit: pageSize}
	for {
		var page v1alpha1.FitUserList
		if err := p.Cluster.List(ctx, &page, options); err != nil {
			return fmt.Errorf("listing FitUsers: %w", err)
		}
		for i := range page.Items {
			see(&page.Items[i])
		}
		if options.Continue = page.Continue; options.Continue == "" {
			return nil
		}
	}
}

// find finds the user whom a person names by Clerk's id, by a FitUser's name, or by an e-mail address: a FitUser may show it,
// and where --status-profile hides it, Clerk knows it.
func (p *Places) find(ctx context.Context, who string) (user.ID, error) {
	if id, err := user.ParseID(who); err == nil {
		return id, nil
	}
	var found []user.ID
	if err := p.eachFitUser(ctx, func(u *v1alpha1.FitUser) {
		if u.Name == who || u.Status.Profile != nil && strings.EqualFold(u.Status.Profile.Email, who) {
			found = append(found, user.ID(u.Spec.ClerkUserID))
		}
	}); err != nil {
		return "", err
	}
	if len(found) == 0 && strings.Contains(who, "@") {
		var err error
		if found, err = p.Clerk.ByEmail(ctx, who); err != nil {
			return "", err
		}
	}
	slices.Sort(found)
	found = slices.Compact(found)
	switch {
	case len(found) == 0:
		return "", errors.New("nobody is found: name a user by Clerk's id (user_…), by the FitUser's name, or by an e-mail " +
			"address that Clerk has")
	case len(found) > 1:
		return "", fmt.Errorf("more than one user fits, name one by the id: %v", found)
	}
	return found[0], nil
}

// unlimited is for requests that another budget bounds.
func unlimited() *rate.Limiter { return rate.NewLimiter(rate.Inf, 1) }
