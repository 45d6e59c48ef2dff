package budget

import (
	"math"
	"time"

	"github.com/fitai/fituser-operator/internal/state"
)

// period is a span of time with a limit of deletions. It is a value: its methods decide, or return the next period, and
// change nothing.
type period struct {
	start      time.Time
	limit      int
	reserved   int // grants that are persisted
	used       int // reserved grants that were used
	overridden bool
}

// persisted returns the period that was last persisted, without its limit. How many of its grants were used is unknown
// after a restart, so all of them count as used.
func persisted(s state.State) period {
	d := s.Deletions
	return period{
		start: d.PeriodStart, reserved: d.Granted, used: d.Granted,
		overridden: s.OverrideRequested && !d.PeriodStart.IsZero() && d.OverriddenPeriod.Equal(d.PeriodStart),
	}
}

// persist writes the period into the state, and reports whether that changes the state.
func (p period) persist(s *state.State) bool {
	next := s.Deletions
	next.PeriodStart, next.Granted, next.OverriddenPeriod = p.start.Truncate(time.Second), p.reserved, time.Time{}
	if p.overridden {
		next.OverriddenPeriod = next.PeriodStart
	}
	changed := !next.PeriodStart.Equal(s.Deletions.PeriodStart) || next.Granted != s.Deletions.Granted ||
		!next.OverriddenPeriod.Equal(s.Deletions.OverriddenPeriod)
	s.Deletions = next
	return changed
}

// isOver reports whether the period has ended. A start more than one period in the future comes from a wrong clock and
// counts as ended: it would block or lift the limit until then.
func (p period) isOver(now time.Time, length time.Duration) bool {
	return !now.Before(p.start.Add(length)) || p.start.After(now.Add(length))
}

// hasReserve reports whether one more deletion is granted without reading the operator state.
func (p period) hasReserve() bool { return p.overridden || p.used < p.reserved }

// remaining returns how many more deletions may happen.
func (p period) remaining() int {
	if p.overridden {
		return math.MaxInt
	}
	return max(0, p.limit-p.used)
}

// maxReserve is how many grants are reserved at once: a process that ends loses as many.
const maxReserve = 20

// reserve returns the period with some more grants, within the limit.
func (p period) reserve() period {
	some := min(max(1, p.limit/10), maxReserve)
	p.reserved = max(p.reserved, min(p.reserved+some, p.limit))
	return p
}

// consume returns the period after one more grant is used.
func (p period) consume() period {
	p.used++
	return p
}

// override returns the period without a limit.
func (p period) override() period {
	p.overridden = true
	return p
}
