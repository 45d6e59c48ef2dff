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
	// What may be there in the end and was not after the first part. A process at rest has some connections more or less,
	// and its heap differs from look to look. Neither may depend on how many have come.
	moreGoroutines = 20
	moreHeap       = 2 << 20
)

// footprint is what a leader at rest takes: goroutines, and bytes of the heap right after a collection.
type footprint struct{ goroutines, heap int }

// Who comes and goes leaves nothing in a process, however many they are. The first part of the test, in which connections and
// pools come to be, is compared with the last one. For FITUSER_SOAK_FOR visitors come again and again, few enough at once
// for a look at all three places to be quick.
func TestNothingGrows(t *testing.T) {
	lasting, parts, visitors := soakFor(t), 2, 50
	if lasting > 0 {
		parts, visitors = 5, 500
	}
	// Whoever was granted to go is remembered for a period, which is a sync period.
	p := newPeople(newWorld(t, "FITUSER_SYNC_PERIOD=1m"), 1)
	for range 10 { // an empty listing would be taken for a mistake
		p.check(p.signUp())
	}
	m := p.managers[p.leader()]
	var footprints []footprint
	visits := 0
	for range parts {
		for begun, more := time.Now(), true; more; more = time.Since(begun) < lasting/time.Duration(parts) {
			p.comeAndGo(visitors)
			visits += visitors
		}
		now := p.footprint(m)
		t.Logf("growth: after %d users have come and gone: %d goroutines, heap %d KiB", visits, now.goroutines, now.heap>>10)
		footprints = append(footprints, now)
	}

	first, last := footprints[0], footprints[parts-1]
	if grown := last.goroutines - first.goroutines; grown > moreGoroutines {
		t.Errorf("%d goroutines more after %d users have come and gone", grown, visits)
	}
	if grown := last.heap - first.heap; grown > moreHeap {
		t.Errorf("%d KiB more after %d users have come and gone", grown>>10, visits)
	}
}

// soakFor is FITUSER_SOAK_FOR, a duration such as 1h.
func soakFor(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("FITUSER_SOAK_FOR")
	if text == "" {
		return 0
	}
	lasting, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("FITUSER_SOAK_FOR: %v", err)
	}
	return lasting
}

// comeAndGo lets users sign up, change and leave, and waits at each step until all is as they wish.
func (p *people) comeAndGo(users int) {
	p.Helper()
	stay := len(p.alive)
	var visitors []string
	for range users {
		visitors = append(visitors, p.clerk.SignUp(clerktest.Person{Email: p.email(), FirstName: p.name(), LastName: p.name()}))
	}
	p.nobodyDiffers(stay + users)
	for _, id := range visitors {
		p.clerk.SetNames(id, p.name(), p.name())
		p.clerk.SetPrimaryEmail(id, p.email())
		p.clerk.Ban(id)
	}
	p.nobodyDiffers(stay + users)
	for _, id := range visitors {
		p.clerk.Delete(id)
	}
	p.nobodyDiffers(stay)
}

// nobodyDiffers waits until there are so many rows and FitUsers, which say what Clerk says.
func (p *people) nobodyDiffers(users int) {
	p.Helper()
	p.settled()
	p.eventually(fmt.Sprintf("the three places hold the same %d users", users), func() error {
		now, err := p.look()
		if err != nil {
			return err
		}
		if len(now.rows) != users || len(now.fitUsers) != users {
			return fmt.Errorf("%d rows, %d users have FitUsers", len(now.rows), len(now.fitUsers))
		}
		for _, u := range now.clerk {
			err = errors.Join(err, now.user(u))
		}
		return err
	})
}

// footprint is looked at right after a sweep, which ends with a collection.
func (w *world) footprint(m *manager) footprint {
	w.Helper()
	before := w.sample(m, "fituser_sweep_duration_seconds_count")
	w.askForSweep()
	w.eventually("a sweep is done", func() error {
		if w.sample(m, "fituser_sweep_duration_seconds_count") == before {
			return errNotYet
		}
		return nil
	})
	return footprint{w.sample(m, "go_goroutines"), w.sample(m, "go_memstats_heap_alloc_bytes")}
}

// sample is the value of a metric without labels.
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
