package fituser

import (
	"context"
	"errors"
	"fmt"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// reconcileDeleted reconciles a user that is deleted in Clerk. The row is deleted if the FitUser desires it and a status
// records that the user was seen in Clerk. Operator-managed FitUsers are deleted; a user-managed one stays and reports.
func (r *Reconciler) reconcileDeleted(ctx context.Context, obs observation) (result, error) {
	r.Metrics.pendingRevocations.set(obs.id, false)
	if obs.fitUsers.Active == nil {
		r.rowsAwaitingStatus.Delete(obs.id)
		return result{}, nil
	}
	retained, err := r.reconcileDeletedRow(ctx, obs)
	row, err := asSyncError(err)
	if err != nil {
		return result{}, err
	}
	return result{clerk: userNotFound(), row: row, rowRetained: retained}, nil
}

func userNotFound() *syncError {
	return &syncError{
		reason: v1alpha1.ReasonUserNotFound, stalled: true,
		message: "Clerk has no user with this id: check it, or wait until the user has signed up",
	}
}

func (r *Reconciler) reconcileDeletedRow(ctx context.Context, obs observation) (retained bool, err error) {
	spec := obs.fitUsers.Active.Spec
	switch {
	case !r.everObserved(obs):
		return false, nil
	case !r.suppresses(obs.fitUsers.Active) && spec.DeletionPolicy == v1alpha1.DeletionPolicyRetain:
		return true, nil
	}
	if _, err := r.Store.Get(ctx, obs.id); errors.Is(err, store.ErrNotFound) {
		return false, nil
	} else if err != nil {
		return false, storeError(err)
	}
	if active := obs.fitUsers.Active; r.suppresses(active) {
		return false, r.suppressed(active, "delete the row")
	}
	return false, r.deleteRow(ctx, obs)
}

// deleteRow deletes the row, if the FitUsers are still as they were read and the budget allows it.
func (r *Reconciler) deleteRow(ctx context.Context, obs observation) error {
	if err := r.verifyLive(ctx, obs); err != nil {
		return err
	}
	if err := r.allowDeletion(ctx, obs, "the user is deleted in Clerk, and deleting the row"); err != nil {
		return err
	}
	deleted, err := r.Store.Delete(ctx, obs.id)
	if err != nil {
		return storeError(err)
	}
	r.rowsAwaitingStatus.Delete(obs.id)
	if !deleted {
		return nil
	}
	obs.log.Info("Row deleted")
	r.Metrics.rowWrites.WithLabelValues(rowDelete).Inc()
	r.observeEvent(obs)
	if obs.swept && obs.hint.Type != v1alpha1.UserDeleted {
		r.Metrics.WebhookMissed(v1alpha1.UserDeleted)
	}
	return nil
}

// everObserved reports whether the operator has seen the user in Clerk. A status records it; between the write of the row
// and the status it is only remembered, because that status may be refused: the user may be deleted at that moment.
func (r *Reconciler) everObserved(obs observation) bool {
	_, awaiting := r.rowsAwaitingStatus.Load(obs.id)
	return awaiting || obs.fitUsers.EverObserved()
}

// requeueDeletedHolder requests a reconcile of a user that is deleted in Clerk and whose row holds another user's
// address, so that the row is treated under its own FitUser's policy first.
func (r *Reconciler) requeueDeletedHolder(ctx context.Context, holder user.ID, theirs observation) error {
	active := theirs.fitUsers.Active
	if active == nil || !r.everObserved(theirs) {
		return emailConflict(holder, "which is orphaned: it has no Clerk user and no FitUser")
	}
	if active.Spec.DeletionPolicy == v1alpha1.DeletionPolicyRetain {
		return emailConflict(holder, "which outlives its user because of deletionPolicy: Retain")
	}
	if err := r.Enqueue(ctx, holder); err != nil {
		return &syncError{reason: v1alpha1.ReasonRowPending, message: "waiting for another row", cause: err}
	}
	err := fmt.Errorf("the row of %s holds the address: that user is deleted in Clerk, and the row is deleted first", holder)
	return &syncError{reason: v1alpha1.ReasonRowPending, message: err.Error(), cause: err}
}
