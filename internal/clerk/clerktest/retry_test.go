package clerktest_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
)

// A failing receiver gets eight attempts in about 27.5 hours. Each has the same id and body and a new signature.
func TestRun_RetriesOnSchedule(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{respond: always(500)}
		s := newSender(t, e, clerktest.SenderConfig{})
		run(t, s)
		begin := time.Now()
		s.Send(clerktest.ExampleCreated())
		advance(100 * time.Hour)

		attempts := e.received()
		if len(attempts) != 8 || len(s.Pending()) != 0 {
			t.Fatalf("%d attempts, %d pending, want 8 and none", len(attempts), len(s.Pending()))
		}
		if attempts[0].at != begin {
			t.Errorf("first attempt after %v, want 0 s", attempts[0].at.Sub(begin))
		}
		for i, scheduled := range clerktest.SvixSchedule() {
			got := attempts[i+1].at.Sub(attempts[i].at)
			if got < scheduled*8/10 || got > scheduled*12/10 {
				t.Errorf("retry %d after %v, want %v plus or minus 20 %%", i+1, got, scheduled)
			}
		}
		for _, d := range attempts {
			if d.body != attempts[0].body || d.header.Get("svix-id") != attempts[0].header.Get("svix-id") {
				t.Error("a retry has another id or body")
			}
		}
		if attempts[7].header.Get("svix-timestamp") == attempts[0].header.Get("svix-timestamp") {
			t.Error("a retry has the old signature")
		}
	})
}

func TestRun_RetryDelay(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		first    cannedResponse
		schedule time.Duration
		least    time.Duration // from the first attempt to the second
		most     time.Duration
	}{
		"plain failure":         {cannedResponse{500, ""}, 10 * time.Second, 8 * time.Second, 12 * time.Second},
		"longer Retry-After":    {cannedResponse{503, "15"}, 10 * time.Second, 15 * time.Second, 15 * time.Second},
		"excessive Retry-After": {cannedResponse{503, "3600"}, 10 * time.Second, 20 * time.Second, 20 * time.Second},
		"invalid Retry-After":   {cannedResponse{503, "soon"}, 10 * time.Second, 8 * time.Second, 12 * time.Second},
		"too many requests":     {cannedResponse{429, ""}, 10 * time.Second, time.Minute, time.Minute},
		"no response":           {cannedResponse{}, 10 * time.Second, 75 * time.Second, 75 * time.Second},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e := &endpoint{respond: func(n int) cannedResponse {
					if n == 1 {
						return tt.first
					}
					return cannedResponse{status: 200}
				}}
				s := newSender(t, e, clerktest.SenderConfig{Schedule: []time.Duration{tt.schedule}})
				run(t, s)
				s.Send(clerktest.ExampleCreated())
				advance(time.Hour)
				attempts := e.received()
				if len(attempts) != 2 {
					t.Fatalf("%d attempts, want 2", len(attempts))
				}
				if got := attempts[1].at.Sub(attempts[0].at); got < tt.least || got > tt.most {
					t.Errorf("second attempt after %v, want %v to %v", got, tt.least, tt.most)
				}
			})
		})
	}
}

func TestRun_KeepsOrderAndCallsOnAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{respond: func(n int) cannedResponse {
			if n == 2 {
				return cannedResponse{status: 503}
			}
			return cannedResponse{status: 200}
		}}
		var reported []clerktest.Attempt
		s := newSender(t, e, clerktest.SenderConfig{
			OnAttempt: func(a clerktest.Attempt) { reported = append(reported, a) },
		})
		clerk := clerktest.NewServer(clerktest.Config{})
		clerk.Attach(s)
		stop := run(t, s)
		id := clerk.SignUp(clerktest.Person{Email: "jane@example.com"})
		clerk.Ban(id)
		clerk.Delete(id)
		advance(time.Minute)

		var got []string
		for _, a := range reported {
			got = append(got, strings.Join([]string{a.Message.Type, http.StatusText(a.Status)}, " "))
		}
		want := []string{"user.created OK", "user.updated Service Unavailable", "user.deleted OK", "user.updated OK"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("attempts (-want +got):\n%s", diff)
		}
		if reported[1].Retry == 0 || reported[3].Number != 2 || reported[3].Retry != 0 {
			t.Errorf("attempts: %+v", reported)
		}
		stop()
		clerk.SignUp(clerktest.Person{Email: "joe@example.com"})
		advance(time.Minute)
		if len(e.received()) != 4 || len(s.Pending()) != 1 {
			t.Errorf("after the end of Run: %d attempts, %d pending, want 4 and 1", len(e.received()), len(s.Pending()))
		}
	})
}

// An attempt that is interrupted by the end of Run does not count.
func TestRun_StoppedAttemptStaysPending(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{respond: always(0)}
		s := newSender(t, e, clerktest.SenderConfig{Schedule: []time.Duration{}})
		stop := run(t, s)
		s.Send(clerktest.ExampleCreated())
		synctest.Wait()
		stop()
		if len(e.received()) != 1 || len(s.Pending()) != 1 {
			t.Errorf("%d attempts, %d pending, want 1 and 1", len(e.received()), len(s.Pending()))
		}
	})
}

// advance advances the bubble's clock by d and waits for all work that becomes due.
func advance(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// run runs s until the test ends or stop is called. stop waits for the end of Run.
func run(t *testing.T, s *clerktest.Sender) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}
