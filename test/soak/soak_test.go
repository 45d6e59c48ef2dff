package soak

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// smallSoak is the number of changes without FITUSER_SOAK_CHANGES: enough to inject each fault once.
const smallSoak = 300

// number reads a number from the environment.
func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		return otherwise
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// People make changes during one fault after another. After the last fault every acknowledged change is reflected without
// a sweep. After one sweep Clerk, the FitUsers and the rows match for every user, and no personal value has leaked.
func TestSoak_Changes(t *testing.T) {
	changes := number(t, "FITUSER_SOAK_CHANGES", smallSoak)
	seed := number(t, "FITUSER_SOAK_SEED", int(time.Now().Unix()))
	t.Logf("FITUSER_SOAK_CHANGES=%d FITUSER_SOAK_SEED=%d", changes, seed)
	started := time.Now()
	p := newPeople(newWorld(t), uint64(seed))
	p.addOrphanedRows()
	injected, leaked := p.run(changes)

	before := p.nothingLost("everything")
	v := before
	p.requestSweep()
	p.eventually("Clerk, the FitUsers and the rows match", func() (err error) {
		if v, err = p.verify(); err != nil {
			return err
		}
		return v.err()
	})
	leaked = append(leaked, p.leaks()...)
	p.report(injected, started)
	t.Logf("%d users in Clerk: %d with an acknowledged newest change matched before the last sweep, which repaired %d mismatches and removed %d leftovers",
		len(p.alive), before.checked, len(before.mismatches), len(before.leftovers))
	t.Logf("acknowledged and lost %d, mismatches %d, leftovers %d, leaks %d; orphaned rows by the documented gap: %d of %d users deleted before they were observed",
		len(v.lost), len(v.mismatches), len(v.leftovers), len(leaked), len(v.gap), len(p.neverObserved))
	for _, l := range slices.Concat(leaked, p.crashes()) {
		t.Error(l)
	}
}

// run makes the changes: some before, during and after each fault. The faults come in random order; a fault is repeated
// only after all others.
func (p *people) run(changes int) (injected map[string]int, leaked []string) {
	p.Helper()
	injected = map[string]int{}
	perFault := min(max(changes/len(faults()), 3), 150)
	for waiting := []fault{}; p.changes() < changes; {
		if len(waiting) == 0 {
			p.nothingLost("a round of faults")
			p.Logf("%s: %d changes", time.Now().UTC().Format(time.TimeOnly), p.changes())
			waiting = faults()
			p.random.Shuffle(len(waiting), func(i, j int) { waiting[i], waiting[j] = waiting[j], waiting[i] })
		}
		next := waiting[0]
		waiting = waiting[1:]
		p.makeChanges(perFault / 3)
		end := next.inject(p)
		p.makeChanges(perFault / 3)
		end()
		p.makeChanges(perFault - perFault/3*2)
		injected[next.name]++
		leaked = append(leaked, p.leaksInMetrics()...)
		if p.mostWebhooksDelivered(); changes <= smallSoak {
			p.nothingLost(next.name)
		}
	}
	return injected, leaked
}

// nothingLost waits until every acknowledged change is reflected.
func (p *people) nothingLost(after string) (v findings) {
	p.Helper()
	p.webhooksDelivered()
	p.eventually("every acknowledged change is reflected after "+after, func() (err error) {
		if v, err = p.verify(); err == nil && len(v.lost) > 0 {
			err = fmt.Errorf("%d lost, such as %s", len(v.lost), v.lost[0])
		}
		return err
	})
	return v
}

func (p *people) makeChanges(n int) {
	for range n {
		p.change()
	}
}

// mostWebhooksDelivered limits how far the changes run ahead of the webhooks.
func (p *people) mostWebhooksDelivered() {
	p.Helper()
	p.eventually("most webhooks are delivered", func() error { return p.pending(100) })
}

// webhooksDelivered waits until every webhook is acknowledged.
func (p *people) webhooksDelivered() {
	p.Helper()
	p.eventually("all webhooks are delivered", func() error { return p.pending(0) })
}

func (p *people) pending(most int) error {
	if n := len(p.sender.Pending()); n > most {
		return fmt.Errorf("%d are pending", n)
	}
	return nil
}

func (p *people) report(injected map[string]int, started time.Time) {
	p.Helper()
	counted := func(counts map[string]int) string {
		var lines []string
		for _, name := range slices.Sorted(maps.Keys(counts)) {
			lines = append(lines, fmt.Sprintf("%7d %s", counts[name], name))
		}
		return strings.Join(lines, "\n")
	}
	p.Logf("%d changes in %s:\n%s", p.changes(), time.Since(started).Round(time.Second), counted(p.done))
	p.Logf("faults:\n%s", counted(injected))
	exits := 0
	for _, m := range p.managers {
		exits += m.exits
	}
	p.acks.mu.Lock()
	defer p.acks.mu.Unlock()
	p.Logf("%d starts of managers, %d after an exit of their own; %d delivery attempts, %d acknowledged, rejected by status: %v; the proxy lost %d and duplicated %d",
		p.starts(), exits, p.acks.attempts, p.acks.events, p.acks.rejected, p.proxy.lost.Load(), p.proxy.duplicated.Load())
}
