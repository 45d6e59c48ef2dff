package controllers

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel/trace"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// Reconciler brings one user's Clerk account, FitUser and row into agreement.
type Reconciler struct {
	// Client reads FitUsers from a cache that has the index of [IndexUsers], with read-your-writes consistency on, and
	// writes them.
	Client client.Client
	// Live reads FitUsers from the API server itself.
	Live client.Reader
	// Namespace holds the FitUsers.
	Namespace string
	Clerk     clerk.Client
	Store     store.Store
	// Instance stops everything while the secret key belongs to another Clerk instance.
	Instance *InstanceGuard
	// Deletions bounds how much goes in one period.
	Deletions *Deletions
	Recorder  events.EventRecorder
	Metrics   *Metrics
	Profile   ProfileMode
	Clock     clock.PassiveClock
	// Tracer begins a span for each look at a user; nil records nothing.
	Tracer trace.Tracer

	// LagTolerance is how long an answer of Clerk's that contradicts its own event is asked for again before it is
	// believed. Zero believes at once.
	LagTolerance time.Duration
	// TakeBackGrace is how long a role outlives the FitUser that gave it, so that replacing a manifest is no gap.
	TakeBackGrace time.Duration

	removals  removals
	lastWords lastWords
	handovers *handovers
	// dealt are the messages that were dealt with and changed nothing, by user: no status tells of those.
	dealt sync.Map
	// deleted are the UIDs of FitUsers that a reconcile has deleted and of which the watch has not told yet.
	deleted sync.Map
	// unnoted are the users whose row was written before any status could say that they were seen in Clerk.
	unnoted sync.Map
	// newest is the newest resourceVersion of a FitUser that the watch has told of.
	newest   atomic.Uint64
	requests chan event.TypedGenericEvent[request]
}

// Defaults of the waits above.
const (
	DefaultLagTolerance  = 30 * time.Second
	DefaultTakeBackGrace = 5 * time.Second
)

// known is all that one reconcile knows of a user. Steps fill it in from top to bottom; the status is made of it.
type known struct {
	id  user.ID
	now time.Time
	log logr.Logger

	fitUsers
	hint v1alpha1.Hint
	// swept is true when the sweep found the user to differ, and handed over what it read of them.
	swept  bool
	handed handover

	// clerk is the user as Clerk has them; nil when Clerk was not heard or has no such user (gone).
	clerk *user.User
	gone  bool
	role  user.RolePlan
	// heldRole and rowRole are the role as Clerk and the row (empty without one) held it before anything was written.
	heldRole, rowRole user.Role
	// tookBack is true when this look took a role back.
	tookBack bool
	// lastWord is what a FitUser of the user said of their right before it was deleted.
	lastWord v1alpha1.FitUserStatus

	// outdated is why this look ends at once: the FitUsers are not as they were read.
	outdated error
	// clerkTrouble and rowTrouble are why the two sides are not in agreement; nil when they are.
	clerkTrouble, rowTrouble *trouble
	// retained is true when the row outlives the user because the FitUser says so.
	retained bool
	// again asks for another look after some time although nothing is wrong.
	again time.Duration
}

// Reconcile looks at all that is known of a user and brings the three places into agreement: an answer of Clerk's first,
// because nothing follows from anything else; then the FitUser, the role, the row; last the status, in one write.
func (r *Reconciler) Reconcile(ctx context.Context, id user.ID) (reconcile.Result, error) {
	k := &known{id: id, now: r.Clock.Now(), log: logf.FromContext(ctx).WithValues("user", id)}
	r.removals.begin(k.now)
	k.handed, k.swept = r.handovers.take(id)
	if err := r.findFitUsers(ctx, k); err != nil {
		return reconcile.Result{}, err
	}
	ctx, span := r.beginSpan(ctx, k)
	defer k.endSpan(span)
	if k.clerkTrouble = r.askClerk(ctx, k); k.clerkTrouble != nil {
		r.noteTakeBackDue(k)
		return r.conclude(ctx, k)
	}
	if wait := r.lag(k); wait > 0 {
		return reconcile.Result{RequeueAfter: wait}, nil
	}
	if k.gone {
		return r.letGo(ctx, k)
	}
	if wait := r.graceLeft(k); wait > 0 && k.serving == nil && k.clerk.HasMarker {
		return reconcile.Result{RequeueAfter: wait}, nil // the manifest that gave the role may be about to come back
	}
	if err := r.makeFitUser(ctx, k); err != nil {
		return tryAgain(err)
	}
	if k.clerkTrouble = r.settleRole(ctx, k); k.outdated != nil {
		return tryAgain(k.outdated)
	}
	k.rowTrouble = r.settleRow(ctx, k)
	return r.conclude(ctx, k)
}

// askClerk reads the user, unless the sweep has done so. The page that it read may be minutes old by now, so a right is not
// changed on its word. Only Clerk's own word for this very id makes a user gone.
func (r *Reconciler) askClerk(ctx context.Context, k *known) *trouble {
	if trouble := r.Instance.check(ctx); trouble != nil {
		return trouble
	}
	if k.clerk = r.handovers.usable(k.handed, k.all()); k.clerk != nil && k.roleStays() {
		return nil
	}
	k.clerk = nil
	u, err := r.Clerk.Get(ctx, k.id)
	switch {
	case err == nil:
		r.handovers.use(u)
		k.clerk = &u
	case clerk.KindOf(err) == clerk.NotFound:
		// A request waits for its turn, and the key may have changed meanwhile.
		if t := r.Instance.check(ctx); t != nil {
			return t
		}
		r.handovers.useGone(k.id)
		k.gone = true
	default:
		return clerkTrouble(err)
	}
	return nil
}

// makeFitUser makes the operator's FitUser for a user who has none.
func (r *Reconciler) makeFitUser(ctx context.Context, k *known) error {
	if k.serving != nil {
		return nil
	}
	for attempt := range fitusers.MaxNameAttempts {
		made := fitusers.New(r.Namespace, string(k.id), attempt)
		err := r.Client.Create(ctx, made)
		if err == nil {
			k.log.Info("FitUser created", "name", made.Name)
			r.Metrics.foundDrift(k, "fituser", driftMissing)
			r.Metrics.repairedDrift(k, "fituser", driftMissing)
			k.serving = made
			return nil
		}
		if apierrors.IsNotFound(err) {
			return fmt.Errorf("creating FitUser %s: is the CustomResourceDefinition installed, and is there a namespace %s? %w",
				made.Name, r.Namespace, err)
		}
		if !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("creating FitUser %s: %w", made.Name, err)
		}
		taken := &v1alpha1.FitUser{}
		if err := r.Client.Get(ctx, client.ObjectKeyFromObject(made), taken); err != nil {
			return fmt.Errorf("reading FitUser %s: %w", made.Name, overtaken(err, made.Name))
		}
		if taken.Spec.ClerkUserID == string(k.id) && taken.DeletionTimestamp.IsZero() {
			return apierrors.NewConflict(resource(), made.Name, errSeenLate)
		}
	}
	return fmt.Errorf("creating a FitUser: all %d names are taken by FitUsers of other users", fitusers.MaxNameAttempts)
}

// conclude says what is so, removes the FitUsers that nobody needs, and chooses when to look again. It says first: a
// FitUser that takes over has then noted that the user was seen before the one that noted it so far goes.
func (r *Reconciler) conclude(ctx context.Context, k *known) (reconcile.Result, error) {
	expendable := k.expendable()
	if len(expendable) > 0 && !k.gone { // for a user who is gone none of the operator's is needed, whatever else there is
		if err := r.confirm(ctx, k); err != nil {
			return tryAgain(err)
		}
	}
	if err := r.report(ctx, k, expendable); err != nil {
		return tryAgain(err)
	}
	for _, object := range expendable {
		if err := r.deleteFitUser(ctx, k, object); err != nil {
			return tryAgain(err)
		}
	}
	r.noteDealt(k)
	return k.next()
}

// next is when to look at this user again.
func (k *known) next() (reconcile.Result, error) {
	result := reconcile.Result{RequeueAfter: k.again}
	for _, t := range []*trouble{k.clerkTrouble, k.rowTrouble} {
		if t == nil {
			continue
		}
		if t.err != nil {
			return reconcile.Result{}, t.err
		}
		if t.retryAfter > 0 && (result.RequeueAfter == 0 || t.retryAfter < result.RequeueAfter) {
			result.RequeueAfter = t.retryAfter
		}
	}
	return result, nil
}

// conflictPause is how long to wait before looking again at an object that somebody else has just changed.
const conflictPause = 200 * time.Millisecond

// tryAgain passes an error of the API server on. A conflict is no error: somebody was quicker, so look again.
func tryAgain(err error) (reconcile.Result, error) {
	if apierrors.IsConflict(err) {
		return reconcile.Result{RequeueAfter: conflictPause}, nil
	}
	return reconcile.Result{}, err
}

// overtaken makes a conflict of the answer that an object which was just seen is not there: somebody has deleted it.
// Of an object that is to be made the same answer means that there is no place for it.
func overtaken(err error, name string) error {
	if apierrors.IsNotFound(err) {
		return apierrors.NewConflict(resource(), name, errGone)
	}
	return err
}
