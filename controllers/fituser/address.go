package fituser

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/user"
)

// A manifest that names an e-mail address is bound to the user who holds it: status.clerkUserID is that user. Three
// reconciles share the work, so that each manifest has one writer at a time:
//
//   - an unbound manifest is bound by the reconcile of the user who holds the address;
//   - a bound manifest is released only by the reconcile of its user;
//   - [Reconciler.ReconcileAddress] finds the holder of an unbound manifest and requests that user's reconcile. It serves
//     manifests of users whom no event and no sweep names: those who signed up before the manifest was written.

// ReconcileAddress finds the user who holds an address for the manifests that name it and are not bound yet.
func (r *Reconciler) ReconcileAddress(ctx context.Context, address string) (Requeue, error) {
	unbound, err := r.unboundManifests(ctx, address)
	if err != nil || len(unbound) == 0 {
		return Requeue{}, err
	}
	holder, err := r.findHolder(ctx, address)
	if err == nil && holder != "" {
		return Requeue{}, r.Enqueue(ctx, holder)
	}
	waiting := awaitingSignUp()
	if err != nil {
		waiting = clerkError(err)
	}
	obs := observation{now: r.Clock.Now(), log: logf.FromContext(ctx)}
	for _, u := range unbound {
		if err := r.patchStatus(ctx, obs, u, unboundStatus(obs, u, waiting)); err != nil {
			return requeueOnConflict(err)
		}
	}
	return result{clerk: waiting}.requeue()
}

func (r *Reconciler) unboundManifests(ctx context.Context, address string) ([]*v1alpha1.FitUser, error) {
	found, err := fitusers.ReadByEmail(ctx, r.Client, r.Client, r.Namespace, address)
	return slices.DeleteFunc(found, func(u *v1alpha1.FitUser) bool { return !isUnbound(u) }), err
}

// isUnbound reports whether u names an address and no user is known to hold it.
func isUnbound(u *v1alpha1.FitUser) bool {
	return u.Spec.Email != "" && u.UserID() == "" && !fitusers.IsTerminating(u)
}

// findHolder returns the user who holds the address as a verified one; empty when nobody does.
func (r *Reconciler) findHolder(ctx context.Context, address string) (user.ID, error) {
	if user.IsTestEmail(address) {
		return "", nil
	}
	if err := r.Instance.Check(ctx); err != nil {
		return "", err
	}
	found, err := r.Clerk.FindByEmail(ctx, address)
	if err != nil {
		return "", err
	}
	for _, account := range found {
		if account.Holds(address) {
			return account.ID, nil
		}
	}
	return "", nil
}

// awaitingSignUp is the state of a manifest whose address nobody holds. Ready is True then, so that a GitOps tool does not
// wait for a person.
func awaitingSignUp() *syncError {
	return &syncError{
		reason: v1alpha1.ReasonAwaitingSignUp, synced: true,
		message: "no Clerk user holds this e-mail address as a verified one; the role is granted once somebody does",
	}
}

// releasedStatus is the status of a manifest whose address the user does not hold any more.
func releasedStatus(obs observation, u *v1alpha1.FitUser) v1alpha1.FitUserStatus {
	s := unboundStatus(obs, u, awaitingSignUp())
	if s.PreviousClerkUserID == "" {
		s.PreviousClerkUserID = u.Status.ClerkUserID
	}
	s.ClerkUserID = ""
	s.Profile, s.Clerk, s.Role, s.RoleSource, s.RoleRule, s.MarkerOwner = nil, nil, "", "", "", ""
	s.RowKey, s.RowDeletionAt, s.DeletionPolicy, s.AlteredColumns = "", nil, "", nil
	s.RoleHistory = nil // it is the former user's, whose other FitUser has taken it over
	return s
}

// unboundStatus is the status of a manifest that is bound to no user.
func unboundStatus(obs observation, u *v1alpha1.FitUser, waiting *syncError) v1alpha1.FitUserStatus {
	s := *u.Status.DeepCopy()
	s.ObservedGeneration = u.Generation
	s.LastHandledReconcile = reconcileRequest(u)
	own := observation{now: obs.now}
	own.fitUsers.Active = u
	setConditions(&s, own, result{clerk: waiting, row: waiting})
	return s
}

// changedHands reports whether another user holds the address of a manifest than the one who had it before, and the
// manifest grants the protected role: that role waits for a person.
func (o observation) changedHands(u *v1alpha1.FitUser) bool {
	before := u.Status.PreviousClerkUserID
	return u.Spec.Email != "" && before != "" && before != string(o.id) &&
		user.Role(u.Spec.Role) == o.policy.Roles.Protected() && u.Annotations[v1alpha1.AnnotationRebind] != string(o.id)
}

// addressChangedHands returns why the protected role is not granted; nil when it is, or is not desired. The result has type
// error, because a nil pointer in an error is not nil.
func (o observation) addressChangedHands() error {
	active := o.fitUsers.Active
	if active == nil || !o.changedHands(active) || o.expired(active) {
		return nil
	}
	return &syncError{
		reason: v1alpha1.ReasonAddressChangedHands, stalled: true,
		message: fmt.Sprintf("%s held this e-mail address before, now %s does. The role %s does not follow by itself: if the new user "+
			"should have it, annotate this FitUser with %s=%s", active.Status.PreviousClerkUserID, o.id, active.Spec.Role,
			v1alpha1.AnnotationRebind, o.id),
	}
}

// AddressHandler turns watch events into requests to find the holder of an address.
func (r *Reconciler) AddressHandler() handler.TypedEventHandler[*v1alpha1.FitUser, string] {
	return handler.TypedFuncs[*v1alpha1.FitUser, string]{
		CreateFunc: func(_ context.Context, e event.TypedCreateEvent[*v1alpha1.FitUser], q addressQueue) {
			if isUnbound(e.Object) && (!e.IsInInitialList || neverResolved(e.Object)) {
				q.Add(user.NormalizeEmail(e.Object.Spec.Email))
			}
		},
		UpdateFunc: func(_ context.Context, e event.TypedUpdateEvent[*v1alpha1.FitUser], q addressQueue) {
			released := e.ObjectOld.UserID() != ""
			if isUnbound(e.ObjectNew) && (released || relevantChange(e.ObjectOld, e.ObjectNew)) {
				q.Add(user.NormalizeEmail(e.ObjectNew.Spec.Email))
			}
		},
	}
}

// neverResolved reports whether the search for the holder of a manifest's address has not ended yet. All other unbound
// manifests wait for a sign-up, which an event or a sweep reports.
func neverResolved(u *v1alpha1.FitUser) bool {
	return u.Status.ObservedGeneration != u.Generation || !meta.IsStatusConditionTrue(u.Status.Conditions, v1alpha1.ConditionReady)
}

// addressReconciler finds the holders of addresses for the controller.
type addressReconciler struct{ *Reconciler }

// Reconcile implements reconcile.TypedReconciler.
func (a addressReconciler) Reconcile(ctx context.Context, address string) (reconcile.Result, error) {
	requeue, err := a.ReconcileAddress(ctx, address)
	return reconcile.Result{RequeueAfter: requeue.After}, err
}

// addressQueue holds the addresses whose holder is to be found.
type addressQueue = workqueue.TypedRateLimitingInterface[string]
