package controllers

import (
	"context"
	"errors"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/store"
)

// letGo acts on Clerk's word that there is no such user. The row goes if the FitUser says so and its status says that
// the operator has seen the user in Clerk; the operator's own FitUsers go; a person's stays and says what is so.
func (r *Reconciler) letGo(ctx context.Context, k *known) (reconcile.Result, error) {
	r.Metrics.forget(k.id)
	r.lastWords.forget(k.id)
	r.dealt.Delete(k.id)
	if k.serving == nil {
		r.Deletions.Drop(k.id)
		r.unnoted.Delete(k.id)
		return reconcile.Result{}, nil
	}
	k.clerkTrouble = &trouble{
		reason: v1alpha1.ReasonUserNotFound, stalled: true,
		message: "Clerk has no user with this id: check it, or wait until the user has signed up",
	}
	if k.rowTrouble = r.settleGoneRow(ctx, k); k.outdated != nil {
		return tryAgain(k.outdated)
	}
	if k.rowTrouble == nil { // such as by a policy that says that the row stays
		r.Deletions.Drop(k.id)
	}
	return r.conclude(ctx, k)
}

func (r *Reconciler) settleGoneRow(ctx context.Context, k *known) *trouble {
	switch {
	case !r.sawInClerk(k.id, &k.fitUsers):
		return nil
	case !k.serving.Spec.Suspend && k.serving.Spec.DeletionPolicy == v1alpha1.DeletionPolicyRetain:
		k.retained = true
		return nil
	}
	if _, err := r.Store.Get(ctx, k.id); errors.Is(err, store.ErrNotFound) {
		return nil
	} else if err != nil {
		return storeTrouble(err)
	}
	if k.serving.Spec.Suspend {
		return suspended("remove the row")
	}
	return r.removeRow(ctx, k)
}

// removeRow removes the row, if the FitUsers are still as they were read and one more row may go.
func (r *Reconciler) removeRow(ctx context.Context, k *known) *trouble {
	if k.outdated = r.confirm(ctx, k); k.outdated != nil {
		return nil
	}
	if t := r.allowDeletion(ctx, k, "the user is gone from Clerk, and the row"); t != nil {
		return t
	}
	removed, err := r.Store.Delete(ctx, k.id)
	if err != nil {
		return storeTrouble(err)
	}
	r.unnoted.Delete(k.id)
	if removed {
		k.log.Info("User deleted in database")
		r.Metrics.rowWrites.WithLabelValues(rowDelete).Inc()
		r.observeEvent(k)
		if k.swept && k.hint.Type != v1alpha1.UserDeleted {
			r.Metrics.missed(v1alpha1.UserDeleted)
		}
	}
	return nil
}

// allowDeletion asks whether one more row or right may go in this period.
func (r *Reconciler) allowDeletion(ctx context.Context, k *known, what string) *trouble {
	allowed, err := r.Deletions.Allow(ctx, k.id)
	switch {
	case err != nil:
		return &trouble{
			reason: v1alpha1.ReasonDeletionDeferred, err: err,
			message: what + " waits: the ConfigMap " + ConfigMapName + " cannot be written",
		}
	case !allowed:
		return &trouble{
			reason: v1alpha1.ReasonDeletionDeferred, stalled: true,
			message: fmt.Sprintf("%s is held back: more would go in this period than --max-deletions allows. See the ConfigMap %s, "+
				"and annotate it %s=true if that is right", what, ConfigMapName, AnnotationAllowDeletions),
		}
	default:
		return nil
	}
}
