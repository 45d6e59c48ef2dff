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

func newMetrics(registerer prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fituser_clerk_requests_total",
			Help: "Requests sent to Clerk's Backend API, by endpoint and HTTP status (none: no answer).",
		}, []string{"endpoint", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "fituser_clerk_request_duration_seconds",
			Help:    "Seconds from sending a request to the header of Clerk's answer, by endpoint.",
			Buckets: prometheus.ExponentialBuckets(0.01, 2, 11),
		}, []string{"endpoint"}),
	}
	if registerer != nil {
		registerer.MustRegister(m.requests, m.seconds)
	}
	return m
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

// endpointOf names the endpoint from a closed set: no id becomes a label.
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
