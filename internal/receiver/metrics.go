package receiver

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fitai/fituser-operator/api/v1alpha1"
)

// Values of the type label besides [v1alpha1.EventTypes]. Text from a sender never becomes a label.
const (
	typeOther = "other" // verified, with a type that is not handled
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
			Help: "Requests to the webhook receiver, by event type and outcome.",
		}, []string{"type", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "fituser_webhook_duration_seconds",
			Help: "Seconds from a webhook's arrival to its response, by HTTP status.",
			// Clerk's sender gives up after 15 s; the receiver always responds before that.
			Buckets: []float64{.0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 15},
		}, []string{"code"}),
		lastVerified: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "fituser_webhook_last_verified_timestamp_seconds",
			Help: "Time of the last request with a valid signature, 0 before the first.",
		}),
	}
	m.initCounters()
	for _, c := range []prometheus.Collector{m.events, m.seconds, m.lastVerified} {
		if err := registerer.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// initCounters sets the counters that alerts use to 0: a counter that appears with its first event shows no increase.
func (m *metrics) initCounters() {
	for _, eventType := range v1alpha1.EventTypes() {
		for _, o := range []outcome{recorded, unavailable, rejectedByAPI, rejectedInstance, failed} {
			m.events.WithLabelValues(string(eventType), string(o))
		}
	}
	for _, o := range []outcome{rejectedSignature, rejectedTimestamp, noSecret, overloaded, failed} {
		m.events.WithLabelValues(typeNone, string(o))
	}
	m.seconds.WithLabelValues(strconv.Itoa(http.StatusOK))
}

func (m *metrics) count(req *request, o outcome) {
	m.events.WithLabelValues(typeLabel(req.event.eventType), string(o)).Inc()
	if req.verified {
		m.lastVerified.Set(float64(req.receivedAt.Unix()))
	}
}

func (m *metrics) observeDuration(status int, took time.Duration) {
	m.seconds.WithLabelValues(strconv.Itoa(status)).Observe(took.Seconds())
}

func typeLabel(eventType v1alpha1.EventType) string {
	switch {
	case eventType == "":
		return typeNone
	case eventType.Known():
		return string(eventType)
	default:
		return typeOther
	}
}
