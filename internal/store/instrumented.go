package store

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/fitai/fituser-operator/internal/user"
)

// Instrumented returns a [Store] that delegates to s, counts and times every call, and records a span of every call for
// one row. Scan has no span: it belongs to no user's trace.
func Instrumented(s Store, registerer prometheus.Registerer, tracer trace.Tracer) Store {
	return instrumented{store: s, metrics: newMetrics(registerer), tracer: tracer}
}

type instrumented struct {
	store   Store
	metrics *metrics
	tracer  trace.Tracer
}

// start starts the span of a call. The returned function records the call's outcome in the span and the metrics.
func (i instrumented) start(ctx context.Context, o operation, name string) (_ context.Context, end func(error)) {
	began := time.Now()
	ctx, span := i.tracer.Start(ctx, name)
	return ctx, func(err error) {
		i.metrics.observe(o, began, err)
		if err != nil && !errors.Is(err, ErrNotFound) {
			span.SetStatus(codes.Error, "failed") // the FitUser's condition has the reason; a driver's text is not for traces
		}
		span.End()
	}
}

// Get implements [Store].
func (i instrumented) Get(ctx context.Context, key user.ID) (user.Row, error) {
	ctx, end := i.start(ctx, opGet, "row: read")
	row, err := i.store.Get(ctx, key)
	end(err)
	return row, err
}

// Scan implements [Store].
func (i instrumented) Scan(ctx context.Context, after user.ID, limit int) ([]user.Row, error) {
	began := time.Now()
	rows, err := i.store.Scan(ctx, after, limit)
	i.metrics.observe(opScan, began, err)
	return rows, err
}

// Table implements [Store].
func (i instrumented) Table() Table { return i.store.Table() }

// FindUnclaimed implements [Store].
func (i instrumented) FindUnclaimed(ctx context.Context, ownKey string, addresses []string) ([]Holder, error) {
	ctx, end := i.start(ctx, opFind, "row: find unclaimed")
	found, err := i.store.FindUnclaimed(ctx, ownKey, addresses)
	end(err)
	return found, err
}

// Put implements [Store].
func (i instrumented) Put(ctx context.Context, row user.Row, moves []Move) (user.Row, error) {
	ctx, end := i.start(ctx, opPut, "row: write")
	stored, err := i.store.Put(ctx, row, moves)
	end(err)
	return stored, err
}

// Update implements [Store].
func (i instrumented) Update(ctx context.Context, row user.Row) (user.Row, error) {
	ctx, end := i.start(ctx, opUpdate, "row: update")
	stored, err := i.store.Update(ctx, row)
	end(err)
	return stored, err
}

// Rekey implements [Store].
func (i instrumented) Rekey(ctx context.Context, holder Holder, key user.ID) error {
	ctx, end := i.start(ctx, opRekey, "row: rekey")
	err := i.store.Rekey(ctx, holder, key)
	end(err)
	return err
}

// Delete implements [Store].
func (i instrumented) Delete(ctx context.Context, key user.ID) (removed bool, err error) {
	ctx, end := i.start(ctx, opDelete, "row: delete")
	removed, err = i.store.Delete(ctx, key)
	end(err)
	return removed, err
}
