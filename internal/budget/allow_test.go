package budget

import (
	"context"
	"fmt"
	"testing"

	"github.com/fitai/fituser-operator/internal/user"
)

func TestAllow_LimitHoldsUntilTheNextPeriod(t *testing.T) {
	f := newFixture(t, 7)
	for range 2 {
		for i := range 7 {
			f.wantAllowed(numbered(i), true)
		}
		f.wantRemaining(0)
		f.wantAllowed(numbered(7), false)
		f.clock.Step(f.budget.Period - 1)
		f.wantAllowed(numbered(7), false)
		f.clock.Step(1)
		f.wantRemaining(7)
	}
}

func TestAllow_UserCountsOncePerPeriod(t *testing.T) {
	f := newFixture(t, 2)
	for range 3 {
		f.wantAllowed("user_a", true)
	}
	f.wantAllowed("user_b", true)
	f.wantAllowed("user_a", true)
	f.wantAllowed("user_c", false)
	f.nextPeriod()
	f.wantAllowed("user_a", true)
	f.wantRemaining(1)
}

func TestAllow_ShareOfUsers(t *testing.T) {
	f := newFixture(t, 0)
	users := 50
	f.budget.Max, f.budget.Users = MaxDeletions{share: 0.1}, func() int { return users }
	f.wantRemaining(5)
	users = 20 // deletions do not shrink the limit of their own period
	f.wantRemaining(5)
	f.nextPeriod()
	f.wantRemaining(2)
	f.wantAllowed("user_a", true)
	users = 40
	f.restart() // a new process counts the users again
	f.wantRemaining(3)
}

func TestAllow_RestartKeepsGranted(t *testing.T) {
	f := newFixture(t, 3)
	for i := range 3 {
		f.wantAllowed(numbered(i), true)
		f.restart()
	}
	f.wantRemaining(0)
	f.wantAllowed(numbered(3), false)
	f.restart()
	f.wantAllowed(numbered(0), false) // which users were granted is lost, so a retry counts again
	f.nextPeriod()
	f.restart()
	f.wantRemaining(3)
}

// A leader that changes now and then, as when nodes are drained, loses the reserved grants and not a share of the limit.
func TestAllow_RestartsDoNotUseUpALargeLimit(t *testing.T) {
	f := newFixture(t, 5000)
	for i := range 30 {
		if allowed, err := f.budget.Allow(t.Context(), numbered(i)); err != nil || !allowed {
			t.Fatalf("after %d restarts no deletion is allowed: %v", i, err)
		}
		f.restart()
	}
	f.wantRemaining(5000 - 30*maxReserve)
}

// The write of a grant may succeed although its response is lost.
func TestAllow_LostResponseGrantsNoMore(t *testing.T) {
	for name, restarts := range map[string]bool{"same process": false, "restart": true} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, 30)
			granted := 0
			for i := range 100 {
				if i%5 == 0 {
					f.api.onWrite = once(lostResponse)
				}
				if allowed, err := f.budget.Allow(t.Context(), numbered(i)); err == nil && allowed {
					granted++
				} else if err != nil && restarts {
					f.restart()
				}
			}
			if granted > 30 || granted < 10 {
				t.Errorf("%d deletions were granted, want 30 at most", granted)
			}
			if !restarts && granted != 30 {
				t.Errorf("%d deletions were granted, want 30", granted)
			}
		})
	}
}

func TestAllow_ErrorGrantsNothing(t *testing.T) {
	f := newFixture(t, 1)
	f.api.onRead = always(refused)
	if allowed, err := f.budget.Allow(t.Context(), "user_a"); allowed || err == nil {
		t.Errorf("without reading: allowed %v, %v", allowed, err)
	}
	f.api.onRead, f.api.onWrite = nil, always(refused)
	if allowed, err := f.budget.Allow(t.Context(), "user_a"); allowed || err == nil {
		t.Errorf("without writing: allowed %v, %v", allowed, err)
	}
	f.api.onWrite = nil
	f.wantRemaining(1)
	f.wantAllowed("user_b", true)
	f.wantAllowed("user_a", false)
}

func TestAllow_CanceledContextGrantsNothing(t *testing.T) {
	f := newFixture(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if allowed, err := f.budget.Allow(ctx, "user_a"); allowed || err == nil {
		t.Errorf("allowed %v, %v", allowed, err)
	}
	f.wantRemaining(1)
}

func TestAllow_FloodCostsFewWrites(t *testing.T) {
	f := newFixture(t, 200)
	f.wantWrites(10, func() {
		for i := range 200 {
			f.wantAllowed(numbered(i), true)
		}
	})
	f.wantWrites(0, func() {
		for i := range 300 {
			f.wantAllowed(numbered(200+i), false)
		}
	})
	f.annotate("true")
	f.wantWrites(1, func() {
		for i := range 300 {
			f.wantAllowed(numbered(200+i), true)
		}
	})
	f.nextPeriod()
	f.wantWrites(1, func() { f.wantRemaining(200) }) // removes the annotation
	f.wantEvents(1)
}

func TestAllow_IdlePeriodCostsNoWrite(t *testing.T) {
	f := newFixture(t, 5)
	f.wantAllowed("user_a", true)
	f.wantWrites(0, func() {
		for range 3 {
			f.nextPeriod()
			f.wantReopened(true, false)
			f.wantRemaining(5)
			f.setDeferred(0)
			f.restart()
			f.wantRemaining(5)
		}
	})
}

// All deletions of a tenant may be overridden: memory must not grow with them.
func TestAllow_OverriddenUsersAreNotRemembered(t *testing.T) {
	f := newFixture(t, 1)
	f.annotate("true")
	for i := range 1000 {
		f.wantAllowed(user.ID(fmt.Sprintf("user_%d", i)), true)
	}
	if remembered := len(f.budget.granted); remembered > 0 {
		t.Errorf("%d users are remembered", remembered)
	}
}

func TestAllow_LimitOfZeroNeedsAnOverride(t *testing.T) {
	f := newFixture(t, 0)
	f.wantAllowed("user_a", false)
	f.annotate("true")
	f.wantAllowed("user_a", true)
	f.nextPeriod()
	f.wantAllowed("user_a", false)
}
