package controllers

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/tracing"
	"github.com/fitai/fituser-operator/internal/user"
)

const (
	// workers is high because a worker mostly waits: users that wait at the same moment share a request to Clerk.
	workers = 100
	// reconcileTimeout bounds one reconcile, whatever it waits for.
	reconcileTimeout = time.Minute
	// minBackoff and maxBackoff bound the pauses between failing reconciles of one user.
	minBackoff = 200 * time.Millisecond
	maxBackoff = 5 * time.Minute
	// maxRequests bounds the users that wait to be put into the queue by [Reconciler.Enqueue].
	maxRequests = 1024
)

// CacheOptions returns how the controller caches FitUsers: those of one namespace, and of each only what is read here. The
// namespace is selected as a field, which lists and watches just that namespace too; DefaultNamespaces would look up the
// REST mapping for each read, and that took a fifth of a sweep.
func CacheOptions(namespace string) cache.Options {
	return cache.Options{
		DefaultFieldSelector: fields.OneTermEqualSelector("metadata.namespace", namespace),
		DefaultTransform:     fitusers.Transform(fitusers.KeepAll, namespace),
	}
}

// SetupWithManager makes the manager run r on the leader.
func (r *Reconciler) SetupWithManager(ctx context.Context, mgr manager.Manager) error {
	if err := fitusers.AddIndex(ctx, mgr.GetFieldIndexer()); err != nil {
		return err
	}
	r.prepare()
	err := builder.TypedControllerManagedBy[user.ID](mgr).
		Named("fituser").
		WithOptions(controller.TypedOptions[user.ID]{
			MaxConcurrentReconciles: workers,
			ReconciliationTimeout:   reconcileTimeout,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[user.ID](minBackoff, maxBackoff),
		}).
		WatchesRawSource(source.TypedKind(mgr.GetCache(), &v1alpha1.FitUser{}, r.onFitUser())).
		WatchesRawSource(source.TypedChannel(r.requests, handler.TypedFuncs[request, user.ID]{GenericFunc: addRequest})).
		Complete(r)
	if err != nil {
		return fmt.Errorf("setting up the controller: %w", err)
	}
	return nil
}

// prepare makes what the reconciler keeps to itself. It must run before anything else does.
func (r *Reconciler) prepare() {
	if r.Tracer == nil {
		r.Tracer = tracing.Off()
	}
	r.handovers = newHandovers()
	r.requests = make(chan event.TypedGenericEvent[request], maxRequests)
}

// request is a wish for a reconcile that does not come from the watch.
type request struct {
	id       user.ID
	priority int
}

// Enqueue asks for a reconcile of a user. It waits while too many are asked for.
func (r *Reconciler) Enqueue(ctx context.Context, id user.ID) error {
	return r.ask(ctx, request{id: id})
}

// enqueueLow asks for a reconcile that lets all others go first.
func (r *Reconciler) enqueueLow(ctx context.Context, id user.ID) error {
	return r.ask(ctx, request{id: id, priority: handler.LowPriority})
}

func (r *Reconciler) ask(ctx context.Context, wish request) error {
	select {
	case r.requests <- event.TypedGenericEvent[request]{Object: wish}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("asking for a reconcile of %s: %w", wish.id, ctx.Err())
	}
}

func addRequest(_ context.Context, e event.TypedGenericEvent[request], q queue) {
	if byPriority, ok := q.(priorityqueue.PriorityQueue[user.ID]); ok {
		byPriority.AddWithOpts(priorityqueue.AddOpts{Priority: &e.Object.priority}, e.Object.id)
		return
	}
	q.Add(e.Object.id)
}

type queue = workqueue.TypedRateLimitingInterface[user.ID]

// onFitUser turns what happens to FitUsers into requests. Our own status writes ask for nothing, and of the objects that
// are there at the start only those that are pending.
func (r *Reconciler) onFitUser() handler.TypedEventHandler[*v1alpha1.FitUser, user.ID] {
	return handler.TypedFuncs[*v1alpha1.FitUser, user.ID]{
		CreateFunc: func(_ context.Context, e event.TypedCreateEvent[*v1alpha1.FitUser], q queue) {
			r.witness(e.Object)
			r.Metrics.objects.added(e.Object)
			if e.IsInInitialList {
				r.Metrics.remember(e.Object)
			}
			if e.IsInInitialList && pending(e.Object, r.Clock.Now()) || !e.IsInInitialList && !madeHere(e.Object) {
				q.Add(user.ID(e.Object.Spec.ClerkUserID))
			}
		},
		UpdateFunc: func(_ context.Context, e event.TypedUpdateEvent[*v1alpha1.FitUser], q queue) {
			r.witness(e.ObjectNew)
			r.Metrics.objects.changed(e.ObjectOld, e.ObjectNew)
			if news(e.ObjectOld, e.ObjectNew) {
				q.Add(user.ID(e.ObjectNew.Spec.ClerkUserID))
			}
		},
		DeleteFunc: func(_ context.Context, e event.TypedDeleteEvent[*v1alpha1.FitUser], q queue) {
			r.witness(e.Object)
			r.Metrics.objects.removed(e.Object)
			if _, ours := r.deleted.LoadAndDelete(e.Object.UID); ours {
				return // whoever deleted it knows what comes next
			}
			r.lastWords.note(e.Object)
			id := user.ID(e.Object.Spec.ClerkUserID)
			if e.Object.Spec.Role != "" {
				r.removals.add(id, r.Clock.Now(), r.TakeBackGrace)
				r.Metrics.rightsNotTakenBack.set(id, true) // until the next look says otherwise
			}
			q.Add(id)
		},
	}
}

// madeHere is true for a new FitUser that a reconcile has made and goes on with: it has nothing but the id, and no hint as
// those of the receiver have. Looking again would cost every imported user a request to Clerk.
func madeHere(object *v1alpha1.FitUser) bool {
	_, hinted := object.Hint()
	return object.ManagedByOperator() && !hinted
}

// witness notes how far the watch has come. Resource versions count up (Kubernetes' API conventions, since 1.35).
func (r *Reconciler) witness(object *v1alpha1.FitUser) {
	version, err := strconv.ParseUint(object.ResourceVersion, 10, 64)
	for seen := r.newest.Load(); err == nil && version > seen; seen = r.newest.Load() {
		if r.newest.CompareAndSwap(seen, version) {
			return
		}
	}
}

// fresh is how old an event may be whose user is looked at before the first sweep comes to them.
const fresh = time.Hour

// pending reports whether a FitUser found at the start has to be looked at before the first sweep comes to it, which costs
// far less. Of an event that changed nothing no status tells, so one that is not fresh is left to the sweep. So are users
// without an e-mail address: where people sign in by phone there are very many.
func pending(object *v1alpha1.FitUser, now time.Time) bool {
	hint, hinted := object.Hint()
	return object.Status.ObservedGeneration != object.Generation ||
		hinted && hint.MessageID != object.Status.ObservedHint && now.Sub(hint.OccurredAt()) < fresh ||
		!meta.IsStatusConditionTrue(object.Status.Conditions, v1alpha1.ConditionReady) && readyReason(object) != v1alpha1.ReasonEmailMissing
}

// news reports whether a change of a FitUser is one to act on.
func news(before, after *v1alpha1.FitUser) bool {
	return before.Generation != after.Generation ||
		before.Annotations[v1alpha1.AnnotationHint] != after.Annotations[v1alpha1.AnnotationHint] ||
		before.Labels[v1alpha1.LabelManagedBy] != after.Labels[v1alpha1.LabelManagedBy] ||
		before.Annotations[v1alpha1.AnnotationReconcile] != after.Annotations[v1alpha1.AnnotationReconcile] ||
		before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero()
}
