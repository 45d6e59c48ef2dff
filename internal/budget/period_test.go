package budget

import (
	"math"
	"testing"
	"time"

	"github.com/fitai/fituser-operator/internal/state"
)

func TestPeriod_ReserveAndRemaining(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		period    period
		reserve   bool
		remaining int
	}{
		"new":                         {period{limit: 10}, false, 10},
		"grants reserved":             {period{limit: 10, reserved: 3, used: 1}, true, 9},
		"reserved grants used":        {period{limit: 10, reserved: 3, used: 3}, false, 7},
		"limit reached":               {period{limit: 10, reserved: 10, used: 10}, false, 0},
		"limit of 0":                  {period{}, false, 0},
		"limit lowered by a restart":  {period{limit: 10, reserved: 50, used: 50}, false, 0},
		"overridden":                  {period{limit: 10, reserved: 10, used: 10}.override(), true, math.MaxInt},
		"overridden limit of 0":       {period{}.override(), true, math.MaxInt},
		"overridden and used further": {period{limit: 1, reserved: 1, used: 500, overridden: true}.consume(), true, math.MaxInt},
	} {
		if reserve, remaining := c.period.hasReserve(), c.period.remaining(); reserve != c.reserve || remaining != c.remaining {
			t.Errorf("%s: reserve %v and %d remaining, want %v and %d", name, reserve, remaining, c.reserve, c.remaining)
		}
	}
}

func TestPeriod_ReservesInBatches(t *testing.T) {
	t.Parallel()
	for limit, want := range map[int]struct{ first, writes int }{
		0:    {0, 0},
		1:    {1, 1},
		10:   {1, 10},
		55:   {5, 11},
		200:  {20, 10},
		5000: {maxReserve, 250},
	} {
		p := period{limit: limit}
		first, writes := p.reserve().reserved, 0
		for p != p.reserve() {
			p = p.reserve()
			writes++
		}
		if first != want.first || writes != want.writes || p.reserved != limit {
			t.Errorf("limit %d: %d in the first batch, %d in %d writes", limit, first, p.reserved, writes)
		}
	}
}

func TestPeriod_ReserveLosesNoGrants(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]period{
		"more than a lowered limit": {limit: 5, reserved: 50, used: 50},
		"the largest number":        {limit: 5, reserved: math.MaxInt, used: math.MaxInt},
	} {
		if p.reserve() != p {
			t.Errorf("%s: %+v became %+v", name, p, p.reserve())
		}
	}
}

func TestPeriod_IsOver(t *testing.T) {
	t.Parallel()
	p := period{start: time.Unix(1000, 0)}
	for at, want := range map[int64]bool{1000: false, 1059: false, 1060: true, 9999: true} {
		if got := p.isOver(time.Unix(at, 0), time.Minute); got != want {
			t.Errorf("at %d: over %v", at, got)
		}
	}
	if !(period{}).isOver(time.Unix(0, 0), time.Hour) {
		t.Error("a period without a start is not over")
	}
}

func TestPeriod_StartInTheFarFutureIsOver(t *testing.T) {
	t.Parallel()
	p := period{start: time.Unix(1000, 0)}
	for ahead, want := range map[time.Duration]bool{time.Second: false, time.Minute: false, 61 * time.Second: true, 24 * time.Hour: true} {
		if got := p.isOver(p.start.Add(-ahead), time.Minute); got != want {
			t.Errorf("starts in %s: over %v", ahead, got)
		}
	}
}

// A later process knows only what was persisted, and counts every grant as used.
func TestPeriod_IsReadAsPersisted(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 23, 3, 29, 35, 0, time.UTC)
	for name, p := range map[string]period{
		"new":        {start: start},
		"granted":    {start: start, reserved: 7, used: 7},
		"overridden": period{start: start, reserved: 2, used: 2}.override(),
	} {
		s := state.State{InstanceID: "ins_1", OverrideRequested: true}
		s.Deletions = state.Deletions{PeriodStart: start.Add(-time.Hour), OverriddenPeriod: start.Add(-time.Hour), Granted: 9, Deferred: 4}
		if !p.persist(&s) {
			t.Errorf("%s: the state did not change", name)
		}
		if got := persisted(s); got != p {
			t.Errorf("%s: persisted %+v, read %+v", name, p, got)
		}
		if p.persist(&s) {
			t.Errorf("%s: persisting it again changes the state", name)
		}
		if s.InstanceID != "ins_1" || s.Deletions.Deferred != 4 || !s.OverrideRequested {
			t.Errorf("%s: the rest of the state changed: %+v", name, s)
		}
	}
}

// The state holds whole seconds. A process that read the state and one that wrote it must agree on the period.
func TestPeriod_FractionOfASecondIsNoOtherPeriod(t *testing.T) {
	t.Parallel()
	p := period{start: time.Date(2026, 11, 23, 3, 29, 35, 987_654_321, time.FixedZone("", 3600)), reserved: 2, used: 2}.override()
	s := state.State{OverrideRequested: true}
	p.persist(&s)
	got := persisted(s)
	if !got.overridden || got.reserved != 2 || got.start.Unix() != p.start.Unix() {
		t.Errorf("persisted %+v, read %+v", p, got)
	}
	if got.persist(&s) || p.persist(&s) {
		t.Error("persisting it again changes the state")
	}
}

// No content of the ConfigMap, by itself, overrides the limit.
func TestPeriod_OnlyItsOwnOverrideCounts(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 23, 3, 29, 35, 0, time.UTC)
	for name, c := range map[string]struct {
		deletions state.Deletions
		requested bool
		want      bool
	}{
		"nothing persisted":              {state.Deletions{}, true, false},
		"annotation alone":               {state.Deletions{PeriodStart: start, Granted: 5}, true, false},
		"override of another period":     {state.Deletions{PeriodStart: start, Granted: 5, OverriddenPeriod: start.AddDate(-1, 0, 0)}, true, false},
		"override without a period":      {state.Deletions{OverriddenPeriod: start}, true, false},
		"annotation removed by a person": {state.Deletions{PeriodStart: start, OverriddenPeriod: start}, false, false},
		"override of this period":        {state.Deletions{PeriodStart: start, OverriddenPeriod: start}, true, true},
	} {
		p := persisted(state.State{Deletions: c.deletions, OverrideRequested: c.requested})
		if p.overridden != c.want || p.used != c.deletions.Granted || p.reserved != c.deletions.Granted {
			t.Errorf("%s: %+v", name, p)
		}
	}
}
