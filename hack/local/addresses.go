package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"
)

// Preferred addresses, all on the loopback interface. A taken port is replaced by a free one.
const (
	webhookAddress = "127.0.0.1:8080"
	probeAddress   = "127.0.0.1:8081"
	metricsAddress = "127.0.0.1:8082"
	standInAddress = "127.0.0.1:8090"
)

// addresses are the operator's.
type addresses struct{ webhook, probe, metrics string }

// freeAddresses chooses the operator's addresses. It holds all listeners until the last address is chosen, so that no
// two are equal.
func freeAddresses(ctx context.Context) (a addresses, err error) {
	for _, choice := range []struct {
		preferred string
		chosen    *string
	}{{webhookAddress, &a.webhook}, {probeAddress, &a.probe}, {metricsAddress, &a.metrics}} {
		listener, err := listen(ctx, choice.preferred)
		if err != nil {
			return addresses{}, err
		}
		defer func() { _ = listener.Close() }() // it accepted no connection
		*choice.chosen = listener.Addr().String()
	}
	return a, nil
}

// listen listens on the preferred address or, when its port is taken, on any free port.
func listen(ctx context.Context, preferred string) (net.Listener, error) {
	var network net.ListenConfig
	listener, err := network.Listen(ctx, "tcp", preferred)
	if errors.Is(err, syscall.EADDRINUSE) {
		listener, err = network.Listen(ctx, "tcp", "127.0.0.1:0")
	}
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", preferred, err)
	}
	return listener, nil
}

func (a addresses) webhookURL() string { return "http://" + a.webhook + "/api/webhooks" }
func (a addresses) metricsURL() string { return "http://" + a.metrics + "/metrics" }
func (a addresses) readyURL() string   { return "http://" + a.probe + "/readyz" }

// checkReady returns nil when the operator's readiness probe succeeds.
func (a addresses) checkReady(ctx context.Context) error {
	_, err := fetch(ctx, a.readyURL())
	return err
}

const (
	fetchTimeout = 5 * time.Second
	// maxResponse bounds a response, in bytes. All metrics together take some tens of thousands.
	maxResponse = 4 << 20
)

// fetch returns what the operator serves at url. Any status but 200 is an error.
func fetch(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }() // read only
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s returned %s", url, response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxResponse))
	if err != nil {
		return nil, fmt.Errorf("reading the response of %s: %w", url, err)
	}
	return body, nil
}
