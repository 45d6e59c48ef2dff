package clerktest_test

import (
	"encoding/base64"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
)

// secretOf returns a signing secret of 24 equal bytes.
func secretOf(b byte) string {
	return "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(string(rune(b)), 24)))
}

// endpoint is a webhook endpoint that records the attempts. It is called without a network, as synctest requires.
type endpoint struct {
	respond func(n int) cannedResponse // n starts at 1

	mu       sync.Mutex
	attempts []attempt
}

type attempt struct {
	header http.Header
	body   string
	at     time.Time
}

func (e *endpoint) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	e.attempts = append(e.attempts, attempt{r.Header.Clone(), string(body), time.Now()})
	n := len(e.attempts)
	e.mu.Unlock()
	response := e.respond(n)
	if response.status == 0 {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	header := http.Header{"Retry-After": {response.retryAfter}}
	return &http.Response{StatusCode: response.status, Header: header, Body: http.NoBody}, nil
}

// cannedResponse is a fixed response. The zero value means no response.
type cannedResponse struct {
	status     int
	retryAfter string
}

// received returns the attempts so far.
func (e *endpoint) received() []attempt {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.attempts)
}

func always(status int) func(int) cannedResponse {
	return func(int) cannedResponse { return cannedResponse{status: status} }
}

func newSender(t *testing.T, e *endpoint, config clerktest.SenderConfig) *clerktest.Sender {
	t.Helper()
	config.URL, config.Transport = "http://receiver.test/api/webhooks", e
	if config.Secrets == nil {
		config.Secrets = []string{secretOf('a')}
	}
	s, err := clerktest.NewSender(config)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
