package soak

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// line is the way of webhooks to the receivers: by turns to each that is in service. While it is bad it loses deliveries,
// on the way there or on the way back, and doubles others.
type line struct {
	managers []*manager
	out      atomic.Int64 // the index of a manager that is out of service, plus one
	bad      atomic.Bool
	count    atomic.Int64

	lost, doubled atomic.Int64
}

var errLost = errors.New("lost on the way")

// lineTimeout is how long an answer may take. Less than what a delivery has: another attempt then comes sooner.
const lineTimeout = 10 * time.Second

// RoundTrip implements [http.RoundTripper].
func (l *line) RoundTrip(request *http.Request) (*http.Response, error) {
	n := l.count.Add(1)
	if l.bad.Load() && n%7 == 0 {
		l.lost.Add(1)
		return nil, errLost
	}
	response, err := l.deliver(request, n)
	if err != nil || !l.bad.Load() {
		return response, err
	}
	if n%3 == 0 {
		l.doubled.Add(1)
		return l.deliver(request, n+1)
	}
	if n%7 == 3 {
		l.lost.Add(1)
		return nil, errLost
	}
	return response, nil
}

func (l *line) deliver(request *http.Request, n int64) (*http.Response, error) {
	target := n % int64(len(l.managers))
	if target+1 == l.out.Load() {
		target = (target + 1) % int64(len(l.managers))
	}
	ctx, cancel := context.WithTimeout(request.Context(), lineTimeout)
	defer cancel()
	copied := request.Clone(ctx)
	copied.URL.Host = l.managers[target].webhooks
	body, err := request.GetBody()
	if err != nil {
		return nil, err
	}
	copied.Body = body
	response, err := http.DefaultTransport.RoundTrip(copied)
	if err != nil {
		return nil, errLost // whatever it was, it is no fault of the receiver's that Svix would wait a minute for
	}
	answer, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		return nil, errLost
	}
	response.Body = io.NopCloser(bytes.NewReader(answer))
	return response, nil
}
