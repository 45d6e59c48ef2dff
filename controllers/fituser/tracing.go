package fituser

import (
	"context"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/tracing"
)

// startSpan starts the span of one reconcile. It belongs to the webhook's trace until that event is handled.
func (r *Reconciler) startSpan(ctx context.Context, obs observation) (context.Context, trace.Span) {
	attributes := []attribute.KeyValue{attribute.String("clerk.user.id", string(obs.id)), attribute.Bool("fituser.swept", obs.swept)}
	if obs.hint.MessageID != "" && !eventHandled(obs) {
		ctx = tracing.Continue(ctx, obs.hint.Trace)
		attributes = append(attributes, attribute.String("svix.id", obs.hint.MessageID))
	}
	return r.Tracer.Start(ctx, "reconcile", trace.WithAttributes(attributes...))
}

// annotateSpan adds the reason of each side.
func annotateSpan(span trace.Span, res result) {
	span.SetAttributes(
		attribute.String("fituser.clerk", conditionOf(res.clerk, "").Reason),
		attribute.String("fituser.row", conditionOf(res.row, "").Reason),
	)
}

// eventHandled reports whether the latest event is fully processed: a status that is not Reconciling has observed it.
// Stalled counts as processed, because it waits for a person.
func eventHandled(obs observation) bool {
	return slices.ContainsFunc(obs.fitUsers.All(), func(u *v1alpha1.FitUser) bool {
		return u.Status.ObservedHint == obs.hint.MessageID &&
			!meta.IsStatusConditionTrue(u.Status.Conditions, v1alpha1.ConditionReconciling)
	})
}

// causedByEvent reports whether the event of the hint is why this reconcile writes the row. A status does not observe an
// event that changed nothing, so such an event looks unhandled for ever. It is not the cause when the sweep found the
// difference, or when a manifest is new or has changed since the last status.
func causedByEvent(obs observation) bool {
	return obs.hint.EventAt != 0 && !obs.swept && !specChanged(obs.fitUsers.Active) && !eventHandled(obs)
}

// specChanged reports whether a person has created or edited the spec since the last status.
func specChanged(active *v1alpha1.FitUser) bool {
	if active == nil || active.Status.ObservedGeneration == active.Generation {
		return false
	}
	createdByOperator := active.ManagedByOperator() && active.Generation == 1
	return !createdByOperator
}
