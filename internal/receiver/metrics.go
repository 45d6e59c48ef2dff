package receiver

import (
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
	lastVerified prometheus.Gauge
}

func newMetrics(registerer prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fituser_webhook_events_total",
			Help: "Requests to the webhook receiver by type of event and what became of them.",
		}, []string{"type", "outcome"}),
		lastVerified: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "fituser_webhook_last_verified_timestamp_seconds",
			Help: "Time of the last request whose signature was right, 0 when there was none yet.",
		}),
	}
	for _, c := range []prometheus.Collector{m.events, m.lastVerified} {
		if err := registerer.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) count(v visit, o outcome) {
	m.events.WithLabelValues(typeLabel(v.event.kind), string(o)).Inc()
	if v.verified {
		m.lastVerified.Set(float64(v.at.Unix()))
	}
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
