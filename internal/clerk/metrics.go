package clerk

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func newMetrics(registerer prometheus.Registerer, b *budget) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fituser_clerk_requests_total",
			Help: "Requests sent to Clerk's Backend API, by endpoint and HTTP status (none: no response).",
		}, []string{"endpoint", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "fituser_clerk_request_duration_seconds",
			Help:    "Seconds from sending a request to receiving the response header, by endpoint.",
			Buckets: prometheus.ExponentialBuckets(0.01, 2, 11),
		}, []string{"endpoint"}),
	}
	for _, endpoint := range []string{"instance", "user", "user_metadata", "users", "users_count"} {
		m.seconds.WithLabelValues(endpoint)
		for _, code := range []string{"200", "401", "429"} { // Prometheus sees no increase in a counter's first sample
			m.requests.WithLabelValues(endpoint, code)
		}
	}
	if registerer != nil {
		registerer.MustRegister(m.requests, m.seconds)
		registerer.MustRegister(budgetMetrics(b)...)
	}
	return m
}

// budgetMetrics returns gauges that read the budget at scrape time.
func budgetMetrics(b *budget) []prometheus.Collector {
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	return []prometheus.Collector{
		gauge("fituser_clerk_request_limit",
			"Limit of the operator's requests to Clerk, per second (--clerk-rate-limit).",
			func() float64 { return float64(b.limiter.Limit()) }),
		gauge("fituser_clerk_requests_available",
			"Requests that may be sent to Clerk now; a negative value counts queued requests.",
			b.limiter.Tokens),
		gauge("fituser_clerk_pause_seconds",
			"Seconds that remain of the pause requested by Clerk's Retry-After; 0 without one.",
			func() float64 { return b.pauseRemaining().Seconds() }),
	}
}

func (m *metrics) observe(request *http.Request, status int, took time.Duration) {
	code := "none"
	if status != 0 {
		code = strconv.Itoa(status)
	}
	endpoint := endpointOf(request)
	m.requests.WithLabelValues(endpoint, code).Inc()
	m.seconds.WithLabelValues(endpoint).Observe(took.Seconds())
}

// endpointOf returns the endpoint's name from a closed set, so that ids never become labels.
func endpointOf(request *http.Request) string {
	path := request.URL.Path
	switch {
	case strings.HasSuffix(path, "/instance"):
		return "instance"
	case strings.HasSuffix(path, "/metadata"):
		return "user_metadata"
	case strings.HasSuffix(path, "/users/count"):
		return "users_count"
	case strings.HasSuffix(path, "/users"):
		return "users"
	default:
		return "user"
	}
}
