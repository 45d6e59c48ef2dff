package store

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fitai/fituser-operator/internal/user"
)

// Counted is s, with every call counted and timed.
func Counted(s Store, registerer prometheus.Registerer) Store {
	return counted{s, newMetrics(registerer)}
}

type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func newMetrics(registerer prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fituser_table_requests_total",
			Help: "Calls for rows of the users table, by operation and what became of them.",
		}, []string{"operation", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "fituser_table_request_duration_seconds",
			Help: "Seconds that a call for rows took, the wait for a connection and repetitions included, by operation.",
			// A call is given up after ten seconds from its turn on.
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 15),
		}, []string{"operation"}),
	}
	for _, o := range []operation{opGet, opScan, opPut, opDelete} {
		m.seconds.WithLabelValues(string(o))
		// Those that the alert is about begin with 0: a counter that appears with its first event shows no increase.
		for _, begun := range []outcome{
			outcomeOK, outcomeUnavailable, outcomeReadOnly, outcomeRefused, outcomeStorage, outcomeMismatch,
		} {
			m.requests.WithLabelValues(string(o), string(begun))
		}
	}
	registerer.MustRegister(m.requests, m.seconds)
	return m
}

// operation and outcome are the labels' closed sets. A name once published stays.
type (
	operation string
	outcome   string
)

const (
	opGet    operation = "get"
	opScan   operation = "scan"
	opPut    operation = "put"
	opDelete operation = "delete"
)

const (
	outcomeOK         outcome = "ok"
	outcomeNotFound   outcome = "not_found"
	outcomeConflict   outcome = "conflict"
	outcomeEmailTaken outcome = "email_taken"
	outcomeRowInUse   outcome = "row_in_use"
	outcomeInvalid    outcome = "invalid_data"
	outcomeCancelled  outcome = "cancelled" // the caller did not wait, or held the write back

	// What is wrong with the database or the table, whoever is asked for.
	outcomeUnavailable outcome = "unavailable"
	outcomeReadOnly    outcome = "read_only"
	outcomeRefused     outcome = "refused" // the login, or the statement to it
	outcomeStorage     outcome = "storage"
	outcomeMismatch    outcome = "mismatch" // the table does not fit
)

func outcomeOf(err error) outcome {
	var taken *EmailTakenError
	var schema *SchemaError
	switch {
	case err == nil:
		return outcomeOK
	case errors.As(err, &taken):
		return outcomeEmailTaken
	case errors.As(err, &schema):
		return outcomeMismatch
	}
	for _, known := range []struct {
		class   error
		outcome outcome
	}{
		{ErrNotFound, outcomeNotFound}, {ErrConflict, outcomeConflict}, {ErrRowInUse, outcomeRowInUse}, {ErrInvalidData, outcomeInvalid},
		{ErrReadOnly, outcomeReadOnly}, {ErrForbidden, outcomeRefused}, {ErrStorage, outcomeStorage},
		{context.Canceled, outcomeCancelled}, {context.DeadlineExceeded, outcomeCancelled}, {errHeldBack, outcomeCancelled},
	} {
		if errors.Is(err, known.class) {
			return known.outcome
		}
	}
	return outcomeUnavailable
}

func (m *metrics) observe(o operation, since time.Time, err error) {
	m.requests.WithLabelValues(string(o), string(outcomeOf(err))).Inc()
	m.seconds.WithLabelValues(string(o)).Observe(time.Since(since).Seconds())
}

// counted is a [Store] whose calls are counted.
type counted struct {
	store   Store
	metrics *metrics
}

var _ Store = counted{}

// Get implements [Store].
func (c counted) Get(ctx context.Context, id user.ID) (user.Row, error) {
	began := time.Now()
	row, err := c.store.Get(ctx, id)
	c.metrics.observe(opGet, began, err)
	return row, err
}

// Scan implements [Store].
func (c counted) Scan(ctx context.Context, after user.ID, limit int) ([]user.Row, error) {
	began := time.Now()
	rows, err := c.store.Scan(ctx, after, limit)
	c.metrics.observe(opScan, began, err)
	return rows, err
}

// Put implements [Store].
func (c counted) Put(ctx context.Context, row user.Row, moves []Move) error {
	began := time.Now()
	err := c.store.Put(ctx, row, moves)
	c.metrics.observe(opPut, began, err)
	return err
}

// Delete implements [Store].
func (c counted) Delete(ctx context.Context, id user.ID) (removed bool, err error) {
	began := time.Now()
	removed, err = c.store.Delete(ctx, id)
	c.metrics.observe(opDelete, began, err)
	return removed, err
}
