package budget

import (
	"math"
	"testing"
)

func TestSetDeferred_WritesOnlyChanges(t *testing.T) {
	f := newFixture(t, 5)
	f.wantWrites(0, func() { f.setDeferred(0) })
	f.wantWrites(1, func() {
		f.setDeferred(7)
		f.setDeferred(7)
	})
	f.wantDeferred(7)
	f.restart()
	f.wantWrites(0, func() { f.setDeferred(7) })
	f.wantWrites(2, func() {
		f.setDeferred(8)
		f.setDeferred(0)
	})
	f.wantDeferred(0)
}

// A write may succeed although its response is lost. The next count must correct it, also if it equals the one before.
func TestSetDeferred_LostResponse(t *testing.T) {
	f := newFixture(t, 5)
	f.setDeferred(0)
	f.api.onWrite = once(lostResponse)
	if err := f.budget.SetDeferred(t.Context(), 7); err == nil {
		t.Fatal("the fault did not occur")
	}
	f.setDeferred(0)
	f.wantDeferred(0)
}

func TestSetDeferred_LeavesTheBudgetAlone(t *testing.T) {
	f := newFixture(t, 5)
	f.wantAllowed("user_a", true)
	before := f.read().Deletions
	f.setDeferred(7)
	f.wantRemaining(4)
	if got := f.read().Deletions; got.Granted != before.Granted || !got.PeriodStart.Equal(before.PeriodStart) {
		t.Errorf("the budget changed from %+v to %+v", before, got)
	}
	f.restart()
	f.wantRemaining(4)
	f.wantDeferred(7)
	f.nextPeriod()
	f.wantAllowed("user_a", true)
	f.wantDeferred(7) // only the next sweep knows better
}

func TestReopened_OncePerPeriod(t *testing.T) {
	f := newFixture(t, 1)
	for range 3 {
		f.wantReopened(true, false)
		f.wantReopened(false, false)
		f.wantAllowed("user_a", true)
		f.wantAllowed("user_b", false)
		f.wantReopened(false, false)
		f.nextPeriod()
	}
}

func TestReopened_AlsoWhenSomethingElseStartedThePeriod(t *testing.T) {
	for name, act := range map[string]func(f *fixture){
		"deletion":  func(f *fixture) { f.wantAllowed("user_a", true) },
		"remaining": func(f *fixture) { f.wantRemaining(1) },
		"sweep":     func(f *fixture) { f.setDeferred(0) },
		"restart":   func(f *fixture) { f.restart() },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, 1)
			f.wantAllowed("user_a", true)
			f.wantReopened(true, false)
			f.nextPeriod()
			act(f)
			f.wantReopened(true, false)
			f.wantReopened(false, false)
		})
	}
}

func TestReopened_OncePerOverride(t *testing.T) {
	for name, act := range map[string]func(f *fixture){
		"found by the schedule": func(*fixture) {},
		"found by a deletion":   func(f *fixture) { f.wantAllowed("user_b", true) },
		"found by a sweep":      func(f *fixture) { f.wantRemaining(math.MaxInt) },
		"found after a restart": func(f *fixture) { f.restart() },
		"found by a process that ended before it requeued": func(f *fixture) {
			f.wantAllowed("user_b", true)
			f.restart()
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, 1)
			f.wantAllowed("user_a", true)
			f.wantAllowed("user_b", false)
			f.wantReopened(true, false)
			f.annotate("true")
			act(f)
			f.wantReopened(true, false)
			f.wantReopened(false, false)
			f.nextPeriod()
			f.wantReopened(true, false)
		})
	}
}

func TestReopened_RestartAloneDoesNotReopen(t *testing.T) {
	f := newFixture(t, 1)
	f.wantAllowed("user_a", true)
	f.setDeferred(3)
	f.restart()
	f.wantReopened(false, false)
}

// Users that a sweep deferred without naming them are found only by another sweep.
func TestReopened_NeedsASweepWhenASweepDeferredUsers(t *testing.T) {
	for name, act := range map[string]func(f *fixture){
		"new period": func(f *fixture) { f.nextPeriod() },
		"override":   func(f *fixture) { f.annotate("true") },
		"restart and new period": func(f *fixture) {
			f.restart()
			f.nextPeriod()
		},
		"restart and override": func(f *fixture) {
			f.restart()
			f.annotate("true")
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, 1)
			f.wantAllowed("user_a", true)
			f.setDeferred(3)
			f.wantReopened(true, true) // the first period began
			f.wantReopened(false, false)
			act(f)
			f.wantReopened(true, true)
			f.wantReopened(false, false)
			f.setDeferred(0) // by that sweep
			f.wantReopened(false, false)
			f.nextPeriod()
			f.wantReopened(true, false)
		})
	}
}

// An override may come after the sweep has read how many deletions remain, and before it records what it deferred.
func TestReopened_NeedsASweepWhenTheOverrideCameDuringTheSweep(t *testing.T) {
	for name, notice := range map[string]func(f *fixture){
		"nothing noticed it":  func(*fixture) {},
		"a deletion found it": func(f *fixture) { f.wantAllowed("user_a", true) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, 0)
			f.wantReopened(true, false)
			f.wantRemaining(0)
			f.annotate("true")
			notice(f)
			f.setDeferred(3)
			f.wantEvents(0)
			f.wantReopened(true, true)
			f.wantReopened(false, false)
			f.wantRemaining(math.MaxInt)
			f.setDeferred(0)
			f.wantReopened(false, false)
		})
	}
}

func TestReopened_ErrorIsNotLost(t *testing.T) {
	f := newFixture(t, 1)
	f.wantAllowed("user_a", true)
	f.wantReopened(true, false)
	f.nextPeriod()
	f.api.onRead = always(refused)
	if reopened, _, err := f.budget.Reopened(t.Context()); reopened || err == nil {
		t.Errorf("reopened %v, %v", reopened, err)
	}
	f.api.onRead = nil
	f.wantReopened(true, false)
}
