package budget

import (
	"math"
	"testing"

	"github.com/fitai/fituser-operator/internal/user"
)

// A person must be informed, also when the API server was unavailable at first.
func TestAnnounce_OncePerPeriod(t *testing.T) {
	f := newFixture(t, 0)
	f.wantRemaining(0)
	f.api.onRead = always(refused)
	for _, id := range []user.ID{"user_a", "user_b", "user_a"} {
		if allowed, err := f.budget.Allow(t.Context(), id); allowed || err == nil {
			t.Fatalf("without a ConfigMap: allowed %v, %v", allowed, err)
		}
	}
	if err := f.budget.SetDeferred(t.Context(), 2); err == nil {
		t.Error("deferred users were recorded without a ConfigMap")
	}
	f.wantEvents(0)
	f.api.onRead = nil
	f.wantAllowed("user_b", false)
	f.wantEvents(1)
	f.wantAllowed("user_a", false)
	f.wantAllowed("user_c", false)
	f.setDeferred(2)
	f.wantEvents(0)

	f.nextPeriod()
	f.wantAllowed("user_a", false)
	f.setDeferred(2)
	f.wantEvents(1)
}

func TestAnnounce_FailedWriteDoesNotSuppressIt(t *testing.T) {
	for name, fault := range map[string]fault{"refused": refused, "response lost": lostResponse} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, 1)
			f.wantAllowed("user_a", true)
			f.api.onWrite = once(fault)
			if err := f.budget.SetDeferred(t.Context(), 3); err == nil {
				t.Fatal("the fault did not occur")
			}
			f.wantEvents(0)
			f.setDeferred(3)
			f.wantDeferred(3)
			f.wantEvents(1)
		})
	}
}

// Sweeps may defer the same number in every period, without one deletion that is refused.
func TestAnnounce_EachPeriodAlthoughTheNumberStays(t *testing.T) {
	f := newFixture(t, 0)
	for range 3 {
		f.setDeferred(4)
		f.wantEvents(1)
		f.setDeferred(4)
		f.wantEvents(0)
		f.nextPeriod()
	}
}

func TestAnnounce_OverrideThatCameBeforeRaisesNoAlarm(t *testing.T) {
	for name, act := range map[string]func(f *fixture){
		"deletion":      func(f *fixture) { f.wantAllowed("user_b", true) },
		"sweep's count": func(f *fixture) { f.setDeferred(2) },
		"restart": func(f *fixture) {
			f.restart()
			f.setDeferred(2)
		},
		"noticed before the sweep's count": func(f *fixture) {
			f.wantAllowed("user_b", true)
			f.setDeferred(2)
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, 1)
			f.wantAllowed("user_a", true)
			f.wantRemaining(0)
			f.annotate("true")
			act(f)
			f.wantEvents(0)
			f.wantRemaining(math.MaxInt)
		})
	}
}
