package receiver

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/tracing"
)

// recorder records events as hints.
type recorder struct {
	tracer    trace.Tracer
	timeout   time.Duration // Limits.Record
	coalescer *coalescer
	writer    hintWriter
}

func newRecorder(config Config) recorder {
	return recorder{
		tracer:    config.Tracer,
		timeout:   config.Limits.Record,
		coalescer: newCoalescer(),
		writer: hintWriter{
			namespace: config.Namespace,
			writer:    config.Writer,
			cache:     config.Cache,
			live:      config.Live,
			timeout:   config.Limits.Try,
		},
	}
}

// record records the event of a verified request, in a span of its own: unauthenticated clients cause no span. See
// [recorder.writeHint] for the error.
func (r *recorder) record(req *request) error {
	ctx, span := r.tracer.Start(req.Context(), "webhook",
		trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(req.receivedAt),
		trace.WithAttributes(
			attribute.String("svix.id", req.delivery.messageID),
			attribute.String("clerk.event", string(req.event.eventType)),
			attribute.String("clerk.user.id", string(req.event.userID))))
	defer span.End()
	hint := newHint(req)
	hint.Trace = tracing.Parent(ctx)
	err := r.writeHint(ctx, req, hint)
	span.SetAttributes(attribute.String("fituser.outcome", string(outcomeOf(err))))
	return err
}

// newHint returns the hint of an event.
func newHint(req *request) v1alpha1.Hint {
	hint := v1alpha1.Hint{
		MessageID: req.delivery.messageID, Type: req.event.eventType,
		UserUpdatedAt: req.event.updatedAt, EventAt: req.event.occurredAt, ReceivedAt: req.receivedAt.UnixMilli(),
	}
	if hint.Type == v1alpha1.UserDeleted { // carries no updated_at
		hint.UserUpdatedAt = hint.EventAt
	}
	return hint
}

// writeHint returns nil, duplicate or ignored once the event is durable, and an error with another outcome otherwise. It
// retries transient errors up to Limits.Record, because Svix waits five minutes after a second 503.
func (r *recorder) writeHint(ctx context.Context, req *request, hint v1alpha1.Hint) error {
	limited, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	id := req.event.userID
	err := r.coalescer.coalesce(limited, id, hint, func(pending hints) error { return r.writer.write(limited, id, pending) })
	switch {
	case isTerminal(err):
		return err
	case ctx.Err() != nil:
		return abandoned
	default:
		return fmt.Errorf("%w within %s: %w", unavailable, r.timeout, err)
	}
}
