package soak

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
)

const (
	// Limits of growth after the first part. The connections and the heap of an idle process vary, but they must not
	// depend on the number of users.
	maxNewGoroutines = 20
	maxHeapGrowth    = 2 << 20
)

// footprint is what an idle leader uses: goroutines, and bytes of heap right after a garbage collection.
type footprint struct{ goroutines, heap int }

// Deleted users leave nothing in a process, however many they are. The test compares the first part, in which connections
// and pools are created, with the last one. With FITUSER_SOAK_FOR it repeats the visits for that long, with few users at a
// time, so that a snapshot stays fast.
func TestSoak_Growth(t *testing.T) {
	duration, parts, visitors := soakDuration(t), 2, 50
	if duration > 0 {
		parts, visitors = 5, 500
	}
	// The deletion budget remembers a granted deletion for one period, which is the sync period.
	p := newPeople(newWorld(t, "FITUSER_SYNC_PERIOD=1m"), 1)
	for range 10 { // an empty user list counts as an error
		p.check(p.signUp())
	}
	m := p.managers[p.leader()]
	var footprints []footprint
	visits := 0
	for range parts {
		for started, more := time.Now(), true; more; more = time.Since(started) < duration/time.Duration(parts) {
			p.signUpAndDelete(visitors)
			visits += visitors
		}
		now := p.footprint(m)
		t.Logf("growth: after %d deleted users: %d goroutines, heap %d KiB", visits, now.goroutines, now.heap>>10)
		footprints = append(footprints, now)
	}

	first, last := footprints[0], footprints[parts-1]
	if grown := last.goroutines - first.goroutines; grown > maxNewGoroutines {
		t.Errorf("%d more goroutines after %d deleted users", grown, visits)
	}
	if grown := last.heap - first.heap; grown > maxHeapGrowth {
		t.Errorf("%d KiB more heap after %d deleted users", grown>>10, visits)
	}
}

// soakDuration returns FITUSER_SOAK_FOR, a duration such as 1h.
func soakDuration(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("FITUSER_SOAK_FOR")
	if text == "" {
		return 0
	}
	duration, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("FITUSER_SOAK_FOR: %v", err)
	}
	return duration
}

// signUpAndDelete signs users up, changes and deletes them, and waits after each step until everything is in sync.
func (p *people) signUpAndDelete(users int) {
	p.Helper()
	permanent := len(p.alive)
	var visitors []string
	for range users {
		visitors = append(visitors, p.clerk.SignUp(clerktest.Person{Email: p.email(), FirstName: p.name(), LastName: p.name()}))
	}
	p.allInSync(permanent + users)
	for _, id := range visitors {
		p.clerk.SetNames(id, p.name(), p.name())
		p.clerk.SetPrimaryEmail(id, p.email())
		p.clerk.Ban(id)
	}
	p.allInSync(permanent + users)
	for _, id := range visitors {
		p.clerk.Delete(id)
	}
	p.allInSync(permanent)
}

// allInSync waits until there are as many rows and FitUsers as users, and all match Clerk.
func (p *people) allInSync(users int) {
	p.Helper()
	p.webhooksDelivered()
	p.eventually(fmt.Sprintf("Clerk, the FitUsers and the rows have the same %d users", users), func() error {
		now, err := p.snapshot()
		if err != nil {
			return err
		}
		if len(now.rows) != users || len(now.fitUsers) != users {
			return fmt.Errorf("%d rows, %d users have FitUsers", len(now.rows), len(now.fitUsers))
		}
		for _, u := range now.clerk {
			err = errors.Join(err, now.compare(u))
		}
		return err
	})
}

// footprint is read right after a sweep, which ends with a garbage collection.
func (w *world) footprint(m *manager) footprint {
	w.Helper()
	before := w.sample(m, "fituser_sweep_duration_seconds_count")
	w.requestSweep()
	w.eventually("the sweep has ended", func() error {
		if w.sample(m, "fituser_sweep_duration_seconds_count") == before {
			return errNotYet
		}
		return nil
	})
	return footprint{w.sample(m, "go_goroutines"), w.sample(m, "go_memstats_heap_alloc_bytes")}
}

// sample returns the value of a metric without labels.
func (w *world) sample(m *manager, name string) int {
	w.Helper()
	text, err := fetch("http://" + m.metrics + "/metrics")
	w.check(err)
	_, after, found := strings.Cut(text, "\n"+name+" ")
	value, _, _ := strings.Cut(after, "\n")
	number, err := strconv.ParseFloat(value, 64)
	if !found || err != nil {
		w.Fatalf("%s has no metric %s: %v", m.name, name, err)
	}
	return int(number)
}
