package fituser

import (
	"context"
	"fmt"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/state"
)

// allowDeletion asks the budget whether one more row may be deleted, or role revoked, in this period.
func (r *Reconciler) allowDeletion(ctx context.Context, obs observation, what string) error {
	allowed, err := r.Budget.Allow(ctx, obs.id)
	switch {
	case err != nil:
		return &syncError{
			reason: v1alpha1.ReasonDeletionDeferred, cause: err,
			message: what + " waits: the ConfigMap " + state.ConfigMapName + " cannot be read or written",
		}
	case !allowed:
		return &syncError{
			reason: v1alpha1.ReasonDeletionDeferred, stalled: true,
			message: fmt.Sprintf("%s is deferred: the deletion budget of this period (--max-deletions) is spent. If the deletions are "+
				"intended, annotate the ConfigMap %s with %s=true", what, state.ConfigMapName, state.AnnotationAllowDeletions),
		}
	default:
		return nil
	}
}
