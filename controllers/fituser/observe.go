package fituser

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/user"
)

var (
	errStaleRead = errors.New("the FitUser was read before its latest change")
	errDeleted   = errors.New("the FitUser was deleted after it was read")
)

// observation is what one reconcile read about a user. Steps do not modify it but return a new one; only finish sets the
// statuses of its FitUsers.
type observation struct {
	id  user.ID
	now time.Time
	log logr.Logger
	// swept is true when the sweep requested the reconcile: differences found now are drift.
	swept    bool
	fitUsers fitusers.Set
	hint     v1alpha1.Hint
	// account is the user in Clerk; nil when Clerk was not read or has no such user.
	account *user.User
	// deletedInClerk is true when Clerk answered 404 for this very id.
	deletedInClerk bool
	// currentRole is the role in force now, rolePlan the change that the active FitUser desires.
	currentRole, rolePlan user.RolePlan
}

// desiredRole is spec.role of the active FitUser.
func (o observation) desiredRole() user.Role {
	if o.fitUsers.Active == nil {
		return ""
	}
	return user.Role(o.fitUsers.Active.Spec.Role)
}

// withAccount returns o with the user in Clerk, and the role plan that follows.
func (o observation) withAccount(account *user.User) observation {
	o.account = account
	facts := account.RoleFacts(o.desiredRole())
	o.currentRole, o.rolePlan = facts.Observed(), facts.Plan()
	return o
}

// withActive returns o with a FitUser that was just created for the user.
func (o observation) withActive(created *v1alpha1.FitUser) observation {
	o.fitUsers.Active = created
	return o.withAccount(o.account)
}

// observeFitUsers reads the user's FitUsers and the merged hint.
func (r *Reconciler) observeFitUsers(ctx context.Context, id user.ID) (observation, error) {
	swept := r.swept.remove(id)
	found, err := r.readFitUsers(ctx, id)
	if err != nil {
		return observation{}, err
	}
	return observation{
		id: id, now: r.Clock.Now(), log: logf.FromContext(ctx).WithValues("user", id), swept: swept,
		fitUsers: found, hint: found.Hint(),
	}, nil
}

func (r *Reconciler) readFitUsers(ctx context.Context, id user.ID) (fitusers.Set, error) {
	found, err := fitusers.Read(ctx, r.Client, r.Client, r.Namespace, id)
	return fitusers.Select(found), err
}

// observeClerk reads the user from Clerk. Only Clerk's own 404 for this very id means that the user is deleted.
func (r *Reconciler) observeClerk(ctx context.Context, obs observation) (observation, error) {
	if err := r.Instance.Check(ctx); err != nil {
		return obs, err
	}
	account, err := r.Clerk.Get(ctx, obs.id)
	switch {
	case err == nil:
		return obs.withAccount(&account), nil
	case clerk.KindOf(err) == clerk.NotFound:
		// The request may have waited, and the key may have changed meanwhile.
		if err := r.Instance.Check(ctx); err != nil {
			return obs, err
		}
		obs.deletedInClerk = true
		return obs, nil
	default:
		return obs, err
	}
}

const (
	minLagDelay = 500 * time.Millisecond
	maxLagDelay = 5 * time.Second
)

// readLag returns how long to wait before Clerk is read again, because its answer does not contain its own event yet; 0
// when it does, or when the event is too old to wait any longer.
func (r *Reconciler) readLag(obs observation) time.Duration {
	age := obs.now.Sub(obs.hint.OccurredAt())
	// An event from the future comes from a wrong clock or an attacker: its time is not waited for.
	if !contradicts(obs.hint, obs.account) || age.Abs() >= r.LagTolerance {
		return 0
	}
	return min(max(age, minLagDelay), maxLagDelay, r.LagTolerance-age+time.Millisecond)
}

// contradicts reports whether Clerk's answer (nil: no such user) is older than the event of the hint.
func contradicts(hint v1alpha1.Hint, account *user.User) bool {
	switch hint.Type {
	case v1alpha1.UserDeleted:
		return account != nil && account.UpdatedAt.UnixMilli() <= hint.UserUpdatedAt
	case "":
		return false
	default:
		return account == nil || account.UpdatedAt.UnixMilli() < hint.UserUpdatedAt
	}
}

// verifyLive makes sure, before a row is deleted or a role is changed, that the FitUsers are as the cache has them: the
// cache may lag behind, and a wrong write would stay until somebody notices. The error is a conflict when they differ.
func (r *Reconciler) verifyLive(ctx context.Context, obs observation) error {
	live, err := fitusers.Live(ctx, r.Live, r.Namespace, obs.id)
	if err != nil {
		return fmt.Errorf("verifying live: %w", err)
	}
	if !maps.Equal(revisions(live), revisions(obs.fitUsers.All())) {
		return apierrors.NewConflict(fitusers.Resource(), string(obs.id), errStaleRead)
	}
	return nil
}

// revision is the part of a FitUser that decides.
type revision struct {
	generation        int64 // increases with the spec, and when the deletion begins
	managedByOperator bool
}

func revisions(found []*v1alpha1.FitUser) map[types.UID]revision {
	all := map[types.UID]revision{}
	for _, u := range found {
		all[u.UID] = revision{u.Generation, u.ManagedByOperator()}
	}
	return all
}
