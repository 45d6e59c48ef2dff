package fituser

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/state"
	"github.com/fitai/fituser-operator/internal/user"
)

// allowRoleChange asks the rails whether the planned role change may be made now: the last holders of the protected role
// keep it, and the deletion budget bounds how many users lose privileges or get the protected role. The caller calls
// release once the change is written. The error is a [syncError].
func (r *Reconciler) allowRoleChange(ctx context.Context, obs observation) (release func(), err error) {
	release, err = r.guardProtectedRole(ctx, obs)
	if err != nil {
		return nil, err
	}
	if chargesBudget(obs) {
		what := fmt.Sprintf("changing the role from %s to %s", obs.currentRole.Role, obs.rolePlan.Role)
		if err := r.allowDeletion(ctx, obs, what); err != nil {
			release()
			return nil, err
		}
	}
	return release, nil
}

// chargesBudget reports whether the planned role change counts against the deletion budget: it takes privileges away
// or grants the protected role. An expiry does not count, because a person dated it.
func chargesBudget(obs observation) bool {
	before, after, roles := obs.currentRole.Role, obs.rolePlan.Role, obs.policy.Roles
	switch {
	case before == after:
		return false
	case after == roles.Protected():
		return true
	default:
		return roles.Lower(after, before) && !obs.revokesExpired()
	}
}

// allowDeletion asks the budget whether one more row may be deleted, or role lowered, in this period.
func (r *Reconciler) allowDeletion(ctx context.Context, obs observation, what string) error {
	allowed, err := r.Budget.Allow(ctx, obs.id)
	switch {
	case err != nil:
		return &syncError{
			reason: v1alpha1.ReasonDeletionDeferred, cause: err,
			message: what + " waits: the ConfigMap " + state.ConfigMapName + " cannot be read or written",
		}
	case !allowed:
		return &syncError{
			reason: v1alpha1.ReasonDeletionDeferred, stalled: true,
			message: fmt.Sprintf("%s is deferred: the deletion budget of this period (--max-deletions) is spent. If the changes are "+
				"intended, annotate the ConfigMap %s with %s=true", what, state.ConfigMapName, state.AnnotationAllowDeletions),
		}
	default:
		return nil
	}
}

// guardProtectedRole makes sure that enough other users hold the protected role before one user loses it. Until release is
// called no other user can lose it, so that several at once do not rely on each other.
func (r *Reconciler) guardProtectedRole(ctx context.Context, obs observation) (release func(), err error) {
	protected := obs.policy.Roles.Protected()
	loses := obs.currentRole.Role == protected && obs.rolePlan.Role != protected
	overridden := obs.fitUsers.Active.Annotations[v1alpha1.AnnotationAllowLastAdmin] == "true"
	if protected == "" || r.MinProtected == 0 || !loses || overridden {
		return func() {}, nil
	}
	select {
	case r.protectedRole <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for another change of the role %s: %w", protected, ctx.Err())
	}
	release = func() { <-r.protectedRole }
	enough, err := r.othersHold(ctx, obs.id, protected)
	if err == nil && !enough {
		err = lastAdmin(obs, r.MinProtected)
	}
	if err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// othersHold reports whether MinProtected users other than id hold the role. The FitUsers name the candidates; Clerk is
// asked, because a FitUser may be about to change. A banned user cannot use the role and does not count.
func (r *Reconciler) othersHold(ctx context.Context, id user.ID, role user.Role) (bool, error) {
	var list v1alpha1.FitUserList
	err := r.Live.List(ctx, &list, client.InNamespace(r.Namespace), client.MatchingFields{v1alpha1.FieldObservedRole: string(role)})
	if err != nil {
		return false, fmt.Errorf("listing who holds the role %s: %w", role, err)
	}
	asked, holders := map[user.ID]bool{id: true, "": true}, 0
	for i := range list.Items {
		other := user.ID(list.Items[i].UserID())
		if asked[other] {
			continue
		}
		asked[other] = true
		account, err := r.Clerk.Get(ctx, other)
		if err == nil && account.Role == string(role) && !account.Banned && !account.Deprovisioned {
			if holders++; holders >= r.MinProtected {
				return true, nil
			}
		}
	}
	return false, nil
}

func lastAdmin(obs observation, minimum int) *syncError {
	role := obs.currentRole.Role
	return &syncError{
		reason: v1alpha1.ReasonLastAdmin, stalled: true, retryAfter: lastAdminRetry,
		message: fmt.Sprintf("the user keeps the role %s: fewer than %d other users hold it (--min-protected). Grant it to another user "+
			"first, or annotate this FitUser with %s=true", role, minimum, v1alpha1.AnnotationAllowLastAdmin),
	}
}
