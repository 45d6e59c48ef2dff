package clerk

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fitai/fituser-operator/internal/user"
)

// timed returns the duration of a call on the bubble's clock.
func timed(call func() error) (time.Duration, error) {
	start := time.Now()
	err := call()
	return time.Since(start), err
}

func acquiring(b *budget) func() error {
	return func() error { return b.acquire(context.Background()) }
}

func TestBudget_AllowsBurstThenRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const interval = 50 * time.Millisecond
		b := newBudget(20)
		for i, want := range []time.Duration{0, 0, 0, 0, 0, interval, interval, interval} {
			if got, err := timed(acquiring(b)); err != nil || got != want {
				t.Errorf("request %d waited %s, %v; want %s", i, got, err, want)
			}
		}
		time.Sleep(time.Hour)
		for i, want := range []time.Duration{0, 0, 0, 0, 0, interval} {
			if got, err := timed(acquiring(b)); err != nil || got != want {
				t.Errorf("after an hour: request %d waited %s, %v; want %s", i, got, err, want)
			}
		}
	})
}

func TestBudget_BurstIsAtLeastOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(0.1)
		for i, want := range []time.Duration{0, 10 * time.Second} {
			if got, err := timed(acquiring(b)); err != nil || got != want {
				t.Errorf("request %d waited %s, %v; want %s", i, got, err, want)
			}
		}
	})
}

func TestBudget_RejectsBeyondMaximumQueueTime(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		rate float64
		want time.Duration
	}{{1.0 / 31, 31 * time.Second}, {0, maxPause}} {
		synctest.Test(t, func(t *testing.T) {
			b := newBudget(test.rate)
			if err := b.acquire(t.Context()); err != nil {
				t.Fatal(err)
			}
			for range 3 { // a rejected request consumes no budget
				took, err := timed(acquiring(b))
				if took != 0 || KindOf(err) != Throttled || RetryAfter(err).Round(time.Millisecond) != test.want {
					t.Errorf("waited %s, %v, retry after %s; want no wait, %q, %s",
						took, err, RetryAfter(err), Throttled, test.want)
				}
			}
		})
	}
}

func TestBudget_PauseFailsAtOnceAndEndsOnTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(20)
		b.pause(7 * time.Second)
		for _, left := range []time.Duration{7 * time.Second, time.Second, time.Nanosecond} {
			time.Sleep(time.Until(b.pausedUntil) - left)
			took, err := timed(acquiring(b))
			if took != 0 || KindOf(err) != Throttled || RetryAfter(err) != left {
				t.Errorf("%s before the end: waited %s, %v, retry after %s", left, took, err, RetryAfter(err))
			}
		}
		time.Sleep(time.Nanosecond)
		if took, err := timed(acquiring(b)); took != 0 || err != nil {
			t.Errorf("at the end: waited %s, %v; want neither", took, err)
		}
	})
}

func TestBudget_ShorterPauseDoesNotEndLongerOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(20)
		b.pause(time.Minute)
		b.pause(time.Second)
		if err := b.acquire(t.Context()); RetryAfter(err) != time.Minute {
			t.Errorf("after a shorter pause: retry after %s, want a minute", RetryAfter(err))
		}
		b.pause(2 * time.Minute)
		if err := b.acquire(t.Context()); RetryAfter(err) != 2*time.Minute {
			t.Errorf("after a longer pause: retry after %s, want two minutes", RetryAfter(err))
		}
	})
}

func TestBudget_PauseWakesQueuedRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(1)
		if err := b.acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		took, errs := make(chan time.Duration, 20), make(chan error, 20)
		for range 20 {
			go func() {
				d, err := timed(acquiring(b))
				took <- d
				errs <- err
			}()
		}
		synctest.Wait()
		time.Sleep(time.Second / 2) // all 20 requests are still queued
		b.pause(time.Minute)
		for range 20 {
			if err := <-errs; KindOf(err) != Throttled || RetryAfter(err) != time.Minute {
				t.Errorf("got %v, retry after %s; want %q, a minute", err, RetryAfter(err), Throttled)
			}
			if d := <-took; d != time.Second/2 {
				t.Errorf("waited %s, want half a second", d)
			}
		}
		time.Sleep(time.Minute)
		if d, err := timed(acquiring(b)); d != 0 || err != nil {
			t.Errorf("after the pause: waited %s, %v; want neither", d, err)
		}
	})
}

func TestBudget_PauseReturnsReservation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(0.1)
		if err := b.acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		acquired := make(chan error)
		go func() { acquired <- b.acquire(context.Background()) }()
		synctest.Wait()
		b.pause(time.Second)
		if err := <-acquired; KindOf(err) != Throttled {
			t.Errorf("got %v, want kind %q", err, Throttled)
		}
		time.Sleep(time.Second)
		if took, err := timed(acquiring(b)); took != 9*time.Second || err != nil {
			t.Errorf("the next request waited %s, %v; want the rest of the ten seconds", took, err)
		}
	})
}

func TestBudget_ContextEndsWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(1)
		if err := b.acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/4)
		defer cancel()
		took, err := timed(func() error { return b.acquire(ctx) })
		if took != time.Second/4 || KindOf(err) != Unavailable || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waited %s, %v; want a quarter of a second and the context's error", took, err)
		}
		if took, err := timed(acquiring(b)); took != 3*time.Second/4 || err != nil {
			t.Errorf("the next request waited %s, %v; want the rest of the second, as the cancelled one consumed no budget",
				took, err)
		}
	})
}

func TestWriteWindow_AllowsTenWritesPerUserInTenSeconds(t *testing.T) {
	t.Parallel()
	w, start := newWriteWindow(), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for i := range 10 {
		if wait := w.admit("user_jane", start.Add(time.Duration(i)*100*time.Millisecond)); wait != 0 {
			t.Fatalf("write %d must wait %s", i+1, wait)
		}
	}
	for _, step := range []struct {
		id   user.ID
		at   time.Duration
		want time.Duration
	}{
		{"user_jane", time.Second, 9 * time.Second},
		{"user_Jane", time.Second, 0}, // another user
		{"user_jane", 10*time.Second - 1, 1},
		{"user_jane", 10 * time.Second, 0}, // the first write has left the window; rejected writes do not count
		{"user_jane", 10 * time.Second, 100 * time.Millisecond},
		{"user_jane", 10*time.Second + 100*time.Millisecond, 0},
		{"user_jane", time.Hour, 0},
	} {
		if got := w.admit(step.id, start.Add(step.at)); got != step.want {
			t.Errorf("a write to %s after %s must wait %s, want %s", step.id, step.at, got, step.want)
		}
	}
	if len(w.recent) != 1 {
		t.Errorf("%d users in the window, want the one of the last ten seconds", len(w.recent))
	}
}
