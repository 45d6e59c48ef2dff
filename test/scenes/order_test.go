package scenes_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

// sequence is a random sequence of changes to a few users, and of faults.
type sequence struct {
	*scene
	draw *rapid.T
	// usedIDs are the users who ever signed up: Clerk never uses an id twice.
	usedIDs []user.ID
	// undelivered are the events that Clerk has sent and the receiver has not received.
	undelivered []delivery
	// abandoned are users with a FitUser that a person deleted, and with it the status that shows that a row was written.
	abandoned  map[user.ID]bool
	recoveries []func()
}

type delivery struct {
	id   user.ID
	hint v1alpha1.Hint
}

// anchor is a user who never changes. From an empty listing the sweep concludes nothing, so one user must be left.
const anchor = "user_anchor"

func names() []string { return []string{"jane", "joe", "jim", "ann"} }

func (p *sequence) logStep(format string, args ...any) { p.draw.Logf("  "+format, args...) }

func (p *sequence) pick(what string, from ...string) string {
	return rapid.SampledFrom(from).Draw(p.draw, what)
}

// anyUser draws a user who is in Clerk.
func (p *sequence) anyUser() (id string, ok bool) {
	var there []string
	for _, u := range p.clerk.Users() {
		if u.ID != anchor {
			there = append(there, u.ID)
		}
	}
	slices.Sort(there)
	if len(there) == 0 {
		return "", false
	}
	return p.pick("user", there...), true
}

// sendEvent sends an event from Clerk, which is delivered later or never.
func (p *sequence) sendEvent(id string, kind v1alpha1.EventType) {
	p.clock.Step(20 * time.Millisecond)
	p.undelivered = append(p.undelivered, delivery{user.ID(id), p.event(user.ID(id), kind)})
}

// onTheNetwork injects a fault of the network, Clerk, the cache or the watch, or delivers an event.
func (p *sequence) onTheNetwork() {
	what := p.pick("on the wire", "delivers", "delivers", "delivers twice", "drops", "fails", "Clerk", "old cache", "no watch")
	if slices.Contains([]string{"delivers", "delivers twice", "drops"}, what) {
		p.handleDelivery(what)
		return
	}
	switch what {
	case "fails":
		at := rapid.IntRange(1, 6).Draw(p.draw, "write")
		mode := fault(p.pick("mode", string(crashBefore), string(crashAfter), string(callFails), string(lostAnswer)))
		p.logStep("at write %d from now the process %s", at, mode)
		p.gate.inject(map[int]fault{at: mode}, nil)
	case "Clerk":
		p.clerkFails()
	case "old cache":
		n := rapid.IntRange(0, len(p.history)-1).Draw(p.draw, "version")
		p.logStep("the cache shows version %d of %d while all users are reconciled", n, len(p.history))
		p.view = &p.history[n]
		for _, name := range names() {
			p.restartIfDead()
			p.reconcile(user.ID("user_" + name))
			p.handle(request{address: address(name)})
		}
		p.view = nil
	case "no watch":
		p.logStep("the watch delivers nothing until the next sweep")
		p.watchPaused = true
	}
}

func (p *sequence) handleDelivery(what string) {
	if len(p.undelivered) == 0 {
		return
	}
	n := rapid.IntRange(0, len(p.undelivered)-1).Draw(p.draw, "event")
	l := p.undelivered[n]
	p.logStep("the network %s %s of %s", what, l.hint.Type, l.id)
	if what != "drops" {
		p.deliver(l.id, l.hint)
	}
	if what != "delivers twice" {
		p.undelivered = slices.Delete(p.undelivered, n, n+1)
	}
}

func (p *sequence) clerkFails() {
	kinds := map[string]clerktest.Response{
		"500": clerktest.Status(500, "internal_clerk_error"), "HTML": clerktest.HTML404(), "null": clerktest.OKNull(),
		"half": clerktest.Truncated(), "closed": clerktest.CloseConnection(), "applied, then closed": clerktest.ApplyThen(clerktest.CloseConnection()),
		"empty list": clerktest.EmptyList(), "unauthorized": clerktest.Status(401, "clerk_key_invalid"),
	}
	kind := p.pick("answer", "500", "HTML", "null", "half", "closed", "applied, then closed", "empty list", "unauthorized")
	times := rapid.IntRange(1, 4).Draw(p.draw, "times")
	p.logStep("Clerk answers %d times: %s", times, kind)
	p.recoveries = append(p.recoveries, p.clerk.Inject(clerktest.Fault{
		Match: func(r *http.Request) bool { return !strings.HasSuffix(r.URL.Path, "/instance") }, Times: times, Respond: kinds[kind],
	}))
}

// operate runs the operator, restarts it or advances the clock.
func (p *sequence) operate() {
	what := p.pick("the operator", "works", "works", "sweeps", "is restarted", "looks once", "time passes")
	p.logStep("the operator: %s", what)
	switch what {
	case "works":
		p.reconcileUntilIdle()
	case "sweeps":
		p.sweep()
	case "is restarted":
		p.restart()
		p.watchPaused = false
	case "looks once":
		p.restartIfDead()
		p.deliverWatchEvents()
		if r, ok := p.dequeue(); ok {
			p.handle(r)
		}
	case "time passes":
		p.clock.Step(time.Duration(rapid.IntRange(1, 60).Draw(p.draw, "seconds")) * time.Second)
	}
}

// verify ends all faults, sweeps twice, and checks the final state.
func (p *sequence) verify() {
	for _, over := range p.recoveries {
		over()
	}
	p.gate.inject(nil, nil)
	p.view, p.watchPaused = nil, false
	for range 2 {
		p.clock.Step(time.Hour)
		p.sweep()
	}
	for _, name := range names() {
		if problem := p.modelOf(user.ID("user_" + name)).violation(); problem != "" {
			p.Errorf("user_%s: %s", name, problem)
		}
	}
	for _, problem := range p.violationsByEmail() {
		p.Errorf("%s", problem)
	}
	p.wantNoOrphanedRows()
	before := p.versions()
	p.reconcileUntilIdle()
	p.sweep()
	if _, left, err := p.scene.preview().Sweep(p.ctx, p.previewSweep()); err != nil || len(left) > 0 {
		p.Errorf("at the end a preview contains %+v, %v", left, err)
	}
	if after := p.versions(); fmt.Sprint(after) != fmt.Sprint(before) {
		p.Errorf("a sweep without drift writes:\n%v\n%v", before, after)
	}
	p.wantNoSecrets()
}

// wantNoOrphanedRows checks that no deleted user's row is left, except rows that the operator may not delete.
func (p *sequence) wantNoOrphanedRows() {
	for _, row := range p.raw.Query("SELECT * FROM users") {
		id := user.ID(fmt.Sprint(row["id"]))
		_, there := p.scene.clerk.User(string(id))
		if id == "legacy" || there || p.abandoned[id] || activeOf(p.objectsOf(id)) != nil || isAnonymized(row) {
			continue
		}
		p.Errorf("the row of %s is left", id)
	}
}

// anyDeparture draws what happens to the rows of deleted users.
func anyDeparture(draw *rapid.T) func(*installation) {
	return func(i *installation) {
		i.deletionDelay = rapid.SampledFrom([]time.Duration{0, 0, deletionDelay / 2}).Draw(draw, "delay")
		i.deletionPolicy = rapid.SampledFrom([]v1alpha1.DeletionPolicy{"", "", v1alpha1.DeletionPolicyAnonymize}).Draw(draw, "flag")
	}
}

// In any order of changes in Clerk, Git and the table, and of faults, no write violates an invariant. Once the faults are over,
// the final state agrees with the model.
func TestOrder_RandomSequences(t *testing.T) {
	parts := 2 // of a hundred each, side by side
	if thorough() {
		parts = 30
	}
	var sequences atomic.Int64
	t.Cleanup(func() { t.Logf("order: %d sequences", sequences.Load()) })
	for part := range parts {
		t.Run(fmt.Sprint(part), func(t *testing.T) {
			t.Parallel()
			h := newHarness(t)
			rapid.Check(t, func(draw *rapid.T) {
				sequences.Add(1)
				p := &sequence{scene: h.newScene(draw, anyDeparture(draw)), draw: draw, abandoned: map[user.ID]bool{}}
				p.recording = true
				p.maxReconciles = 200
				p.record()
				p.signUp("anchor")
				for range rapid.IntRange(1, 12).Draw(draw, "steps") {
					rapid.SampledFrom([]func(){p.inClerk, p.inClerk, p.inGit, p.inTheTable, p.onTheNetwork, p.onTheNetwork, p.operate, p.operate, p.operate}).Draw(draw, "who")()
				}
				p.verify()
			})
		})
	}
}
