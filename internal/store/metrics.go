package store

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics counts and times the calls of [Instrumented].
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func newMetrics(registerer prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fituser_table_requests_total",
			Help: "Calls to the users table, by operation and outcome.",
		}, []string{"operation", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "fituser_table_request_duration_seconds",
			Help: "Duration of calls to the users table, including the wait for a connection and retries, by operation.",
			// StatementTimeout ends a call ten seconds after it has its slot.
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 15),
		}, []string{"operation"}),
	}
	for _, o := range []operation{opGet, opScan, opFind, opPut, opUpdate, opDelete, opRekey} {
		m.seconds.WithLabelValues(string(o))
		// The outcomes of the alert start at 0: a counter that appears with its first event shows no increase.
		for _, initial := range []outcome{
			outcomeOK, outcomeUnavailable, outcomeReadOnly, outcomeRefused, outcomeStorage, outcomeMismatch,
		} {
			m.requests.WithLabelValues(string(o), string(initial))
		}
	}
	registerer.MustRegister(m.requests, m.seconds)
	return m
}

// operation and outcome are the values of the labels. Published values do not change.
type (
	operation string
	outcome   string
)

const (
	opGet    operation = "get"
	opScan   operation = "scan"
	opFind   operation = "find"
	opPut    operation = "put"
	opUpdate operation = "update"
	opRekey  operation = "rekey"
	opDelete operation = "delete"
)

const (
	outcomeOK         outcome = "ok"
	outcomeNotFound   outcome = "not_found"
	outcomeConflict   outcome = "conflict"
	outcomeEmailTaken outcome = "email_taken"
	outcomeRowInUse   outcome = "row_in_use"
	outcomeInvalid    outcome = "invalid_data"
	outcomeTrigger    outcome = "trigger"
	outcomeCancelled  outcome = "cancelled" // the caller gave up, or BeforeWrite forbade the write

	// Failures of the database or the table, independent of the row.
	outcomeUnavailable outcome = "unavailable"
	outcomeReadOnly    outcome = "read_only"
	outcomeRefused     outcome = "refused" // the login, or its privileges
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
		{ErrTrigger, outcomeTrigger},
		{ErrReadOnly, outcomeReadOnly}, {ErrForbidden, outcomeRefused}, {ErrStorage, outcomeStorage},
		{context.Canceled, outcomeCancelled}, {context.DeadlineExceeded, outcomeCancelled}, {errFenced, outcomeCancelled},
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
