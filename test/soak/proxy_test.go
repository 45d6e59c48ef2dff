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

// proxy forwards webhooks to the receivers in turn. While it is faulty, it loses requests or responses, and duplicates
// other requests.
type proxy struct {
	managers []*manager
	excluded atomic.Int64 // the index of a manager that gets no webhooks, plus one
	faulty   atomic.Bool
	count    atomic.Int64

	lost, duplicated atomic.Int64
}

var errLost = errors.New("lost by the proxy")

// proxyTimeout bounds a response. It is shorter than the timeout of a delivery, so that the next attempt comes sooner.
const proxyTimeout = 10 * time.Second

// RoundTrip implements [http.RoundTripper].
func (p *proxy) RoundTrip(request *http.Request) (*http.Response, error) {
	n := p.count.Add(1)
	if p.faulty.Load() && n%7 == 0 {
		p.lost.Add(1)
		return nil, errLost
	}
	response, err := p.deliver(request, n)
	if err != nil || !p.faulty.Load() {
		return response, err
	}
	if n%3 == 0 {
		p.duplicated.Add(1)
		return p.deliver(request, n+1)
	}
	if n%7 == 3 {
		p.lost.Add(1)
		return nil, errLost
	}
	return response, nil
}

func (p *proxy) deliver(request *http.Request, n int64) (*http.Response, error) {
	target := n % int64(len(p.managers))
	if target+1 == p.excluded.Load() {
		target = (target + 1) % int64(len(p.managers))
	}
	ctx, cancel := context.WithTimeout(request.Context(), proxyTimeout)
	defer cancel()
	copied := request.Clone(ctx)
	copied.URL.Host = p.managers[target].webhooks
	body, err := request.GetBody()
	if err != nil {
		return nil, err
	}
	copied.Body = body
	response, err := http.DefaultTransport.RoundTrip(copied)
	if err != nil {
		return nil, errLost // every error counts as lost: after some errors of a receiver Svix waits a minute
	}
	responseBody, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		return nil, errLost
	}
	response.Body = io.NopCloser(bytes.NewReader(responseBody))
	return response, nil
}
