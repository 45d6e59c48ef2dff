package fituser

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel/trace"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
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
	// ExternalIDs connects users with rows where the mapping's key holds Clerk's external_id; nil where it does not.
	ExternalIDs clerk.ExternalIDs
	Store       store.Store
	RoleConfig
	// MinProtected is how many users keep the protected role.
	MinProtected int
	// Observe makes the reconciler report what it would write to Clerk and to the table, and write nothing there.
	Observe bool
	// DeletionPolicy is what happens to the row of a user who is deleted in Clerk where the FitUser sets no policy; empty means
	// Delete. DeletionDelay is how much later it happens.
	DeletionPolicy v1alpha1.DeletionPolicy
	DeletionDelay  time.Duration
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
	// DigestKey returns a secret with which digests of personal data in statuses are keyed; nil means none.
	DigestKey func() string
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
	// rowsAwaitingStatus are users whose row is written and whose status does not have createdAt yet, with the row's key. If the process lost
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
	if config.DigestKey == nil {
		config.DigestKey = func() string { return "" }
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
	if err := mgr.Add(alarm{r}); err != nil {
		return fmt.Errorf("setting up the alarm: %w", err)
	}
	return nil
}
