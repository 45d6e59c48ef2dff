package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap/zapcore"
)

// answered sends a request through the transport and returns why it was not sent.
func answered(t *testing.T, transport http.RoundTripper, method, url string) error {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.RoundTrip(request)
	if err == nil {
		_ = response.Body.Close()
	}
	return err
}

// A renewal of the lease opens the fence; time, and time alone, closes it. Reading is always allowed.
func TestFence(t *testing.T) {
	t.Parallel()
	refuse := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if refuse {
			w.WriteHeader(http.StatusConflict)
		}
	}))
	defer server.Close()
	f := &fence{}
	election, behind := f.watch(http.DefaultTransport), f.guard(http.DefaultTransport)
	lease, object := server.URL+"/apis/coordination.k8s.io/v1/namespaces/x/leases/y", server.URL+"/api/v1/things"
	write := func() error { return answered(t, behind, http.MethodPatch, object) }
	if err := write(); !errors.Is(err, errLeaseOver) {
		t.Errorf("written without a lease: %v", err)
	}
	if err := answered(t, election, http.MethodGet, lease); err != nil {
		t.Fatal(err)
	}
	refuse = true
	if err := answered(t, election, http.MethodPut, lease); err != nil {
		t.Fatal(err)
	}
	if err := write(); !errors.Is(err, errLeaseOver) {
		t.Errorf("a lease that was read, or refused, opened the fence: %v", err)
	}
	refuse = false
	if err := errors.Join(answered(t, election, http.MethodPut, lease), write()); err != nil {
		t.Errorf("the lease is renewed, and yet: %v", err)
	}
	past := time.Now().Add(-renewDeadline - time.Second)
	f.renewed.Store(&past)
	if err := write(); !errors.Is(err, errLeaseOver) {
		t.Errorf("written with a lease that was last renewed %s ago: %v", time.Since(past), err)
	}
	if err := answered(t, behind, http.MethodGet, object); err != nil {
		t.Errorf("not even read: %v", err)
	}
	if err := (*fence)(nil).open(); err != nil {
		t.Errorf("without an election: %v", err)
	}
}

// What the end of the process breaks off is an error only while nobody has asked for the end.
func TestQuietEnd(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	ctx, end := context.WithCancel(t.Context())
	log := quietEnd(ctx, options{LogFormat: "json"}.logger(&out, zapcore.InfoLevel)).WithName("a").WithValues("b", "c")
	tell := func() string {
		out.Reset()
		log.Error(fmt.Errorf("writing: %w", context.Canceled), "It failed")
		log.Error(errors.New(leaderElectionLost), "It failed")
		return out.String()
	}
	if got := strings.Count(tell(), `"level":"error"`); got != 2 {
		t.Errorf("%d errors in %s", got, out.String())
	}
	end()
	if got := tell(); strings.Contains(got, "error") || strings.Count(got, `"level":"info"`) != 2 {
		t.Errorf("a normal end tells: %s", got)
	}
	log.Error(errors.New("the disk is full"), "It failed")
	if !strings.Contains(out.String(), `"level":"error"`) {
		t.Error("an end hides errors of another kind")
	}
}
