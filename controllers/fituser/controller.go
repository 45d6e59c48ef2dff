package fituser

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel/trace"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/budget"
	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/instance"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/tracing"
	"github.com/fitai/fituser-operator/internal/user"
)

const (
	// workers is high because a worker mostly waits: users that wait at the same moment share a request to Clerk.
	workers = 100
	// reconcileTimeout bounds one reconcile.
	reconcileTimeout = time.Minute
	// MinBackoff is the first delay between failing reconciles of one user.
	MinBackoff = 200 * time.Millisecond
	// maxBackoff is the longest one.
	maxBackoff = 5 * time.Minute
	// maxRequests is how many requested reconciles may wait to be put into the queue.
	maxRequests = 1024
	// lastAdminRetry is how often a change that would leave too few holders of the protected role is tried again.
	lastAdminRetry = time.Minute
)

// Defaults of [Config].
const (
	DefaultLagTolerance    = 30 * time.Second
	DefaultRevocationGrace = 5 * time.Second
)

// Config is what a [Reconciler] needs.
type Config struct {
	// Client reads FitUsers from a cache that has the index of [fitusers.AddIndex], with read-your-writes consistency on,
	// and writes them.
	Client client.Client
	// Live reads FitUsers from the API server.
	Live      client.Reader
	Namespace string
	Clerk     clerk.Client
	Store     store.Store
	RoleConfig
	// MinProtected is how many users keep the protected role.
	MinProtected int
	// Observe makes the reconciler report what it would write to Clerk and to the table, and write nothing there.
	Observe bool
	// Instance stops everything while the secret key belongs to another Clerk instance.
	Instance *instance.Guard
	Budget   *budget.Budget
	Recorder events.EventRecorder
	Metrics  *Metrics
	Profile  ProfileMode
	Clock    clock.PassiveClock
	Log      logr.Logger
	// Tracer starts a span for each reconcile; nil records nothing.
	Tracer trace.Tracer
	// LagTolerance is how long an answer of Clerk's that contradicts its own event is read again before it is believed.
	// Zero believes at once.
	LagTolerance time.Duration
	// RevocationGrace is how long a role outlives the FitUser that granted it, so that replacing a manifest leaves no gap.
	RevocationGrace time.Duration
}

// Reconciler brings one user's Clerk account, FitUser and row into agreement.
type Reconciler struct {
	Config

	requests chan event.TypedGenericEvent[Request]
	swept    sweptSet
	// rowsAwaitingStatus are users whose row is written and whose status does not have createdAt yet. If the process lost
	// it, the row of a user who is deleted in Clerk between the two writes would stay; the window is one status write.
	rowsAwaitingStatus sync.Map
	// protectedRole has room for one: the user who is losing the protected role at the moment.
	protectedRole chan struct{}
}

// New returns a Reconciler.
func New(config Config) *Reconciler {
	if config.Tracer == nil {
		config.Tracer = tracing.Off()
	}
	return &Reconciler{
		Config: config, requests: make(chan event.TypedGenericEvent[Request], maxRequests), swept: newSweptSet(),
		protectedRole: make(chan struct{}, 1),
	}
}

// CacheOptions returns how the controller caches FitUsers: those of one namespace, and of each only what is read here. The
// namespace is selected as a field, which lists and watches just that namespace too; DefaultNamespaces would look up the
// REST mapping for each read, and that took a fifth of a sweep. roles are those that many FitUsers have in their status.
func CacheOptions(namespace string, roles ...string) cache.Options {
	texts := append([]string{messageReady, messageClerk, messageRow}, roles...)
	return cache.Options{
		DefaultFieldSelector: fields.OneTermEqualSelector("metadata.namespace", namespace),
		DefaultTransform:     fitusers.Transform(fitusers.KeepAll, namespace, texts...),
	}
}

// SetupWithManager makes the manager run r on the leader.
func (r *Reconciler) SetupWithManager(ctx context.Context, mgr manager.Manager) error {
	if err := fitusers.AddIndex(ctx, mgr.GetFieldIndexer()); err != nil {
		return err
	}
	err := builder.TypedControllerManagedBy[user.ID](mgr).
		Named("fituser").
		WithOptions(controller.TypedOptions[user.ID]{
			MaxConcurrentReconciles: workers,
			ReconciliationTimeout:   reconcileTimeout,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[user.ID](MinBackoff, maxBackoff),
		}).
		WatchesRawSource(source.TypedKind(mgr.GetCache(), &v1alpha1.FitUser{}, r.EventHandler())).
		WatchesRawSource(source.TypedChannel(r.requests, handler.TypedFuncs[Request, user.ID]{GenericFunc: addRequest})).
		Complete(r)
	if err != nil {
		return fmt.Errorf("setting up the controller: %w", err)
	}
	err = builder.TypedControllerManagedBy[string](mgr).
		Named("address").
		WithOptions(controller.TypedOptions[string]{
			MaxConcurrentReconciles: workers,
			ReconciliationTimeout:   reconcileTimeout,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[string](MinBackoff, maxBackoff),
		}).
		WatchesRawSource(source.TypedKind(mgr.GetCache(), &v1alpha1.FitUser{}, r.AddressHandler())).
		Complete(addressReconciler{r})
	if err != nil {
		return fmt.Errorf("setting up the controller of addresses: %w", err)
	}
	if err := mgr.Add(expirer{r}); err != nil {
		return fmt.Errorf("setting up the expiry of roles: %w", err)
	}
	return nil
}

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
// event is left to the sweep. So are users without an e-mail address: where people sign in by phone there are very many.
func needsInitialReconcile(u *v1alpha1.FitUser, now time.Time) bool {
	hint, hinted := u.Hint()
	return u.Status.ObservedGeneration != u.Generation ||
		hinted && hint.MessageID != u.Status.ObservedHint && now.Sub(hint.OccurredAt()) < recentEvent ||
		!meta.IsStatusConditionTrue(u.Status.Conditions, v1alpha1.ConditionReady) && ReadyReason(u) != v1alpha1.ReasonEmailMissing
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
