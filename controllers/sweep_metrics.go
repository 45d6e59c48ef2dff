package controllers

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

// sweepMetrics are what the sweep finds, and what becomes of it.
type sweepMetrics struct {
	driftFound, driftRepaired, webhooksMissed          *prometheus.CounterVec
	sweepSeconds                                       prometheus.Histogram
	sweepFailures                                      prometheus.Counter
	sweepUsers, sweepExpected, sweepSuccess, strangers prometheus.Gauge
	deletionsHeld, sweepPeriod                         prometheus.Gauge
}

func newSweepMetrics(registerer prometheus.Registerer) sweepMetrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	m := sweepMetrics{
		driftFound: counter("fituser_drift_found_total",
			"Differences that a sweep found, by place (clerk, fituser, table) and field.", "place", "field"),
		driftRepaired: counter("fituser_drift_repaired_total",
			"Differences that a sweep found and the reconciler repaired, by place and field.", "place", "field"),
		webhooksMissed: counter("fituser_webhooks_missed_total",
			"Changes in Clerk that a sweep found and no webhook had told of, by event type.", "type"),
		sweepSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "fituser_sweep_duration_seconds", Help: "Seconds that a sweep took.",
			Buckets: prometheus.ExponentialBuckets(0.1, 2, 14),
		}),
		sweepFailures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fituser_sweep_failures_total", Help: "Sweeps that failed and concluded nothing.",
		}),
		sweepUsers:    gauge("fituser_sweep_users_seen", "Users that the running or last sweep has seen in Clerk."),
		sweepExpected: gauge("fituser_sweep_users_expected", "Users that Clerk said to have when that sweep began."),
		sweepSuccess:  gauge("fituser_sweep_last_success_timestamp_seconds", "When the last whole sweep ended."),
		strangers:     gauge("fituser_orphaned_rows", "Rows without a Clerk user and without a FitUser. They are never touched."),
		deletionsHeld: gauge("fituser_deletions_deferred", "Users whose row or right would go, and is held back."),
		sweepPeriod:   gauge("fituser_sweep_period_seconds", "Seconds between two sweeps at most (--sync-period); 0 on a replica that does not lead."),
	}
	for _, eventType := range []v1alpha1.EventType{v1alpha1.UserCreated, v1alpha1.UserUpdated, v1alpha1.UserDeleted} {
		m.missedOf(eventType)
	}
	m.beginDrift()
	registerer.MustRegister(m.driftFound, m.driftRepaired, m.webhooksMissed, m.sweepSeconds, m.sweepFailures,
		m.sweepUsers, m.sweepExpected, m.sweepSuccess, m.strangers, m.deletionsHeld, m.sweepPeriod)
	return m
}

// The fields of drift that are no column of the row.
const (
	driftMissing = "missing"
	driftRole    = "role"
	driftStatus  = "status"
)

// beginDrift makes the counters of drift begin with 0: one that appears with its first event shows no increase.
func (m *sweepMetrics) beginDrift() {
	fields := map[string][]string{
		"clerk":   {driftRole},
		"fituser": {driftMissing, driftStatus},
		"table": {driftMissing, string(user.ColumnEmail), string(user.ColumnFirstName), string(user.ColumnLastName),
			string(user.ColumnPhone), string(user.ColumnRole)},
	}
	for place := range fields {
		for _, field := range fields[place] {
			m.driftFound.WithLabelValues(place, field)
			m.driftRepaired.WithLabelValues(place, field)
		}
	}
}

// foundDrift counts a difference that the sweep found. Differences found otherwise are no drift: an event or a manifest
// asked for the change.
func (m *sweepMetrics) foundDrift(k *known, place, field string) {
	if k.swept {
		m.driftFound.WithLabelValues(place, field).Inc()
	}
}

// repairedDrift counts one that is gone now.
func (m *sweepMetrics) repairedDrift(k *known, place, field string) {
	if k.swept {
		m.driftRepaired.WithLabelValues(place, field).Inc()
	}
}

// driftOfRow gives the fields in which a row differs; a row that is not there is one of its own.
func driftOfRow(exists bool, changes []user.Column) []string {
	if !exists {
		return []string{driftMissing}
	}
	fields := make([]string, len(changes))
	for i, column := range changes {
		fields[i] = string(column)
	}
	return fields
}

func (m *sweepMetrics) missed(eventType v1alpha1.EventType) {
	m.missedOf(eventType).Inc()
}

func (m *sweepMetrics) missedOf(eventType v1alpha1.EventType) prometheus.Counter {
	return m.webhooksMissed.WithLabelValues(string(eventType))
}

func (m *sweepMetrics) sweepProgress(r Report) {
	m.sweepUsers.Set(float64(r.Users))
	m.sweepExpected.Set(float64(r.Expected))
}

func (m *sweepMetrics) sweepTook(took time.Duration, r Report, err error) {
	m.sweepSeconds.Observe(took.Seconds())
	if err != nil {
		m.sweepFailures.Inc()
		return
	}
	if r.Whole { // of a listing that lacks somebody nothing can be said about who is missing
		m.strangers.Set(float64(r.Strangers))
		m.sweepSuccess.SetToCurrentTime()
	}
}
