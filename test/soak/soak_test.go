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

// smallSoak is how many changes people make where FITUSER_SOAK_CHANGES says nothing: enough for each fault once.
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

// People change things while one thing after another breaks. When all is well again, everything that was acknowledged is
// there without a sweep; after one sweep Clerk, the FitUsers and the rows agree to the last user, and nobody was told
// what is none of their business.
func TestSoak(t *testing.T) {
	changes := number(t, "FITUSER_SOAK_CHANGES", smallSoak)
	seed := number(t, "FITUSER_SOAK_SEED", int(time.Now().Unix()))
	t.Logf("FITUSER_SOAK_CHANGES=%d FITUSER_SOAK_SEED=%d", changes, seed)
	began := time.Now()
	p := newPeople(newWorld(t), uint64(seed))
	p.addStrangers()
	happened, leaked := p.live(changes)

	before := p.nothingLost("everything")
	v := before
	p.askForSweep()
	p.eventually("Clerk, the FitUsers and the rows agree", func() (err error) {
		if v, err = p.judge(); err != nil {
			return err
		}
		return v.err()
	})
	leaked = append(leaked, p.leaks()...)
	p.report(happened, began)
	t.Logf("of %d users in Clerk, %d whose newest change was acknowledged agreed before the last sweep; it mended %d differences and took %d zombies",
		len(p.alive), before.checked, len(before.disagree), len(before.zombies))
	t.Logf("acknowledged and lost %d, disagreements %d, zombies %d, canaries %d; rows of nobody by the documented gap: %d of %d users who left unseen",
		len(v.lost), len(v.disagree), len(v.zombies), len(leaked), len(v.gap), len(p.unseen))
	for _, l := range slices.Concat(leaked, p.crashes()) {
		t.Error(l)
	}
}

// live lets people make the changes: some before, during and after each fault. The faults come in a random order; each
// comes once before any comes again.
func (p *people) live(changes int) (happened map[string]int, leaked []string) {
	p.Helper()
	happened = map[string]int{}
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
		p.several(perFault / 3)
		end := next.begin(p)
		p.several(perFault / 3)
		end()
		p.several(perFault - perFault/3*2)
		happened[next.name]++
		leaked = append(leaked, p.leaksInMetrics()...)
		if p.mostlySettled(); changes <= smallSoak {
			p.nothingLost(next.name)
		}
	}
	return happened, leaked
}

// nothingLost waits until all that was acknowledged is reflected.
func (p *people) nothingLost(after string) (v verdict) {
	p.Helper()
	p.settled()
	p.eventually("all that was acknowledged is reflected after "+after, func() (err error) {
		if v, err = p.judge(); err == nil && len(v.lost) > 0 {
			err = fmt.Errorf("%d lost, such as %s", len(v.lost), v.lost[0])
		}
		return err
	})
	return v
}

func (p *people) several(n int) {
	for range n {
		p.act()
	}
}

// mostlySettled keeps the people from running away from the webhooks.
func (p *people) mostlySettled() {
	p.Helper()
	p.eventually("most webhooks are delivered", func() error { return p.pending(100) })
}

// settled waits until everything that Clerk has to tell is acknowledged.
func (p *people) settled() {
	p.Helper()
	p.eventually("all webhooks are delivered", func() error { return p.pending(0) })
}

func (p *people) pending(most int) error {
	if n := len(p.sender.Pending()); n > most {
		return fmt.Errorf("%d wait", n)
	}
	return nil
}

func (p *people) report(happened map[string]int, began time.Time) {
	p.Helper()
	counted := func(counts map[string]int) string {
		var lines []string
		for _, name := range slices.Sorted(maps.Keys(counts)) {
			lines = append(lines, fmt.Sprintf("%7d %s", counts[name], name))
		}
		return strings.Join(lines, "\n")
	}
	p.Logf("%d changes in %s:\n%s", p.changes(), time.Since(began).Round(time.Second), counted(p.done))
	p.Logf("faults:\n%s", counted(happened))
	alone := 0
	for _, m := range p.managers {
		alone += m.alone
	}
	p.acks.mu.Lock()
	defer p.acks.mu.Unlock()
	p.Logf("%d starts of managers, %d after they ended by themselves; %d attempts at %d events, refused by status: %v; on the way %d were lost and %d doubled",
		p.starts(), alone, p.acks.attempts, p.acks.events, p.acks.refused, p.line.lost.Load(), p.line.doubled.Load())
}
