package clerk

import (
	"net"
	"net/http"
	"time"
)

// Limits on the cost of a request, whether Clerk or a proxy responds.
const (
	defaultTimeout = 10 * time.Second
	// maxBody bounds a response. A page of 500 users with 24 KB of metadata each is about 16 MB.
	maxBody = 32 << 20
	// maxConnections suffices for both batches with all their slots in use, and for the other calls.
	maxConnections = 24
)

// transport sends requests with the current key and turns every response except a 200 with JSON into an [Error]. That
// includes redirects, so that the key is never sent to another host. Only a transport sees complete responses: the SDK
// drops the status and the headers of responses that are not JSON.
type transport struct {
	next    http.RoundTripper
	key     func() string
	budget  *budget
	metrics *metrics
	// beforeWrite is [Config].BeforeWrite; nil allows all.
	beforeWrite func() error
}

func newTransport(config Config, budget *budget) *transport {
	next := config.Transport
	if next == nil {
		next = newHTTPTransport()
	}
	return &transport{
		next: next, key: config.Key, budget: budget, metrics: newMetrics(config.Registerer, budget),
		beforeWrite: config.BeforeWrite,
	}
}

func newHTTPTransport() *http.Transport {
	return &http.Transport{
		Proxy:             http.ProxyFromEnvironment,
		DialContext:       (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2: true,
		// Without pings, a connection stays in use after its other end has vanished. All its requests then time out until
		// the kernel closes it after 15 minutes (golang/go#36026).
		HTTP2:               &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 5 * time.Second},
		TLSHandshakeTimeout: 5 * time.Second,
		MaxConnsPerHost:     maxConnections,
		MaxIdleConnsPerHost: maxConnections,
		IdleConnTimeout:     90 * time.Second,
	}
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.Header.Set("Authorization", "Bearer "+t.key())
	if t.beforeWrite != nil && request.Method != http.MethodGet {
		if err := t.beforeWrite(); err != nil {
			return nil, &Error{Kind: Unavailable, detail: "not sent", cause: err}
		}
	}
	start := time.Now()
	response, err := t.next.RoundTrip(request)
	if err != nil {
		t.metrics.observe(request, 0, time.Since(start))
		return nil, err
	}
	t.metrics.observe(request, response.StatusCode, time.Since(start))
	if response.StatusCode == http.StatusOK && isJSON(response.Header) {
		// Reading beyond the limit fails and does not end early: half a page must not look like a short page.
		response.Body = http.MaxBytesReader(nil, response.Body, maxBody)
		return response, nil
	}
	defer func() { _ = response.Body.Close() }()
	failure := classifyResponse(request, response)
	if failure.Kind == Throttled {
		t.budget.pause(failure.RetryAfter)
	}
	return nil, failure
}
