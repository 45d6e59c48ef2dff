package rolerule

import (
	"context"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/fitai/fituser-operator/api/v1alpha1"
)

// Config is what a [Reconciler] needs.
type Config struct {
	Lister

	// Client reads RoleRules from a cache and writes their status.
	Client client.Client
	Clock  clock.PassiveClock
}

// Reconciler reports whether each RoleRule can match, and how many users have its role.
type Reconciler struct {
	Config

	// counted requests the reconcile of all rules after a sweep, sweeps a sweep after a change of a rule. Both have room for one
	// request: further ones ask for the same.
	counted chan event.TypedGenericEvent[struct{}]
	sweeps  chan struct{}

	mu sync.Mutex
	// users are the counts of the last complete sweep; nil before the first one. Losing them keeps the old counts until the
	// next sweep.
	users map[string]int
}

// New returns a Reconciler.
func New(config Config) *Reconciler {
	return &Reconciler{
		Config: config, counted: make(chan event.TypedGenericEvent[struct{}], 1), sweeps: make(chan struct{}, 1),
	}
}

// request is the only request: all rules of the namespace are reconciled together, because they shadow each other.
type request struct{}

// SetupWithManager makes the manager run r on the leader.
func (r *Reconciler) SetupWithManager(mgr manager.Manager) error {
	all := handler.TypedFuncs[*v1alpha1.RoleRule, request]{
		CreateFunc: func(_ context.Context, _ event.TypedCreateEvent[*v1alpha1.RoleRule], q queue) { q.Add(request{}) },
		UpdateFunc: func(_ context.Context, e event.TypedUpdateEvent[*v1alpha1.RoleRule], q queue) {
			if e.ObjectOld.Generation != e.ObjectNew.Generation {
				q.Add(request{})
			}
		},
		DeleteFunc: func(_ context.Context, _ event.TypedDeleteEvent[*v1alpha1.RoleRule], q queue) {
			r.requestSweep()
			q.Add(request{})
		},
	}
	counted := handler.TypedFuncs[struct{}, request]{
		GenericFunc: func(_ context.Context, _ event.TypedGenericEvent[struct{}], q queue) { q.Add(request{}) },
	}
	err := builder.TypedControllerManagedBy[request](mgr).
		Named("rolerule").
		WatchesRawSource(source.TypedKind(mgr.GetCache(), &v1alpha1.RoleRule{}, all)).
		WatchesRawSource(source.TypedChannel(r.counted, counted)).
		Complete(r)
	if err != nil {
		return fmt.Errorf("setting up the controller of RoleRules: %w", err)
	}
	return nil
}

// Sweeps returns the requests for a sweep.
func (r *Reconciler) Sweeps() <-chan struct{} { return r.sweeps }

// SetUsers records how many users have the role of each rule, and requests that the statuses report it.
func (r *Reconciler) SetUsers(users map[string]int) {
	r.mu.Lock()
	r.users = users
	r.mu.Unlock()
	select {
	case r.counted <- event.TypedGenericEvent[struct{}]{}:
	default:
	}
}

func (r *Reconciler) usersByRule() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.users
}

func (r *Reconciler) requestSweep() {
	select {
	case r.sweeps <- struct{}{}:
	default:
	}
}

// Reconcile implements reconcile.TypedReconciler.
func (r *Reconciler) Reconcile(ctx context.Context, _ request) (reconcile.Result, error) {
	err := r.ReconcileAll(ctx)
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return reconcile.Result{RequeueAfter: conflictDelay}, nil
	}
	return reconcile.Result{}, err
}

// ReconcileAll updates the status of every rule, and requests a sweep if a spec has changed since its status was written.
func (r *Reconciler) ReconcileAll(ctx context.Context) error {
	var list v1alpha1.RoleRuleList
	if err := r.Client.List(ctx, &list, client.InNamespace(r.Namespace)); err != nil {
		return fmt.Errorf("listing RoleRules: %w", err)
	}
	users := r.usersByRule()
	for i := range list.Items {
		rule := &list.Items[i]
		if rule.Status.ObservedGeneration != rule.Generation {
			r.requestSweep()
		}
		if err := r.updateStatus(ctx, rule, desiredStatus(rule, list.Items, r.Roles, users, r.Clock.Now())); err != nil {
			return err
		}
	}
	return nil
}

func (r *Reconciler) updateStatus(ctx context.Context, rule *v1alpha1.RoleRule, status v1alpha1.RoleRuleStatus) error {
	if equality.Semantic.DeepEqual(rule.Status, status) {
		return nil
	}
	before := rule.DeepCopy()
	rule.Status = status
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.Client.Status().Patch(ctx, rule, patch); err != nil {
		return fmt.Errorf("writing the status of RoleRule %s: %w", rule.Name, err)
	}
	logf.FromContext(ctx).Info("RoleRule updated", "rule", rule.Name, "users", status.Users)
	return nil
}
