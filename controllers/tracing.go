package controllers

import (
	"context"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/tracing"
)

// beginSpan begins the span of one look at a user. It belongs to the webhook's trace until that event is dealt with.
func (r *Reconciler) beginSpan(ctx context.Context, k *known) (context.Context, trace.Span) {
	attributes := []attribute.KeyValue{attribute.String("clerk.user.id", string(k.id)), attribute.Bool("fituser.swept", k.swept)}
	if k.hint.MessageID != "" && !r.eventDealtWith(k) {
		ctx = tracing.Continue(ctx, k.hint.Trace)
		attributes = append(attributes, attribute.String("svix.id", k.hint.MessageID))
	}
	return r.Tracer.Start(ctx, "reconcile", trace.WithAttributes(attributes...))
}

// endSpan ends it with what is wrong, if anything is.
func (k *known) endSpan(span trace.Span) {
	span.SetAttributes(
		attribute.String("fituser.clerk", k.clerkTrouble.reasonOrSynced()),
		attribute.String("fituser.row", k.rowTrouble.reasonOrSynced()),
	)
	span.End()
}

// eventDealtWith reports whether the last event was dealt with. Some FitUser says so: one that takes over from another finds it
// there. Of an event that changed nothing none does, and it is remembered. While the operator still tries, it is not dealt
// with; what waits for a person is nobody's delay.
func (r *Reconciler) eventDealtWith(k *known) bool {
	if message, ok := r.dealt.Load(k.id); ok && message == k.hint.MessageID {
		return true
	}
	return slices.ContainsFunc(k.all(), func(u *v1alpha1.FitUser) bool {
		return u.Status.ObservedHint == k.hint.MessageID &&
			!meta.IsStatusConditionTrue(u.Status.Conditions, v1alpha1.ConditionReconciling)
	})
}

// noteDealt remembers that the last event is dealt with, where no status says it.
func (r *Reconciler) noteDealt(k *known) {
	tried := k.first(func(t *trouble) bool { return !t.stalled }) == nil
	if tried && !k.gone && k.hint.MessageID != "" && !r.eventDealtWith(k) {
		r.dealt.Store(k.id, k.hint.MessageID)
	}
}
