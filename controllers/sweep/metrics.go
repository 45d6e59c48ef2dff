package sweep

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics records how sweeps run and what they find.
type Metrics struct {
	duration                                           prometheus.Histogram
	failures                                           prometheus.Counter
	users, expected, lastSuccess, orphanedRows, period prometheus.Gauge
}

// NewMetrics makes the metrics and registers them.
func NewMetrics(registerer prometheus.Registerer) *Metrics {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	m := &Metrics{
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "fituser_sweep_duration_seconds", Help: "Duration of a sweep in seconds.",
			Buckets: prometheus.ExponentialBuckets(0.1, 2, 14),
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fituser_sweep_failures_total", Help: "Sweeps that failed and concluded nothing.",
		}),
		users:        gauge("fituser_sweep_users_seen", "Users that the running or last sweep has listed in Clerk."),
		expected:     gauge("fituser_sweep_users_expected", "Clerk's own count of users when that sweep began."),
		lastSuccess:  gauge("fituser_sweep_last_success_timestamp_seconds", "Unix time at which the last complete sweep ended."),
		orphanedRows: gauge("fituser_orphaned_rows", "Rows without a Clerk user and without a FitUser. The operator never touches them."),
		period:       gauge("fituser_sweep_period_seconds", "Longest time between two sweeps in seconds (--sync-period); 0 on a replica that does not lead."),
	}
	registerer.MustRegister(m.duration, m.failures, m.users, m.expected, m.lastSuccess, m.orphanedRows, m.period)
	return m
}

func (m *Metrics) setProgress(r Report) {
	m.users.Set(float64(r.Users))
	m.expected.Set(float64(r.Expected))
}

func (m *Metrics) finished(took time.Duration, r Report, err error) {
	m.duration.Observe(took.Seconds())
	if err != nil {
		m.failures.Inc()
		return
	}
	if r.Complete { // an incomplete listing shows neither orphaned rows nor success
		m.orphanedRows.Set(float64(r.OrphanedRows))
		m.lastSuccess.SetToCurrentTime()
	}
}
