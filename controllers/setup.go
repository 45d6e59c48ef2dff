package controllers

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

const (
	userIndex = "spec.clerkUserID"

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

// IndexUsers adds the index by which the FitUsers of a Clerk user are found. It must be there before the cache starts.
func IndexUsers(ctx context.Context, indexer client.FieldIndexer) error {
	err := indexer.IndexField(ctx, &v1alpha1.FitUser{}, userIndex, func(object client.Object) []string {
		fitUser, ok := object.(*v1alpha1.FitUser)
		if !ok {
			return nil
		}
		return []string{fitUser.Spec.ClerkUserID}
	})
	if err != nil {
		return fmt.Errorf("indexing FitUsers by Clerk id: %w", err)
	}
	return nil
}

// CacheOptions is how the controller caches FitUsers: those of one namespace, without the fields nobody here reads.
func CacheOptions(namespace string) cache.Options {
	return cache.Options{
		DefaultNamespaces: map[string]cache.Config{namespace: {}},
		DefaultTransform:  cache.TransformStripManagedFields(),
	}
}

// SetupWithManager makes the manager run r on the leader.
func (r *Reconciler) SetupWithManager(ctx context.Context, mgr manager.Manager) error {
	if err := IndexUsers(ctx, mgr.GetFieldIndexer()); err != nil {
		return err
	}
	r.removals.start(r.Clock.Now())
	r.requests = make(chan event.TypedGenericEvent[user.ID], maxRequests)
	err := builder.TypedControllerManagedBy[user.ID](mgr).
		Named("fituser").
		WithOptions(controller.TypedOptions[user.ID]{
			MaxConcurrentReconciles: workers,
			ReconciliationTimeout:   reconcileTimeout,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[user.ID](minBackoff, maxBackoff),
		}).
		WatchesRawSource(source.TypedKind(mgr.GetCache(), &v1alpha1.FitUser{}, r.onFitUser())).
		WatchesRawSource(source.TypedChannel(r.requests,
			handler.TypedEnqueueRequestsFromMapFunc(func(_ context.Context, id user.ID) []user.ID { return []user.ID{id} }))).
		Complete(r)
	if err != nil {
		return fmt.Errorf("setting up the controller: %w", err)
	}
	return nil
}

// Enqueue asks for a reconcile of a user. It waits while too many are asked for.
func (r *Reconciler) Enqueue(ctx context.Context, id user.ID) error {
	select {
	case r.requests <- event.TypedGenericEvent[user.ID]{Object: id}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("asking for a reconcile of %s: %w", id, ctx.Err())
	}
}

type queue = workqueue.TypedRateLimitingInterface[user.ID]

// onFitUser turns what happens to FitUsers into requests. Our own status writes ask for nothing, and of the objects that
// are there at the start only those that were not dealt with; the others agreed when they were last looked at.
func (r *Reconciler) onFitUser() handler.TypedEventHandler[*v1alpha1.FitUser, user.ID] {
	return handler.TypedFuncs[*v1alpha1.FitUser, user.ID]{
		CreateFunc: func(_ context.Context, e event.TypedCreateEvent[*v1alpha1.FitUser], q queue) {
			if !e.IsInInitialList || pending(e.Object) {
				q.Add(user.ID(e.Object.Spec.ClerkUserID))
			}
		},
		UpdateFunc: func(_ context.Context, e event.TypedUpdateEvent[*v1alpha1.FitUser], q queue) {
			if news(e.ObjectOld, e.ObjectNew) {
				q.Add(user.ID(e.ObjectNew.Spec.ClerkUserID))
			}
		},
		DeleteFunc: func(_ context.Context, e event.TypedDeleteEvent[*v1alpha1.FitUser], q queue) {
			id := user.ID(e.Object.Spec.ClerkUserID)
			if e.Object.Spec.Role != "" {
				r.removals.add(id, r.Clock.Now(), r.TakeBackGrace)
			}
			q.Add(id)
		},
	}
}

// pending reports whether a FitUser found at the start still has something to be done for it.
func pending(object *v1alpha1.FitUser) bool {
	hint, hinted := object.Hint()
	return object.Status.ObservedGeneration != object.Generation ||
		hinted && hint.Message != object.Status.ObservedHint ||
		!meta.IsStatusConditionTrue(object.Status.Conditions, v1alpha1.ConditionReady)
}

// news reports whether a change of a FitUser is one to act on.
func news(before, after *v1alpha1.FitUser) bool {
	return before.Generation != after.Generation ||
		before.Annotations[v1alpha1.AnnotationHint] != after.Annotations[v1alpha1.AnnotationHint] ||
		before.Annotations[v1alpha1.AnnotationMadeBy] != after.Annotations[v1alpha1.AnnotationMadeBy] ||
		before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero()
}
