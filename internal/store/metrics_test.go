package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/store/storetest"
	"github.com/fitai/fituser-operator/internal/user"
)

func TestInstrumented_CountsByOperationAndOutcome(t *testing.T) {
	t.Parallel()
	db, err := store.Open(storetest.SQLite(t), store.Options{CreateTable: true})
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	table := store.Instrumented(db, registry, noop.NewTracerProvider().Tracer(""))
	put := func(id user.ID, email string) { // the test checks only the counters
		_ = storetest.Put(t.Context(), table, user.Row{ID: id, Email: email, Role: user.Client}, nil)
	}
	get := func(ctx context.Context, id user.ID) { _, _ = table.Get(ctx, id) }

	put("user_jane", "jane@example.com")
	put("user_joe", "jane@example.com")
	put("user_joe", "a\x00b")
	get(t.Context(), "user_jane")
	get(t.Context(), "user_joe")
	_, _ = table.Scan(t.Context(), "", 10)
	_, _ = table.Delete(t.Context(), "user_jane")
	_, _ = table.Delete(t.Context(), "user_jane")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	get(cancelled, "user_jane")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	_, _ = table.Scan(t.Context(), "", 10)

	want := map[call]float64{
		{"put", "ok"}: 1, {"put", "email_taken"}: 1, {"put", "invalid_data"}: 1,
		{"get", "ok"}: 1, {"get", "not_found"}: 1, {"get", "cancelled"}: 1,
		{"scan", "ok"}: 1, {"scan", "unavailable"}: 1, {"delete", "ok"}: 2,
	}
	if diff := cmp.Diff(want, calls(t, registry)); diff != "" {
		t.Errorf("fituser_table_requests_total (-want +got):\n%s", diff)
	}
}

// failing is a Store whose calls all return err.
type failing struct {
	store.Store
	err error
}

func (f failing) Get(context.Context, user.ID) (user.Row, error)         { return user.Row{}, f.err }
func (f failing) Scan(context.Context, user.ID, int) ([]user.Row, error) { return nil, f.err }
func (f failing) Put(context.Context, user.Row, []store.Move) (user.Row, error) {
	return user.Row{}, f.err
}
func (f failing) Delete(context.Context, user.ID) (bool, error) { return false, f.err }

// A fenced write is not a failure of the database and must not raise its alert.
func TestInstrumented_FencedWriteCountsAsCancelled(t *testing.T) {
	t.Parallel()
	forbid := func() error { return errors.New("writes are not allowed") }
	db, err := store.Open(storetest.SQLite(t), store.Options{BeforeWrite: forbid})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	registry := prometheus.NewRegistry()
	_, err = store.Instrumented(db, registry, noop.NewTracerProvider().Tracer("")).Delete(t.Context(), "user_jane")
	if diff := cmp.Diff(map[call]float64{{"delete", "cancelled"}: 1}, calls(t, registry)); diff != "" {
		t.Errorf("%v is counted as (-want +got):\n%s", err, diff)
	}
}

func TestInstrumented_OutcomeOfEveryError(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"ok": nil, "not_found": store.ErrNotFound, "conflict": store.ErrConflict, "email_taken": &store.EmailTakenError{},
		"row_in_use": &store.Error{Class: store.ErrRowInUse}, "invalid_data": &store.Error{Class: store.ErrInvalidData},
		"trigger":   &store.Error{Class: store.ErrTrigger},
		"cancelled": context.DeadlineExceeded, "unavailable": &store.Error{Class: store.ErrUnavailable},
		"read_only": &store.Error{Class: store.ErrReadOnly}, "refused": &store.Error{Class: store.ErrForbidden},
		"storage": &store.Error{Class: store.ErrStorage}, "mismatch": &store.SchemaError{},
	} {
		registry := prometheus.NewRegistry()
		if err != nil {
			err = fmt.Errorf("reading row of user_jane: %w", err)
		}
		_, _ = store.Instrumented(failing{err: err}, registry, noop.NewTracerProvider().Tracer("")).Get(t.Context(), "user_jane")
		if diff := cmp.Diff(map[call]float64{{"get", want}: 1}, calls(t, registry)); diff != "" {
			t.Errorf("%v is counted as another outcome (-want +got):\n%s", err, diff)
		}
	}
}

// A driver's text does not belong into a trace, and a missing row is a normal answer.
func TestInstrumented_RecordsSpans(t *testing.T) {
	t.Parallel()
	recorder := tracetest.NewSpanRecorder()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)).Tracer("")
	for _, err := range []error{nil, store.ErrNotFound, &store.Error{Class: store.ErrStorage, Cause: "canary"}} {
		table := store.Instrumented(failing{err: err}, prometheus.NewRegistry(), tracer)
		_, _ = table.Get(t.Context(), "user_jane")
		_, _ = table.Scan(t.Context(), "", 1)
		_ = storetest.Put(t.Context(), table, user.Row{}, nil)
		_, _ = table.Delete(t.Context(), "user_jane")
	}
	var got []string
	for _, span := range recorder.Ended() {
		got = append(got, strings.TrimSpace(span.Name()+" "+span.Status().Description))
	}
	want := []string{
		"row: read", "row: write", "row: delete", "row: read", "row: write", "row: delete",
		"row: read failed", "row: write failed", "row: delete failed",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
}

type call struct{ operation, outcome string }

// calls returns the counted calls by label. It fails unless the histogram has the same number of calls.
func calls(t *testing.T, registry *prometheus.Registry) map[call]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counts, timed := map[call]float64{}, map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if n := m.GetCounter().GetValue(); n > 0 {
				counts[call{label(m, "operation"), label(m, "outcome")}] = n
			}
			if n := m.GetHistogram().GetSampleCount(); n > 0 {
				timed[label(m, "operation")] = float64(n)
			}
		}
	}
	for c, n := range counts {
		timed[c.operation] -= n
	}
	for operation, difference := range timed {
		if difference != 0 {
			t.Errorf("%s: timed calls minus counted calls: %v", operation, difference)
		}
	}
	return counts
}

func label(m *dto.Metric, name string) string {
	for _, pair := range m.GetLabel() {
		if pair.GetName() == name {
			return pair.GetValue()
		}
	}
	return ""
}
