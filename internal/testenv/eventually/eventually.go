// Package eventually waits in tests for a state that other goroutines or processes reach. It is separate from testenv, so
// that packages which need no control plane do not link one.
package eventually

import (
	"errors"
	"testing"
	"time"
)

const (
	// patience is longer than the slowest machine needs: a test that passes never waits for it.
	patience = 5 * time.Minute
	interval = 10 * time.Millisecond
)

var errNotYet = errors.New("the condition is false")

// Succeeds waits until check returns nil, and fails the test with its last error when that takes too long.
func Succeeds(tb testing.TB, what string, check func() error) {
	tb.Helper()
	Within(tb, patience, what, check)
}

// Holds waits until check returns true.
func Holds(tb testing.TB, what string, check func() bool) {
	tb.Helper()
	Succeeds(tb, what, func() error {
		if !check() {
			return errNotYet
		}
		return nil
	})
}

// Within is Succeeds with a limit of its own, for tests whose states take longer.
func Within(tb testing.TB, limit time.Duration, what string, check func() error) {
	tb.Helper()
	end := time.NewTimer(limit)
	defer end.Stop()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		last := check()
		if last == nil {
			return
		}
		select {
		case <-tick.C:
		case <-end.C:
			tb.Fatalf("waited %s until %s: %v", limit, what, last)
		}
	}
}
