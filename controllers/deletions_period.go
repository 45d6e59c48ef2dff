package controllers

import (
	"math"
	"time"
)

// period is a span of time in which only so many deletions may happen. It is a value: its methods decide, or give the
// period as it would be next, and change nothing.
type period struct {
	start  time.Time
	limit  int
	noted  int    // grants in the ConfigMap
	used   int    // of those, used
	lifted bool   // by a person's word
	names  string // of those held back, as the ConfigMap has them
}

// over is true once the period has lasted its length. One that is noted to begin after the next one would is the work of a clock
// that was wrong, and would block or lift the limit until then.
func (p period) over(now time.Time, length time.Duration) bool {
	return !now.Before(p.start.Add(length)) || p.start.After(now.Add(length))
}

// open is true while one more may go without a look into the ConfigMap.
func (p period) open() bool { return p.lifted || p.used < p.noted }

// left is how many more may go.
func (p period) left() int {
	if p.lifted {
		return math.MaxInt
	}
	return max(0, p.limit-p.used)
}

// maxGrants bounds how many grants are noted at once: a program that ends takes as many with it.
const maxGrants = 20

// more is the period with some more grants, as far as the limit goes.
func (p period) more() period {
	some := min(max(1, p.limit/10), maxGrants)
	p.noted = max(p.noted, min(p.noted+some, p.limit))
	return p
}

// use is the period after one more has gone.
func (p period) use() period {
	p.used++
	return p
}

// lift is the period after a person's word: there is no limit, so nobody is held back.
func (p period) lift() period {
	p.lifted, p.names = true, ""
	return p
}

// naming is the period with those who are held back named so.
func (p period) naming(names string) period {
	p.names = names
	return p
}
