package fituser

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/user"
)

// Request asks for a reconcile that does not come from the watch.
type Request struct {
	ID       user.ID
	priority int
}

// Requests returns the requested reconciles. The controller that [Reconciler.SetupWithManager] sets up receives them;
// without one the caller does.
func (r *Reconciler) Requests() <-chan event.TypedGenericEvent[Request] { return r.requests }

// Enqueue requests a reconcile of a user. It waits while too many requests wait.
func (r *Reconciler) Enqueue(ctx context.Context, id user.ID) error {
	return r.enqueue(ctx, Request{ID: id})
}

// EnqueueLow requests a reconcile at low priority: events and manifests come first.
func (r *Reconciler) EnqueueLow(ctx context.Context, id user.ID) error {
	return r.enqueue(ctx, Request{ID: id, priority: handler.LowPriority})
}

// EnqueueSwept requests a reconcile, at low priority, of a user that a sweep found to differ. It waits while too many of
// them are not reconciled yet.
func (r *Reconciler) EnqueueSwept(ctx context.Context, id user.ID) error {
	if err := r.swept.add(ctx, id); err != nil {
		return err
	}
	return r.EnqueueLow(ctx, id)
}

func (r *Reconciler) enqueue(ctx context.Context, req Request) error {
	select {
	case r.requests <- event.TypedGenericEvent[Request]{Object: req}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("requesting a reconcile of %s: %w", req.ID, ctx.Err())
	}
}

func addRequest(_ context.Context, e event.TypedGenericEvent[Request], q queue) {
	if byPriority, ok := q.(priorityqueue.PriorityQueue[user.ID]); ok {
		byPriority.AddWithOpts(priorityqueue.AddOpts{Priority: &e.Object.priority}, e.Object.ID)
		return
	}
	q.Add(e.Object.ID)
}

type queue = workqueue.TypedRateLimitingInterface[user.ID]

// EventHandler returns the handler that turns watch events into requests. The operator's own status writes request
// nothing, and of the objects in the initial list only those that need a reconcile do.
func (r *Reconciler) EventHandler() handler.TypedEventHandler[*v1alpha1.FitUser, user.ID] {
	return handler.TypedFuncs[*v1alpha1.FitUser, user.ID]{
		CreateFunc: func(_ context.Context, e event.TypedCreateEvent[*v1alpha1.FitUser], q queue) {
			r.Metrics.objects.added(e.Object)
			if e.IsInInitialList && needsInitialReconcile(e.Object, r.Clock.Now()) || !e.IsInInitialList && !createdByReconciler(e.Object) {
				addUser(q, e.Object)
			}
		},
		UpdateFunc: func(_ context.Context, e event.TypedUpdateEvent[*v1alpha1.FitUser], q queue) {
			r.Metrics.objects.changed(e.ObjectOld, e.ObjectNew)
			if relevantChange(e.ObjectOld, e.ObjectNew) {
				addUser(q, e.ObjectNew)
			}
		},
		DeleteFunc: func(_ context.Context, e event.TypedDeleteEvent[*v1alpha1.FitUser], q queue) {
			r.Metrics.objects.removed(e.Object)
			if e.Object.Spec.Role != "" && e.Object.UserID() != "" {
				r.Metrics.pendingRevocations.set(user.ID(e.Object.UserID()), true) // until the next reconcile knows better
			}
			addUser(q, e.Object)
		},
	}
}

// addUser requests a reconcile of the user of u. A manifest whose address nobody holds has none.
func addUser(q queue, u *v1alpha1.FitUser) {
	if id := u.UserID(); id != "" {
		q.Add(user.ID(id))
	}
}

// createdByReconciler reports whether a new FitUser was created by a reconcile, which goes on with it: it is
// operator-managed and has no hint, as those of the receiver have. Another reconcile would cost every imported user a
// request to Clerk.
func createdByReconciler(u *v1alpha1.FitUser) bool {
	_, hinted := u.Hint()
	return u.ManagedByOperator() && !hinted
}

// recentEvent is how old an event may be whose user is reconciled before the first sweep.
const recentEvent = time.Hour

// needsInitialReconcile reports whether a FitUser in the initial list is reconciled at once. All others are left to the
// first sweep, which costs far less. An event that changed nothing is not recorded in the status, so an old unrecorded
// event is left to the sweep. So are users without an e-mail address: where people sign in by phone there are very many. A row
// that waits for its deletion has an alarm.
func needsInitialReconcile(u *v1alpha1.FitUser, now time.Time) bool {
	hint, hinted := u.Hint()
	return u.Status.ObservedGeneration != u.Generation ||
		hinted && hint.MessageID != u.Status.ObservedHint && now.Sub(hint.OccurredAt()) < recentEvent ||
		!meta.IsStatusConditionTrue(u.Status.Conditions, v1alpha1.ConditionReady) && ReadyReason(u) != v1alpha1.ReasonEmailMissing && !rowWaits(u)
}

// rowWaits reports whether nothing is to be done for a user who is deleted in Clerk but to wait for status.rowDeletionAt.
func rowWaits(u *v1alpha1.FitUser) bool {
	return u.Status.RowDeletionAt != nil && ReadyReason(u) == v1alpha1.ReasonUserNotFound
}

// relevantChange reports whether a change of a FitUser requires a reconcile.
func relevantChange(before, after *v1alpha1.FitUser) bool {
	for _, name := range fitusers.Annotations() {
		if before.Annotations[name] != after.Annotations[name] {
			return true
		}
	}
	return before.Generation != after.Generation ||
		before.Labels[v1alpha1.LabelManagedBy] != after.Labels[v1alpha1.LabelManagedBy] ||
		before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero()
}
