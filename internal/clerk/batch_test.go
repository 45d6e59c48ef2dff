package clerk

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fitai/fituser-operator/internal/user"
)

func TestBatch_SendsSingleCallerAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeClerk, _ *userBatch, c *callers) {
		c.call(t.Context(), "user_jane")
		c.calls.Wait()
		c.wantUsers(t, latency, "user_jane")
		f.wantRequests(t, 1)
	})
}

func TestBatch_SharesOneRequest(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeClerk, _ *userBatch, c *callers) {
		c.call(t.Context(), "user_first")
		c.call(t.Context(), testIDs(100)...)
		c.calls.Wait()
		c.wantUsers(t, latency, "user_first")
		c.wantUsers(t, time.Second+latency, testIDs(100)...)
		f.wantRequests(t, 1, 100)
	})
}

func TestBatch_SplitsAtMaximumSize(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeClerk, _ *userBatch, c *callers) {
		c.call(t.Context(), "user_first")
		ids := testIDs(202)
		for _, id := range ids {
			c.call(t.Context(), id)
		}
		c.calls.Wait()
		c.wantUsers(t, time.Second+latency, ids[:100]...)
		c.wantUsers(t, 2*time.Second+latency, ids[100:200]...)
		c.wantUsers(t, 3*time.Second+latency, ids[200:]...)
		f.wantRequests(t, 1, 100, 100, 2)
	})
}

func TestBatch_CallersForOneUserShareResult(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeClerk, _ *userBatch, c *callers) {
		c.call(t.Context(), "user_first")
		c.call(t.Context(), "user_jane", "user_jane", "user_jane")
		c.calls.Wait()
		got := c.outcomes("user_jane")
		if len(got) != 3 || got[0].err != nil || !reflect.DeepEqual(got[0], got[1]) || !reflect.DeepEqual(got[1], got[2]) {
			t.Errorf("got %+v, want three equal users", got)
		}
		f.wantRequests(t, 2)
	})
}

func TestBatch_DoesNotJoinSentRequest(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeClerk, _ *userBatch, c *callers) {
		c.call(t.Context(), "user_jane")
		f.set(func() { f.version = 7 }) // while the request is in flight
		c.call(t.Context(), "user_jane")
		c.calls.Wait()
		got := c.outcomes("user_jane")
		if len(got) != 2 || got[0].user.UpdatedAt.Unix() != 0 || got[1].user.UpdatedAt.Unix() != 7 {
			t.Errorf("got %+v, want the state before the change and the state after it", got)
		}
	})
}

func TestBatch_RequestsOmittedUsersSeparately(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeClerk, _ *userBatch, c *callers) {
		f.unlisted["user_001"], f.missing["user_002"] = true, true
		c.call(t.Context(), "user_first")
		c.call(t.Context(), testIDs(3)...)
		c.calls.Wait()
		c.wantUsers(t, time.Second+latency, "user_000")
		for _, id := range []user.ID{"user_001", "user_002"} {
			if len(c.outcomes(id)) != 1 {
				t.Fatalf("%s has %d outcomes, want 1", id, len(c.outcomes(id)))
			}
		}
		if got := c.outcomes("user_001")[0]; got.err != nil || got.user.ID != "user_001" {
			t.Errorf("user omitted by the list: got %+v, want the user", got)
		}
		if got := c.outcomes("user_002")[0]; !errors.Is(got.err, errNotFound) {
			t.Errorf("deleted user: got %+v, want not found", got)
		}
		f.wantRequests(t, 3, 3)
	})
}

func TestBatch_SingleRequestsDoNotDelayOthers(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeClerk, b *userBatch, c *callers) {
		b.budget = newBudget(1000)
		hanging := testIDs(maxInFlight - 1)
		for _, id := range hanging {
			f.missing[id], f.hanging[id] = true, true
		}
		f.unlisted["user_lagging"] = true
		for i := range maxInFlight { // occupies all slots, so that the other callers queue
			c.call(t.Context(), user.ID(fmt.Sprintf("user_first%d", i)))
		}
		c.call(t.Context(), append(hanging, "user_lagging", "user_listed")...)
		time.Sleep(3 * latency)
		c.wantUsers(t, 2*latency, "user_listed")
		c.wantUsers(t, 3*latency, "user_lagging")

		c.call(t.Context(), "user_later")
		time.Sleep(latency)
		c.wantUsers(t, latency, "user_later")
		c.calls.Wait()
		c.wantKind(t, NotFound, time.Hour+2*latency, hanging...)
	})
}

func TestBatch_BoundsRequestsInFlight(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeClerk, b *userBatch, c *callers) {
		b.budget = newBudget(10_000)
		ids := testIDs(300)
		for _, id := range ids {
			f.missing[id] = true
		}
		for _, id := range ids {
			c.call(t.Context(), id)
		}
		c.calls.Wait()
		if f.maxInFlight > 2*maxInFlight {
			t.Errorf("%d requests were in flight at once, want at most %d", f.maxInFlight, 2*maxInFlight)
		}
		for _, id := range ids {
			if got := c.outcomes(id); len(got) != 1 || KindOf(got[0].err) != NotFound {
				t.Errorf("%s: got %+v, want not found", id, got)
			}
		}
	})
}

func TestBatch_FailedRequestFailsOnlyItsCallers(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeClerk, _ *userBatch, c *callers) {
		f.listErr = unavailable("half a page")
		c.call(t.Context(), "user_first")
		c.call(t.Context(), testIDs(3)...)
		time.Sleep(time.Second + latency/2)
		f.set(func() { f.listErr = nil }) // while the failing list request is in flight
		c.call(t.Context(), "user_later")
		c.calls.Wait()
		c.wantUsers(t, latency, "user_first")
		c.wantKind(t, Unavailable, time.Second+latency, testIDs(3)...)
		c.wantUsers(t, time.Second-latency/2+latency, "user_later")
	})
}

func TestBatch_CancelledCallersReturnAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeClerk, _ *userBatch, c *callers) {
		c.call(t.Context(), "user_first")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/4)
		defer cancel()
		c.call(ctx, "user_000", "user_001")
		c.call(t.Context(), "user_002", "user_003")
		time.Sleep(time.Second / 4)
		c.wantKind(t, Unavailable, time.Second/4, "user_000", "user_001")
		if err := c.outcomes("user_000")[0].err; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the context's error", err)
		}
		c.calls.Wait()
		c.wantUsers(t, time.Second+latency, "user_002", "user_003")
		f.wantRequests(t, 1, 2) // users without waiting callers are not requested
	})
}

func TestBatch_SkipsCancelledCallers(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeClerk, b *userBatch, c *callers) {
		for _, id := range testIDs(50) {
			f.missing[id] = true
		}
		c.call(t.Context(), "user_first")
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		c.call(ctx, testIDs(50)...)
		c.calls.Wait()
		time.Sleep(time.Hour)
		synctest.Wait()
		if f.singles > 1+1+maxInFlight {
			t.Errorf("%d single requests, want only those in flight when the callers were cancelled", f.singles)
		}
		if took, err := timed(acquiring(b.budget)); took != 0 || err != nil {
			t.Errorf("the next request waits %s, %v", took, err)
		}
	})
}

func TestBatch_PauseFailsCallersAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeClerk, b *userBatch, c *callers) {
		c.call(t.Context(), "user_first")
		c.call(t.Context(), testIDs(3)...)
		time.Sleep(time.Second / 2)
		b.budget.pause(time.Minute)
		c.wantKind(t, Throttled, time.Second/2, testIDs(3)...) // queued for budget

		time.Sleep(time.Second)
		c.call(t.Context(), "user_later")
		c.wantKind(t, Throttled, 0, "user_later")
		if got := RetryAfter(c.outcomes("user_later")[0].err); got != 59*time.Second {
			t.Errorf("retry after %s, want 59 s", got)
		}
		f.wantRequests(t, 1)
	})
}

func TestBatch_PauseDoesNotWaitForRequestsInFlight(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeClerk, b *userBatch, c *callers) {
		b.budget = newBudget(1000)
		hanging := testIDs(maxInFlight)
		for _, id := range hanging {
			f.hanging[id] = true
		}
		for _, id := range hanging {
			c.call(t.Context(), id)
		}
		b.budget.pause(time.Minute)
		c.call(t.Context(), "user_later")
		c.wantKind(t, Throttled, 0, "user_later")
	})
}
