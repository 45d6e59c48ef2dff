package controllers

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/fitai/fituser-operator/api/v1alpha1"
)

// letGo acts on Clerk's word that there is no such user. The row goes if the FitUser says so and its status says that
// the operator has seen the user in Clerk; the operator's own FitUsers go; a person's stays and says what is so.
func (r *Reconciler) letGo(ctx context.Context, k *known) (reconcile.Result, error) {
	if k.serving == nil {
		return reconcile.Result{}, nil
	}
	k.clerkTrouble = &trouble{
		reason: v1alpha1.ReasonUserNotFound, stalled: true,
		message: "Clerk has no user with this id; waiting until it has",
	}
	k.rowTrouble = r.settleGoneRow(ctx, k)
	return r.conclude(ctx, k)
}

func (r *Reconciler) settleGoneRow(ctx context.Context, k *known) *trouble {
	switch {
	case !k.seen():
		return nil
	case k.serving.Spec.Suspend:
		return suspended("the row would be removed")
	case k.serving.Spec.DeletionPolicy == v1alpha1.DeletionPolicyRetain:
		k.retained = true
		return nil
	}
	removed, err := r.Store.Delete(ctx, k.id)
	if err != nil {
		return storeTrouble(err)
	}
	if removed {
		k.log.Info("User deleted in database")
		r.Metrics.rowWrites.WithLabelValues("delete").Inc()
		r.Metrics.observeEvent(k)
	}
	return nil
}
