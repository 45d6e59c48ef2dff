package clerk

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fitai/fituser-operator/internal/user"
)

func TestALoneCallerIsServedAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, d *directory, _ *batch, g *group) {
		g.call(t.Context(), "user_jane")
		g.calls.Wait()
		g.wantUsers(t, latency, "user_jane")
		d.wantRequests(t, 1)
	})
}

func TestThoseWhoWaitForTheBudgetShareARequest(t *testing.T) {
	inBubble(t, func(t *testing.T, d *directory, _ *batch, g *group) {
		g.call(t.Context(), "user_first")
		g.call(t.Context(), ids(100)...)
		g.calls.Wait()
		g.wantUsers(t, latency, "user_first")
		g.wantUsers(t, time.Second+latency, ids(100)...)
		d.wantRequests(t, 1, 100)
	})
}

func TestMoreThanAListTakesAreSplit(t *testing.T) {
	inBubble(t, func(t *testing.T, d *directory, _ *batch, g *group) {
		g.call(t.Context(), "user_first")
		everybody := ids(202)
		for _, id := range everybody {
			g.call(t.Context(), id)
		}
		g.calls.Wait()
		g.wantUsers(t, time.Second+latency, everybody[:100]...)
		g.wantUsers(t, 2*time.Second+latency, everybody[100:200]...)
		g.wantUsers(t, 3*time.Second+latency, everybody[200:]...)
		d.wantRequests(t, 1, 100, 100, 2)
	})
}

func TestCallersForOneUserShareAnAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T, d *directory, _ *batch, g *group) {
		g.call(t.Context(), "user_first")
		g.call(t.Context(), "user_jane", "user_jane", "user_jane")
		g.calls.Wait()
		if got := g.of("user_jane"); len(got) != 3 || got[0] != got[1] || got[1] != got[2] || got[0].err != nil {
			t.Errorf("got %+v, want three equal users", got)
		}
		d.wantRequests(t, 2)
	})
}

func TestNobodyJoinsARequestAlreadySent(t *testing.T) {
	inBubble(t, func(t *testing.T, d *directory, _ *batch, g *group) {
		g.call(t.Context(), "user_jane")
		d.set(func() { d.version = 7 }) // while the request is under way
		g.call(t.Context(), "user_jane")
		g.calls.Wait()
		got := g.of("user_jane")
		if len(got) != 2 || got[0].user.UpdatedAt.Unix() != 0 || got[1].user.UpdatedAt.Unix() != 7 {
			t.Errorf("got %+v, want the state before the change and the state after it", got)
		}
	})
}

func TestAbsenceFromAListProvesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, d *directory, _ *batch, g *group) {
		d.unlisted["user_001"], d.missing["user_002"] = true, true
		g.call(t.Context(), "user_first")
		g.call(t.Context(), ids(3)...)
		g.calls.Wait()
		g.wantUsers(t, time.Second+latency, "user_000")
		for _, id := range []user.ID{"user_001", "user_002"} {
			if len(g.of(id)) != 1 {
				t.Fatalf("%s was answered %d times", id, len(g.of(id)))
			}
		}
		if got := g.of("user_001")[0]; got.err != nil || got.user.ID != "user_001" {
			t.Errorf("a user whom the list left out: got %+v, want the user", got)
		}
		if got := g.of("user_002")[0]; !errors.Is(got.err, errNotThere) {
			t.Errorf("a user who is gone: got %+v, want not found", got)
		}
		d.wantRequests(t, 3, 3)
	})
}

func TestWhoIsAskedForAloneHoldsNobodyUp(t *testing.T) {
	inBubble(t, func(t *testing.T, d *directory, b *batch, g *group) {
		b.budget = newBudget(1000)
		ghosts := ids(maxInFlight - 1)
		for _, id := range ghosts {
			d.missing[id], d.hanging[id] = true, true
		}
		d.unlisted["user_lagging"] = true
		for i := range maxInFlight { // so that the others gather
			g.call(t.Context(), user.ID(fmt.Sprintf("user_first%d", i)))
		}
		g.call(t.Context(), append(ghosts, "user_lagging", "user_listed")...)
		time.Sleep(3 * latency)
		g.wantUsers(t, 2*latency, "user_listed")
		g.wantUsers(t, 3*latency, "user_lagging")

		g.call(t.Context(), "user_later")
		time.Sleep(latency)
		g.wantUsers(t, latency, "user_later")
		g.calls.Wait()
		g.wantKind(t, NotFound, time.Hour+2*latency, ghosts...)
	})
}

func TestRequestsUnderWayAreBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, d *directory, b *batch, g *group) {
		b.budget = newBudget(10_000)
		everybody := ids(300)
		for _, id := range everybody {
			d.missing[id] = true
		}
		for _, id := range everybody {
			g.call(t.Context(), id)
		}
		g.calls.Wait()
		if d.mostUnderWay > 2*maxInFlight {
			t.Errorf("%d requests were under way at once, want at most %d", d.mostUnderWay, 2*maxInFlight)
		}
		for _, id := range everybody {
			if got := g.of(id); len(got) != 1 || KindOf(got[0].err) != NotFound {
				t.Errorf("%s: got %+v, want not found", id, got)
			}
		}
	})
}

func TestAListThatFailsFailsItsCallersOnly(t *testing.T) {
	inBubble(t, func(t *testing.T, d *directory, _ *batch, g *group) {
		d.listErr = unavailable("half a page")
		g.call(t.Context(), "user_first")
		g.call(t.Context(), ids(3)...)
		time.Sleep(time.Second + latency/2)
		d.set(func() { d.listErr = nil }) // while the list that fails is under way
		g.call(t.Context(), "user_later")
		g.calls.Wait()
		g.wantUsers(t, latency, "user_first")
		g.wantKind(t, Unavailable, time.Second+latency, ids(3)...)
		g.wantUsers(t, time.Second-latency/2+latency, "user_later")
	})
}

func TestCallersWhoseContextEndsLeaveAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, d *directory, _ *batch, g *group) {
		g.call(t.Context(), "user_first")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/4)
		defer cancel()
		g.call(ctx, "user_000", "user_001")
		g.call(t.Context(), "user_002", "user_003")
		time.Sleep(time.Second / 4)
		g.wantKind(t, Unavailable, time.Second/4, "user_000", "user_001")
		if err := g.of("user_000")[0].err; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the context's error", err)
		}
		g.calls.Wait()
		g.wantUsers(t, time.Second+latency, "user_002", "user_003")
		d.wantRequests(t, 1, 2) // nobody asks for those whom nobody waits for
	})
}

func TestNoRequestIsSentForThoseWhoLeft(t *testing.T) {
	inBubble(t, func(t *testing.T, d *directory, b *batch, g *group) {
		for _, id := range ids(50) {
			d.missing[id] = true
		}
		g.call(t.Context(), "user_first")
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		g.call(ctx, ids(50)...)
		g.calls.Wait()
		time.Sleep(time.Hour)
		synctest.Wait()
		if d.singles > 1+1+maxInFlight {
			t.Errorf("%d single requests, want those that were under way when everybody left", d.singles)
		}
		if took, err := waited(acquiring(b.budget)); took != 0 || err != nil {
			t.Errorf("the next request waits %s, %v", took, err)
		}
	})
}

func TestAPauseTurnsCallersAwayAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, d *directory, b *batch, g *group) {
		g.call(t.Context(), "user_first")
		g.call(t.Context(), ids(3)...)
		time.Sleep(time.Second / 2)
		b.budget.pause(time.Minute)
		g.wantKind(t, Throttled, time.Second/2, ids(3)...) // those who waited for their turn

		time.Sleep(time.Second)
		g.call(t.Context(), "user_later")
		g.wantKind(t, Throttled, 0, "user_later")
		if got := RetryAfter(g.of("user_later")[0].err); got != 59*time.Second {
			t.Errorf("to come back in %s, want 59 s", got)
		}
		d.wantRequests(t, 1)
	})
}

func TestAPauseDoesNotWaitForRequestsUnderWay(t *testing.T) {
	inBubble(t, func(t *testing.T, d *directory, b *batch, g *group) {
		b.budget = newBudget(1000)
		hanging := ids(maxInFlight)
		for _, id := range hanging {
			d.hanging[id] = true
		}
		for _, id := range hanging {
			g.call(t.Context(), id)
		}
		b.budget.pause(time.Minute)
		g.call(t.Context(), "user_later")
		g.wantKind(t, Throttled, 0, "user_later")
	})
}
