package receiver

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fitai/fituser-operator/api/v1alpha1"
)

// The values of the type label apart from the three event types. What a sender writes is never a label.
const (
	typeOther = "other" // verified, and of a type that is not handled
	typeNone  = "none"  // refused before its type was known
)

type metrics struct {
	events       *prometheus.CounterVec
	seconds      *prometheus.HistogramVec
	lastVerified prometheus.Gauge
}

func newMetrics(registerer prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fituser_webhook_events_total",
			Help: "Requests to the webhook receiver by type of event and what became of them.",
		}, []string{"type", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "fituser_webhook_duration_seconds",
			Help: "Seconds from a webhook's arrival to its answer, by the answer's HTTP status.",
			// Clerk's sender gives up after 15 s; the receiver answers before that, whatever happens.
			Buckets: []float64{.0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 15},
		}, []string{"code"}),
		lastVerified: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "fituser_webhook_last_verified_timestamp_seconds",
			Help: "Time of the last request whose signature was right, 0 when there was none yet.",
		}),
	}
	m.begin()
	for _, c := range []prometheus.Collector{m.events, m.seconds, m.lastVerified} {
		if err := registerer.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// begin makes the counters that alerts are about begin with 0: one that appears with its first event shows no increase.
func (m *metrics) begin() {
	for _, kind := range []v1alpha1.EventType{v1alpha1.UserCreated, v1alpha1.UserUpdated, v1alpha1.UserDeleted} {
		for _, o := range []outcome{recorded, unavailable, rejectedByAPI, rejectedInstance, failed} {
			m.events.WithLabelValues(string(kind), string(o))
		}
	}
	for _, o := range []outcome{rejectedSignature, rejectedTimestamp, noSecret, overloaded, failed} {
		m.events.WithLabelValues(typeNone, string(o))
	}
	m.seconds.WithLabelValues(strconv.Itoa(http.StatusOK))
}

func (m *metrics) count(v visit, o outcome) {
	m.events.WithLabelValues(typeLabel(v.event.kind), string(o)).Inc()
	if v.verified {
		m.lastVerified.Set(float64(v.at.Unix()))
	}
}

func (m *metrics) answered(status int, took time.Duration) {
	m.seconds.WithLabelValues(strconv.Itoa(status)).Observe(took.Seconds())
}

func typeLabel(kind v1alpha1.EventType) string {
	switch {
	case kind == "":
		return typeNone
	case concernsUser(kind):
		return string(kind)
	default:
		return typeOther
	}
}
