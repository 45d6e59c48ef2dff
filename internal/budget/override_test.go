package budget

import (
	"math"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/fitai/fituser-operator/internal/state"
)

// An override is for the period in which it takes effect, whichever process uses it or is there when the period ends.
func TestOverride_LastsOnePeriod(t *testing.T) {
	const unlimited = math.MaxInt
	for name, c := range map[string]struct {
		arrange func(f *fixture)
		want    int
	}{
		"used, and a restart in the period": {func(f *fixture) {
			f.annotate("true")
			f.wantReopened(true, false)
			f.restart()
		}, unlimited},
		"set while no process ran, in the period": {func(f *fixture) {
			f.wantAllowed("user_a", true)
			f.annotate("true")
			f.restart()
		}, unlimited},
		"used, and no process when the period ended": {func(f *fixture) {
			f.annotate("true")
			f.wantReopened(true, false)
			f.nextPeriod()
			f.restart()
		}, 5},
		"used by a deletion, and no process when the period ended": {func(f *fixture) {
			f.annotate("true")
			f.wantAllowed("user_a", true)
			f.nextPeriod()
			f.restart()
		}, 5},
		"used by two processes, and none when the period ended": {func(f *fixture) {
			f.annotate("true")
			f.wantReopened(true, false)
			f.restart()
			f.wantRemaining(unlimited)
			f.nextPeriod()
			f.restart()
		}, 5},
		"set after the period ended": {func(f *fixture) {
			f.wantAllowed("user_a", true)
			f.nextPeriod()
			f.annotate("true")
			f.restart()
		}, unlimited},
		"set too late to be used in its period": {func(f *fixture) {
			f.wantAllowed("user_a", true)
			f.annotate("true")
			f.nextPeriod()
		}, unlimited},
		"removed by the operator, and set again": {func(f *fixture) {
			f.annotate("true")
			f.wantReopened(true, false)
			f.nextPeriod()
			f.wantRemaining(5)
			f.wantNoOverride()
			f.annotate("true")
			f.restart()
		}, unlimited},
		"a value other than true": {func(f *fixture) { f.annotate("false") }, 5},
		"removed by a person, and a restart": {func(f *fixture) {
			f.annotate("true")
			f.wantRemaining(unlimited)
			f.annotate("")
			f.restart()
		}, 5},
		"removed by a person, a restart, and set again": {func(f *fixture) {
			f.annotate("true")
			f.wantRemaining(unlimited)
			f.annotate("")
			f.restart()
			f.wantRemaining(5)
			f.annotate("true")
		}, unlimited},
		"removed by a person, a restart, and set again too late for its period": {func(f *fixture) {
			f.annotate("true")
			f.wantRemaining(unlimited)
			f.annotate("")
			f.restart()
			f.wantRemaining(5)
			f.annotate("true")
			f.nextPeriod()
		}, unlimited},
		"its record removed by a person": {func(f *fixture) {
			f.annotate("true")
			f.wantRemaining(unlimited)
			f.edit(func(configMap *corev1.ConfigMap) { delete(configMap.Data, state.OverriddenKey) })
			f.restart()
		}, unlimited},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, 5)
			c.arrange(f)
			f.wantRemaining(c.want)
			if c.want == 5 {
				return
			}
			f.nextPeriod()
			f.restart()
			f.wantRemaining(5)
			f.wantNoOverride()
		})
	}
}

func TestOverride_RecordOfAWithdrawnOneEndsWithItsPeriod(t *testing.T) {
	f := newFixture(t, 5)
	f.annotate("true")
	f.wantRemaining(math.MaxInt)
	f.annotate("")
	f.restart()
	f.wantRemaining(5)
	f.nextPeriod()
	f.wantRemaining(5)
	f.wantNoOverride()
}

// An override that was not needed ends too: it must not allow a flood a year later.
func TestOverride_UnusedEndsWithItsPeriod(t *testing.T) {
	f := newFixture(t, 10)
	f.wantRemaining(10)
	f.annotate("true")
	f.wantRemaining(math.MaxInt)
	f.nextPeriod()
	f.wantRemaining(10)
	f.wantNoOverride()
}

// The removal of the annotation may fail. The limit of the next period must hold nevertheless.
func TestOverride_LimitHoldsAlthoughTheAnnotationCannotBeRemoved(t *testing.T) {
	for name, fault := range map[string]fault{"refused": refused, "response lost": lostResponse} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, 1)
			f.annotate("true")
			f.wantRemaining(math.MaxInt)
			f.nextPeriod()
			f.api.onWrite = once(fault)
			if allowed, err := f.budget.Allow(t.Context(), "user_a"); allowed || err == nil {
				t.Errorf("in a period that was not persisted: allowed %v, %v", allowed, err)
			}
			f.api.onWrite = once(fault)
			if remaining, err := f.budget.Remaining(t.Context()); err == nil && remaining > 1 {
				t.Errorf("%d deletions remain in a period that was not persisted", remaining)
			}
			f.api.onWrite = nil
			f.wantRemaining(1)
			f.wantAllowed("user_a", true)
			f.wantAllowed("user_b", false)
			f.wantNoOverride()
		})
	}
}

// The record of an override may be written although its response is lost.
func TestOverride_LostResponse(t *testing.T) {
	f := newFixture(t, 0)
	f.wantAllowed("user_a", false)
	f.wantReopened(true, false)
	f.annotate("true")
	f.api.onWrite = once(lostResponse)
	if allowed, err := f.budget.Allow(t.Context(), "user_a"); allowed || err == nil {
		t.Errorf("allowed %v, %v", allowed, err)
	}
	f.wantAllowed("user_a", true)
	f.wantReopened(true, false)
	f.nextPeriod()
	f.wantAllowed("user_a", false)
	f.wantNoOverride()
}

func TestOverride_DoesNotUseUpTheLimit(t *testing.T) {
	f := newFixture(t, 3)
	f.wantAllowed("user_a", true)
	f.annotate("true")
	for i := range 20 {
		f.wantAllowed(numbered(i), true)
	}
	f.annotate("")
	f.restart()
	f.wantRemaining(2)
}

// Setting the annotation to another value does not end an override that took effect, and no later period takes it up.
func TestOverride_OtherValueStaysForAPersonToSee(t *testing.T) {
	f := newFixture(t, 5)
	f.annotate("yes")
	f.wantRemaining(5)
	f.wantAllowed("user_a", true)
	f.setDeferred(1)
	f.nextPeriod()
	f.wantRemaining(5)
	f.wantAllowed("user_a", true)
	if got := f.read().Object.Annotations[state.AnnotationAllowDeletions]; got != "yes" {
		t.Errorf("the annotation is %q", got)
	}
}

// No content of the ConfigMap allows more deletions than the limit.
func TestOverride_HostileConfigMap(t *testing.T) {
	for name, data := range map[string]map[string]string{
		"no time":                 {state.PeriodKey: "yesterday", state.GrantedKey: "5"},
		"no number":               {state.GrantedKey: "five"},
		"negative number":         {state.GrantedKey: "-500"},
		"number out of range":     {state.GrantedKey: "99999999999999999999"},
		"start in the far future": {state.PeriodKey: "9999-12-31T23:59:59Z", state.GrantedKey: "-1", state.OverriddenKey: "9999-12-31T23:59:59Z"},
		"year 0":                  {state.PeriodKey: "0000-01-01T00:00:00Z", state.OverriddenKey: "0000-01-01T00:00:00Z"},
		"zero time":               {state.PeriodKey: "0001-01-01T00:00:00Z", state.OverriddenKey: "0001-01-01T00:00:00Z"},
		"override without period": {state.OverriddenKey: "2026-11-23T03:29:35Z"},
		"empty values":            {state.PeriodKey: "", state.GrantedKey: "", state.OverriddenKey: "", state.DeferredKey: ""},
		"deferred is no number":   {state.DeferredKey: "many"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, 3)
			f.edit(func(configMap *corev1.ConfigMap) { configMap.Data = data })
			if remaining, err := f.budget.Remaining(t.Context()); err != nil || remaining > 3 {
				t.Errorf("%d deletions remain, %v", remaining, err)
			}
			for i := range 5 {
				if allowed, err := f.budget.Allow(t.Context(), numbered(i)); err != nil || allowed && i >= 3 {
					t.Errorf("deletion %d: allowed %v, %v", i, allowed, err)
				}
			}
			f.nextPeriod()
			f.wantRemaining(3)
		})
	}
}
