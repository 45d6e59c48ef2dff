package clerk

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/fitai/fituser-operator/internal/user"
)

// Instrumented returns a client that records a span for each call for one user. The span includes the wait for the rate
// limit. Calls for many users have no span: no trace of a user contains them. [New] registers the metrics, because those
// count requests and not calls.
func Instrumented(client API, tracer trace.Tracer) API { return instrumented{client, tracer} }

type instrumented struct {
	API
	tracer trace.Tracer
}

// Get implements [Client]. A user who does not exist is an answer and not an error.
func (c instrumented) Get(ctx context.Context, id user.ID) (user.User, error) {
	ctx, span := c.tracer.Start(ctx, "Clerk: read user")
	defer span.End()
	u, err := c.API.Get(ctx, id)
	if KindOf(err) != NotFound {
		setSpanError(span, err)
	}
	return u, err
}

// FindByEmail implements [Client]. The span does not contain the address.
func (c instrumented) FindByEmail(ctx context.Context, address string) ([]user.User, error) {
	ctx, span := c.tracer.Start(ctx, "Clerk: find users by e-mail")
	defer span.End()
	users, err := c.API.FindByEmail(ctx, address)
	setSpanError(span, err)
	return users, err
}

// WriteRole implements [Client].
func (c instrumented) WriteRole(
	ctx context.Context, id user.ID, change user.RoleChange, marker user.Marker,
) (user.User, error) {
	ctx, span := c.tracer.Start(ctx, "Clerk: write role", trace.WithAttributes(
		attribute.String("fituser.change", change.String())))
	defer span.End()
	u, err := c.API.WriteRole(ctx, id, change, marker)
	setSpanError(span, err)
	return u, err
}

// SetExternalID implements [ExternalIDs].
func (c instrumented) SetExternalID(ctx context.Context, id user.ID, externalID string) (user.User, error) {
	ctx, span := c.tracer.Start(ctx, "Clerk: set external id")
	defer span.End()
	u, err := c.API.SetExternalID(ctx, id, externalID)
	setSpanError(span, err)
	return u, err
}

// FindByExternalID implements [ExternalIDs]. The span does not contain the ids.
func (c instrumented) FindByExternalID(ctx context.Context, ids []string) (map[string]user.User, error) {
	ctx, span := c.tracer.Start(ctx, "Clerk: find users by external id")
	defer span.End()
	users, err := c.API.FindByExternalID(ctx, ids)
	setSpanError(span, err)
	return users, err
}

// setSpanError records the kind of an error and not its text, which can contain what Clerk answered.
func setSpanError(span trace.Span, err error) {
	if err != nil {
		span.SetStatus(codes.Error, string(KindOf(err)))
	}
}
