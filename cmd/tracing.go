package main

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/user"
)

// flushTime bounds the end of tracing: what the collector has not taken by then is lost.
const flushTime = 5 * time.Second

// tracedClerk makes a span of what one user's reconcile asks of Clerk, the wait for its turn included.
type tracedClerk struct {
	clerk.Client
	tracer trace.Tracer
}

// Get implements clerk.Client.
func (c tracedClerk) Get(ctx context.Context, id user.ID) (user.User, error) {
	ctx, span := c.tracer.Start(ctx, "Clerk: read user")
	u, err := c.Client.Get(ctx, id)
	if err != nil && clerk.KindOf(err) != clerk.NotFound {
		span.SetStatus(codes.Error, string(clerk.KindOf(err)))
	}
	span.End()
	return u, err
}

// WriteRole implements clerk.Client.
func (c tracedClerk) WriteRole(ctx context.Context, id user.ID, change user.RoleChange, role user.Role) (user.User, error) {
	ctx, span := c.tracer.Start(ctx, "Clerk: write role", trace.WithAttributes(attribute.String("fituser.change", change.String())))
	u, err := c.Client.WriteRole(ctx, id, change, role)
	if err != nil {
		span.SetStatus(codes.Error, string(clerk.KindOf(err)))
	}
	span.End()
	return u, err
}
