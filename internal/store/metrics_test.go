package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/store/storetest"
	"github.com/fitai/fituser-operator/internal/user"
)

func TestCallsAreCountedByOperationAndOutcome(t *testing.T) {
	t.Parallel()
	db, err := store.Open(storetest.SQLite(t), store.Options{CreateTable: true})
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	table := store.Counted(db, registry)
	put := func(id user.ID, email string) { // what matters here is what was counted
		_ = table.Put(t.Context(), user.Row{ID: id, Email: email, Role: user.Client}, nil)
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
	gone, leave := context.WithCancel(t.Context())
	leave()
	get(gone, "user_jane")
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

// failing is a table whose every call fails in the same way.
type failing struct {
	store.Store
	err error
}

func (f failing) Get(context.Context, user.ID) (user.Row, error) { return user.Row{}, f.err }

// A write that the operator itself holds back says nothing of the database: nobody is to be called for it.
func TestAWriteThatIsHeldBackIsNoFailureOfTheDatabase(t *testing.T) {
	t.Parallel()
	forbid := func() error { return errors.New("not any more") }
	db, err := store.Open(storetest.SQLite(t), store.Options{BeforeWrite: forbid})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	registry := prometheus.NewRegistry()
	_, err = store.Counted(db, registry).Delete(t.Context(), "user_jane")
	if diff := cmp.Diff(map[call]float64{{"delete", "cancelled"}: 1}, calls(t, registry)); diff != "" {
		t.Errorf("%v is counted as (-want +got):\n%s", err, diff)
	}
}

func TestEveryFailureHasItsOutcome(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"ok": nil, "not_found": store.ErrNotFound, "conflict": store.ErrConflict, "email_taken": &store.EmailTakenError{},
		"row_in_use": &store.Error{Class: store.ErrRowInUse}, "invalid_data": &store.Error{Class: store.ErrInvalidData},
		"cancelled": context.DeadlineExceeded, "unavailable": &store.Error{Class: store.ErrUnavailable},
		"read_only": &store.Error{Class: store.ErrReadOnly}, "refused": &store.Error{Class: store.ErrForbidden},
		"storage": &store.Error{Class: store.ErrStorage}, "mismatch": &store.SchemaError{},
	} {
		registry := prometheus.NewRegistry()
		if err != nil {
			err = fmt.Errorf("reading row of user_jane: %w", err)
		}
		_, _ = store.Counted(failing{err: err}, registry).Get(t.Context(), "user_jane")
		if diff := cmp.Diff(map[call]float64{{"get", want}: 1}, calls(t, registry)); diff != "" {
			t.Errorf("%v is counted as another outcome (-want +got):\n%s", err, diff)
		}
	}
}

type call struct{ operation, outcome string }

// calls are the calls counted, by label, with every call in the histogram as well.
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
	for operation, left := range timed {
		if left != 0 {
			t.Errorf("%s: calls timed less calls counted: %v", operation, left)
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
