package fituser

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/user"
)

// roleResult is the role in force after the role step.
type roleResult struct {
	// account is the user as Clerk holds it now.
	account *user.User
	// inForce is the role that Clerk holds: the row follows Clerk, never a desired role that is not written yet.
	inForce user.RolePlan
	// revoked is true when this reconcile revoked a role.
	revoked bool
	// requeueAfter is 0, or when to continue and what is waited for.
	requeueAfter time.Duration
	waiting      string
}

// reconcileRole grants or revokes the role in Clerk. The error is a [syncError], or a conflict.
func (r *Reconciler) reconcileRole(ctx context.Context, obs observation) (roleResult, error) {
	res, err := r.applyRole(ctx, obs)
	pending := obs.policy.Plan(obs.factsOf(res.account)).Change == user.RevokeRole
	r.Metrics.pendingRevocations.set(obs.id, pending)
	return res, err
}

func (r *Reconciler) applyRole(ctx context.Context, obs observation) (roleResult, error) {
	unchanged := roleResult{account: obs.account, inForce: obs.currentRole}
	active, plan := obs.fitUsers.Active, obs.rolePlan
	switch {
	case !obs.knows(obs.facts.Desired):
		return unchanged, unknownRole(obs.facts.Desired)
	case plan.OwnedElsewhere:
		return unchanged, ownedElsewhere(obs)
	case plan.Change == user.NoRoleChange:
		unchanged.inForce = plan
		return unchanged, obs.addressChangedHands()
	case r.suppresses(active):
		return unchanged, r.suppressed(active, describeRoleChange(obs))
	case plan.Source != user.FromManifest:
		if unchanged.requeueAfter = r.remainingGrace(obs); unchanged.requeueAfter > 0 {
			unchanged.waiting = "the manifest that granted the role was deleted a moment ago and may be replaced"
			return unchanged, nil
		}
	}
	if err := r.verifyRoleChange(ctx, obs); err != nil {
		return unchanged, err
	}
	release, err := r.allowRoleChange(ctx, obs)
	if err != nil {
		return unchanged, err
	}
	defer release()
	res, err := r.writeRole(ctx, obs)
	if err != nil {
		return res, err
	}
	return res, obs.addressChangedHands()
}

func (r *Reconciler) verifyRoleChange(ctx context.Context, obs observation) error {
	byRule := obs.rolePlan.Source == user.FromRule || obs.facts.Marker.Rule != ""
	if byRule && obs.facts.Desired == "" {
		return r.verifyKnownLive(ctx, obs)
	}
	return r.verifyLive(ctx, obs)
}

func (r *Reconciler) writeRole(ctx context.Context, obs observation) (roleResult, error) {
	change := obs.rolePlan.Change
	r.Metrics.driftFound(obs, PlaceClerk, driftRole)
	written, err := r.Clerk.WriteRole(ctx, obs.id, change, obs.rolePlan.Marker)
	if err != nil {
		failure := clerkError(err)
		if change == user.RevokeRole {
			failure = failure.revocationPending(v1alpha1.Role(obs.currentRole.Role))
		}
		return roleResult{account: obs.account, inForce: obs.currentRole}, failure
	}
	r.Metrics.roleWrites.WithLabelValues(change.String()).Inc()
	obs.log.Info("Role written to Clerk", "change", change.String())
	r.announceOverride(obs)
	res := roleResult{account: &written, revoked: change == user.RevokeRole}
	facts := obs.factsOf(&written)
	if res.inForce = obs.policy.Plan(facts); res.inForce.Change != user.NoRoleChange {
		// Somebody else wrote the metadata at the same moment.
		res.inForce, res.requeueAfter, res.waiting = obs.policy.Observed(facts), time.Second, "somebody else changed the role in Clerk"
		return res, nil
	}
	r.Metrics.driftRepaired(obs, PlaceClerk, driftRole)
	return res, nil
}

// knows reports whether a desired role, empty for none, is one of the operator's.
func (o observation) knows(role user.Role) bool {
	_, known := o.policy.Roles.Parse(string(role))
	return known || role == ""
}

func unknownRole(role user.Role) *syncError {
	return &syncError{
		reason: v1alpha1.ReasonUnknownRole, stalled: true,
		message: fmt.Sprintf("the operator does not know spec.role %q (--roles); the role in Clerk is not changed", role),
	}
}

func ownedElsewhere(obs observation) *syncError {
	owner := "an installation that its marker does not name"
	if obs.facts.Marker.Owner != "" {
		owner = "the installation " + obs.facts.Marker.Owner
	}
	return &syncError{
		reason: v1alpha1.ReasonOwnedElsewhere, stalled: true,
		message: fmt.Sprintf("the role %q of this user was granted by %s, so it is not changed. To take the user over, annotate "+
			"this FitUser with %s=true", obs.facts.Current, owner, v1alpha1.AnnotationTakeOwnership),
	}
}

// describeRoleChange is what the plan would do, as the end of a sentence.
func describeRoleChange(obs observation) string {
	switch obs.rolePlan.Change {
	case user.GrantRole:
		return fmt.Sprintf("grant the role %s in Clerk", obs.rolePlan.Role)
	case user.RevokeRole:
		return fmt.Sprintf("revoke the role %s in Clerk", obs.currentRole.Role)
	case user.RemoveMarker:
		return "remove the marker in Clerk"
	case user.NoRoleChange:
	}
	return "change nothing in Clerk"
}

// grantorDeleted reports whether a role that nobody desires was granted by a FitUser that is deleted since. The operator
// creates its own FitUser in its place, and no person has edited that one (only an edit increases the generation).
func grantorDeleted(active *v1alpha1.FitUser) bool {
	return active != nil && active.ManagedByOperator() && active.Generation == 1
}

// remainingGrace returns how long a role that a manifest granted, and none desires any more, is kept, because the manifest
// was deleted a moment ago and may be replaced. The time of the deletion is in the cluster: a terminating FitUser's
// deletionTimestamp, or the creationTimestamp of the operator's FitUser, which is created at once in its place, or now
// for a duplicate that has just become active. A role that a person cleared is not kept.
func (r *Reconciler) remainingGrace(obs observation) time.Duration {
	if !obs.facts.HasMarker || obs.facts.Marker.Rule != "" {
		return 0
	}
	var deleted time.Time
	switch active := obs.fitUsers.Active; {
	case obs.expired(active):
		return 0
	case grantorDeleted(active):
		deleted = active.CreationTimestamp.Time
	case ReadyReason(active) == v1alpha1.ReasonDuplicateUser:
		deleted = obs.now
	}
	for _, u := range obs.fitUsers.Terminating {
		if u.Spec.Role != "" && u.DeletionTimestamp.After(deleted) {
			deleted = u.DeletionTimestamp.Time
		}
	}
	remaining := deleted.Add(r.RevocationGrace).Sub(obs.now)
	return min(max(0, remaining), r.RevocationGrace) // clocks may differ
}

// pendingRevocation returns the role that a manifest granted and none desires any more, according to the statuses: it is
// known also while Clerk cannot be read.
func pendingRevocation(set fitusers.Set) (granted v1alpha1.Role, pending bool) {
	if set.Active == nil || set.Active.Spec.Role != "" {
		return "", false
	}
	all := set.All()
	i := slices.IndexFunc(all, func(u *v1alpha1.FitUser) bool { return u.Status.RoleSource == v1alpha1.RoleSource(user.FromManifest) })
	if i < 0 {
		return "", false
	}
	return all[i].Status.Role, true
}
