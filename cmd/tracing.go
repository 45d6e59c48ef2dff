package main

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// tracedStore makes a span of each call for one row.
type tracedStore struct {
	store.Store
	tracer trace.Tracer
}

// Get implements store.Store.
func (s tracedStore) Get(ctx context.Context, id user.ID) (user.Row, error) {
	ctx, span := s.tracer.Start(ctx, "row: read")
	row, err := s.Store.Get(ctx, id)
	endRow(span, err)
	return row, err
}

// Put implements store.Store.
func (s tracedStore) Put(ctx context.Context, row user.Row, moves []store.Move) error {
	ctx, span := s.tracer.Start(ctx, "row: write")
	err := s.Store.Put(ctx, row, moves)
	endRow(span, err)
	return err
}

// Delete implements store.Store.
func (s tracedStore) Delete(ctx context.Context, id user.ID) (bool, error) {
	ctx, span := s.tracer.Start(ctx, "row: delete")
	removed, err := s.Store.Delete(ctx, id)
	endRow(span, err)
	return removed, err
}

// endRow says that it failed, and not how: the FitUser does, and the text of a driver is none for a trace.
func endRow(span trace.Span, err error) {
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		span.SetStatus(codes.Error, "failed")
	}
	span.End()
}
