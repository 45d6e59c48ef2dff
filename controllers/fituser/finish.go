package fituser

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
)

// finish updates the statuses, deletes redundant FitUsers and returns when to requeue. The statuses come first, so that
// createdAt is on the new active FitUser before the one that carried it is deleted.
func (r *Reconciler) finish(ctx context.Context, obs observation, res result) (Requeue, error) {
	redundant := redundantFitUsers(obs, res)
	if len(redundant) > 0 && !obs.deletedInClerk { // for a deleted user no operator-managed FitUser is needed in any case
		if err := r.verifyLive(ctx, obs); err != nil {
			return requeueOnConflict(err)
		}
	}
	if err := r.updateStatuses(ctx, obs, res, redundant); err != nil {
		return requeueOnConflict(err)
	}
	for _, u := range redundant {
		if err := r.deleteFitUser(ctx, obs, u); err != nil {
			return requeueOnConflict(err)
		}
	}
	return res.requeue()
}

// redundantFitUsers returns the operator-managed FitUsers that may be deleted: duplicates, and the active one once the
// user is deleted in Clerk and the row is reconciled. It returns none while Clerk is unreachable.
func redundantFitUsers(obs observation, res result) []*v1alpha1.FitUser {
	var candidates []*v1alpha1.FitUser
	switch {
	case obs.deletedInClerk && obs.fitUsers.Active != nil && res.rowDone():
		candidates = append([]*v1alpha1.FitUser{obs.fitUsers.Active}, obs.fitUsers.Duplicates...)
	case obs.deletedInClerk, obs.account != nil:
		candidates = obs.fitUsers.Duplicates
	}
	return slices.DeleteFunc(slices.Clone(candidates), func(u *v1alpha1.FitUser) bool { return !u.ManagedByOperator() })
}

// deleteFitUser deletes exactly the object that was read: if it has changed since, the API server returns a conflict.
func (r *Reconciler) deleteFitUser(ctx context.Context, obs observation, u *v1alpha1.FitUser) error {
	err := r.Client.Delete(ctx, u, client.Preconditions{UID: &u.UID, ResourceVersion: &u.ResourceVersion})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting FitUser %s: %w", u.Name, err)
	}
	if err == nil {
		obs.log.Info("FitUser deleted", "name", u.Name)
	}
	return nil
}

// updateStatuses patches the status of the user's FitUsers where it differs. It skips redundant FitUsers, which are about
// to be deleted, and terminating ones.
func (r *Reconciler) updateStatuses(ctx context.Context, obs observation, res result, redundant []*v1alpha1.FitUser) error {
	active := obs.fitUsers.Active
	if active == nil {
		return nil
	}
	if !slices.Contains(redundant, active) && !brieflyThrottled(active, res) {
		if err := r.updateActiveStatus(ctx, obs, res); err != nil {
			return err
		}
	}
	for _, u := range obs.fitUsers.Duplicates {
		if slices.Contains(redundant, u) {
			continue
		}
		status := duplicateStatus(obs, u)
		if releases(obs, res, u) {
			status = releasedStatus(obs, u)
		}
		if err := r.patchStatus(ctx, obs, u, status); err != nil {
			return err
		}
	}
	// Last: until another FitUser records that the user was seen in Clerk, these are the only ones that do.
	for _, u := range obs.fitUsers.Released {
		if err := r.patchStatus(ctx, obs, u, releasedStatus(obs, u)); err != nil {
			return err
		}
	}
	return nil
}

// releases reports whether a manifest by address is released from a user who is deleted in Clerk. The active one is kept until
// the row is done, because its deletion policy applies; for a row that waits, another FitUser becomes active. A manifest whose address another user holds is in
// [fitusers.Set.Released].
func releases(obs observation, res result, u *v1alpha1.FitUser) bool {
	return obs.deletedInClerk && u.Spec.Email != "" && (res.rowDone() || u != obs.fitUsers.Active)
}

func (r *Reconciler) updateActiveStatus(ctx context.Context, obs observation, res result) error {
	if releases(obs, res, obs.fitUsers.Active) {
		return r.patchStatus(ctx, obs, obs.fitUsers.Active, releasedStatus(obs, obs.fitUsers.Active))
	}
	status := desiredStatus(obs, res, r.Profile)
	change := r.roleChangeOf(ctx, obs, res, status)
	status.RoleHistory = change.addTo(obs.roleHistory(), obs.now)
	expired := status.RoleExpiredAt != nil && !status.RoleExpiredAt.Equal(obs.fitUsers.Active.Status.RoleExpiredAt)
	if err := r.patchStatus(ctx, obs, obs.fitUsers.Active, status); err != nil {
		return err
	}
	if obs.account != nil {
		r.rowsAwaitingStatus.Delete(obs.id)
	}
	r.announceRoleChange(obs, change)
	if expired {
		r.announceExpiry(obs)
	}
	return nil
}

// maxUnreportedThrottle is the longest throttling that is not worth a status write when there is a status already: while Clerk throttles
// everybody, a write for each waiting user would make things worse.
const maxUnreportedThrottle = 30 * time.Second

func brieflyThrottled(active *v1alpha1.FitUser, res result) bool {
	return res.clerk != nil && res.clerk.reason == v1alpha1.ReasonClerkThrottled && res.clerk.retryAfter <= maxUnreportedThrottle &&
		meta.FindStatusCondition(active.Status.Conditions, v1alpha1.ConditionReady) != nil
}

// statusTries is how often a status is written when others change the object at the same moment.
const statusTries = 3

// patchStatus writes the status if it differs. The patch carries the resourceVersion, so that it never lands on another
// object of the same name, nor on one whose spec or hint has changed since. Any other change, such as a label, is no
// reason to read Clerk again.
func (r *Reconciler) patchStatus(ctx context.Context, obs observation, u *v1alpha1.FitUser, status v1alpha1.FitUserStatus) error {
	if statusEqual(u, status) {
		return nil
	}
	before := u.DeepCopy()
	u.Status = status
	u.Status.ObservedHint = obs.hint.MessageID
	u.Status.LastChangeTime = &metav1.Time{Time: obs.now}
	write := func() error {
		patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
		return r.Client.Status().Patch(ctx, u, patch)
	}
	err := write()
	for try := 1; try < statusTries && apierrors.IsConflict(err) && r.onlyMetadataChanged(ctx, before); try++ {
		u.ResourceVersion = before.ResourceVersion
		err = write()
	}
	if err != nil {
		return fmt.Errorf("writing the status of FitUser %s: %w", u.Name, notFoundAsConflict(err, u.Name))
	}
	if u == obs.fitUsers.Active && before.Status.ObservedGeneration > 0 {
		r.Metrics.driftFound(obs, PlaceFitUser, driftStatus)
		r.Metrics.driftRepaired(obs, PlaceFitUser, driftStatus)
	}
	return nil
}

// onlyMetadataChanged reports whether an object changed since it was read in nothing that a reconcile depends on, and
// adopts its new resourceVersion.
func (r *Reconciler) onlyMetadataChanged(ctx context.Context, u *v1alpha1.FitUser) bool {
	latest := &v1alpha1.FitUser{}
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(u), latest); err != nil {
		return false
	}
	if latest.UID != u.UID || relevantChange(u, latest) || !statusEqual(latest, u.Status) {
		return false
	}
	u.ResourceVersion = latest.ResourceVersion
	return true
}

func statusEqual(u *v1alpha1.FitUser, status v1alpha1.FitUserStatus) bool {
	return equality.Semantic.DeepEqual(u.Status, status)
}
