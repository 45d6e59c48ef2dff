package clerktest_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
)

func TestLimits_WritesPerUser(t *testing.T) {
	t.Parallel()
	clk := newClock()
	s := start(t, clerktest.Config{Now: clk.now, Limits: clerktest.Limits{UserWrites: 10}})
	ids := s.Import(2)
	write := func(id, method, path string) reply {
		return s.send(t, method, "/users/"+id+path, `{}`)
	}
	for i := range 9 {
		if got := write(ids[0], http.MethodPatch, "/metadata"); got.status != http.StatusOK {
			t.Fatalf("write %d: status %d", i, got.status)
		}
		clk.advance(time.Second)
	}
	write(ids[0], http.MethodPatch, "") // the tenth write, to another endpoint

	got := write(ids[0], http.MethodPut, "/metadata")
	if got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") != "1" {
		t.Errorf("eleventh write: %d, Retry-After %q, want 429 and 1", got.status, got.header.Get("Retry-After"))
	}
	if got := write(ids[1], http.MethodPatch, "/metadata"); got.status != http.StatusOK {
		t.Errorf("write of another user: status %d, want 200", got.status)
	}
	if got := s.send(t, http.MethodGet, "/users/"+ids[0], ""); got.status != http.StatusOK {
		t.Errorf("read of the same user: status %d, want 200", got.status)
	}
	clk.advance(time.Second)
	if got := write(ids[0], http.MethodPatch, "/metadata"); got.status != http.StatusOK {
		t.Errorf("write after Retry-After: status %d, want 200", got.status)
	}
}

func TestLimits_RequestsOfInstance(t *testing.T) {
	t.Parallel()
	clk := newClock()
	s := start(t, clerktest.Config{Now: clk.now, Limits: clerktest.Limits{Requests: 2, Window: time.Minute}})
	status := func() reply { return s.send(t, http.MethodGet, "/instance", "") }
	status()
	status()
	clk.advance(500 * time.Millisecond)
	got := status()
	if got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") != "60" {
		t.Errorf("third request: %d, Retry-After %q, want 429 and 60", got.status, got.header.Get("Retry-After"))
	}
	s.SetLimits(clerktest.Limits{})
	if got := status(); got.status != http.StatusOK {
		t.Errorf("without limits: status %d, want 200", got.status)
	}
}
