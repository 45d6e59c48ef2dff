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
	"k8s.io/client-go/tools/leaderelection/resourcelock"
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

// lease is a lease that can be had unless it is refused. It tells of each record that is written to it.
type lease struct {
	resourcelock.Interface
	refused error
	written func()
}

func (l *lease) Identity() string { return "me" }

func (l *lease) Create(context.Context, resourcelock.LeaderElectionRecord) error { return l.write() }

func (l *lease) Update(context.Context, resourcelock.LeaderElectionRecord) error { return l.write() }

func (l *lease) write() error {
	if l.written != nil {
		l.written()
	}
	return l.refused
}

// A lease that is taken or renewed opens the fence; giving it back closes it, and so does time. Reading is always allowed.
func TestFence(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	f, inCluster := &fence{}, &lease{}
	lock := fencedLock{inCluster, f}
	mine, nobodys := resourcelock.LeaderElectionRecord{HolderIdentity: "me"}, resourcelock.LeaderElectionRecord{}
	behind := f.guard(http.DefaultTransport)
	write := func() error { return answered(t, behind, http.MethodPatch, server.URL) }
	wantClosed := func(when string) {
		t.Helper()
		if err := write(); !errors.Is(err, errLeaseOver) {
			t.Errorf("written %s: %v", when, err)
		}
	}
	wantClosed("without a lease")
	inCluster.refused = errors.New("somebody else holds it")
	if err := errors.Join(lock.Create(t.Context(), mine), lock.Update(t.Context(), mine)); !errors.Is(err, inCluster.refused) {
		t.Errorf("the election does not hear of a refusal: %v", err)
	}
	wantClosed("with a lease that was refused")
	inCluster.refused = nil
	for name, take := range map[string]func(context.Context, resourcelock.LeaderElectionRecord) error{
		"made": lock.Create, "renewed": lock.Update,
	} {
		f.renewed.Store(nil)
		if err := errors.Join(take(t.Context(), mine), write()); err != nil {
			t.Errorf("the lease is %s, and yet: %v", name, err)
		}
	}
	inCluster.written = func() { wantClosed("while the lease is given back") }
	ok(t, lock.Update(t.Context(), nobodys))
	wantClosed("after the lease was given back")
	past := time.Now().Add(-renewDeadline - time.Second)
	f.renewed.Store(&past)
	wantClosed("with a lease that was last renewed " + time.Since(past).String() + " ago")
	if err := answered(t, behind, http.MethodGet, server.URL); err != nil {
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
