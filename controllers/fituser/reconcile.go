package fituser

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/user"
)

// Requeue is when and why a user is reconciled again without a new event.
type Requeue struct {
	// After is the delay; 0 means that nothing is scheduled.
	After time.Duration
	// Waiting is what the reconcile waits for; empty when After is 0.
	Waiting string
}

// conflictDelay is how long to wait after somebody else changed an object at the same moment.
const conflictDelay = 200 * time.Millisecond

// Reconcile implements reconcile.TypedReconciler.
func (r *Reconciler) Reconcile(ctx context.Context, id user.ID) (reconcile.Result, error) {
	requeue, err := r.ReconcileUser(ctx, id)
	return reconcile.Result{RequeueAfter: requeue.After}, err
}

// ReconcileUser brings one user's Clerk account, FitUser and row into agreement. It reads the FitUsers and Clerk first,
// because everything else follows from them; then come the FitUser, the role and the row, and last the status in one write.
func (r *Reconciler) ReconcileUser(ctx context.Context, id user.ID) (Requeue, error) {
	obs, err := r.observeFitUsers(ctx, id)
	if err != nil {
		return Requeue{}, err
	}
	ctx, span := r.startSpan(ctx, obs)
	defer span.End()
	obs, clerkErr := r.observeClerk(ctx, obs)
	if delay := r.readLag(obs); clerkErr == nil && delay > 0 {
		return Requeue{After: delay, Waiting: "Clerk's answer does not contain its own latest event yet"}, nil
	}
	var res result
	switch {
	case clerkErr != nil:
		res = r.clerkFailed(obs, clerkErr)
	case obs.deletedInClerk:
		obs, res, err = r.reconcileDeleted(ctx, obs)
	default:
		obs, res, err = r.reconcilePresent(ctx, obs)
	}
	if err != nil {
		return requeueOnConflict(err)
	}
	annotateSpan(span, res)
	return r.finish(ctx, obs, res)
}

// reconcilePresent reconciles a user that Clerk has.
func (r *Reconciler) reconcilePresent(ctx context.Context, obs observation) (observation, result, error) {
	obs, err := r.ensureFitUser(ctx, obs)
	if err != nil {
		return obs, result{}, err
	}
	role, err := r.reconcileRole(ctx, obs)
	clerkSide, err := asSyncError(err)
	if err != nil {
		return obs, result{}, err
	}
	row, err := r.reconcileRow(ctx, obs, role)
	rowSide, err := asSyncError(err)
	if err != nil {
		return obs, result{}, err
	}
	return obs, result{
		clerk: clerkSide, row: rowSide, role: role, previousRowRole: row.previousRole, altered: row.altered,
		rowKey: row.key,
	}, nil
}

// clerkFailed is the result when Clerk could not be read: nothing is concluded from that.
func (r *Reconciler) clerkFailed(obs observation, err error) result {
	failure := clerkError(err)
	if granted, pending := pendingRevocation(obs.fitUsers); pending {
		r.Metrics.pendingRevocations.set(obs.id, true)
		failure = failure.revocationPending(granted)
	}
	return result{clerk: failure}
}

// ensureFitUser creates the operator's FitUser for a user who has none.
func (r *Reconciler) ensureFitUser(ctx context.Context, obs observation) (observation, error) {
	if obs.fitUsers.Active != nil {
		return obs, nil
	}
	creator := fitusers.Creator{Writer: r.Client, Reader: r.Client, Namespace: r.Namespace}
	created, isNew, err := creator.Create(ctx, obs.id, nil)
	if err != nil {
		return obs, err
	}
	if !isNew {
		return obs, apierrors.NewConflict(fitusers.Resource(), created.Name, errStaleRead)
	}
	obs.log.Info("FitUser created", "name", created.Name)
	r.Metrics.driftFound(obs, PlaceFitUser, driftMissing)
	r.Metrics.driftRepaired(obs, PlaceFitUser, driftMissing)
	return obs.withActive(created), nil
}

// requeueOnConflict requeues after a conflict and returns any other error.
func requeueOnConflict(err error) (Requeue, error) {
	if apierrors.IsConflict(err) {
		return Requeue{After: conflictDelay, Waiting: "somebody else has just changed the user's FitUsers"}, nil
	}
	return Requeue{}, err
}

// notFoundAsConflict turns a NotFound for an object that was just read into a conflict, which requeues. Not for creates:
// there NotFound means that the namespace or the CRD is missing.
func notFoundAsConflict(err error, name string) error {
	if apierrors.IsNotFound(err) {
		return apierrors.NewConflict(fitusers.Resource(), name, errDeleted)
	}
	return err
}

// result is what a reconcile achieved. The status follows from it and from the observation.
type result struct {
	// clerk and row are why a side is not in sync; nil when it is.
	clerk, row *syncError
	role       roleResult
	// previousRowRole is the role in the row before it was written; empty without a row.
	previousRowRole user.Role
	// altered are the columns in which the table stores other values than were written.
	altered *v1alpha1.AlteredColumns
	// rowKey is the key of the user's row.
	rowKey user.ID
	// kept is the row of a user who is deleted in Clerk.
	kept keptRow
}

// firstError returns the first error of a kind, Clerk's before the row's.
func (res result) firstError(is func(*syncError) bool) *syncError {
	for _, e := range []*syncError{res.clerk, res.row} {
		if e != nil && !e.synced && is(e) {
			return e
		}
	}
	return nil
}

// rowDone reports whether nothing is left to do for the row of a user who is deleted in Clerk.
func (res result) rowDone() bool { return res.row == nil && !res.kept.waits() }

// retrying reports whether the operator still works on a side. What waits for a person is not retried.
func (res result) retrying() bool {
	return res.firstError(func(e *syncError) bool { return !e.stalled }) != nil
}

// requeue is when to reconcile this user again.
func (res result) requeue() (Requeue, error) {
	next := Requeue{After: res.role.requeueAfter, Waiting: res.role.waiting}
	if res.kept.requeueAfter > 0 {
		next = Requeue{After: res.kept.requeueAfter, Waiting: res.kept.message}
	}
	for _, e := range []*syncError{res.clerk, res.row} {
		switch {
		case e == nil:
		case e.cause != nil:
			return Requeue{}, e.cause
		case e.retryAfter > 0 && (next.After == 0 || e.retryAfter < next.After):
			next = Requeue{After: e.retryAfter, Waiting: e.reason + ": " + e.message}
		}
	}
	return next, nil
}

// suppresses reports whether nothing may be written for a user.
func (r *Reconciler) suppresses(active *v1alpha1.FitUser) bool {
	return r.Observe || active.Spec.Suspend
}

// suppressed is why a write is not made, and what it would be.
func (r *Reconciler) suppressed(active *v1alpha1.FitUser, write string) *syncError {
	e := &syncError{
		reason: v1alpha1.ReasonObserveMode, stalled: true, suppressed: write,
		message: fmt.Sprintf("the operator runs with --observe. Without it the operator would %s", write),
	}
	if active.Spec.Suspend {
		e.reason = v1alpha1.ReasonSuspended
		e.message = fmt.Sprintf("spec.suspend is true. Without it the operator would %s", write)
	}
	return e
}

// bothSuppressed joins the writes that are suppressed on both sides.
func bothSuppressed(clerkSide, rowSide *syncError) string {
	return clerkSide.message + ", and " + rowSide.suppressed
}
