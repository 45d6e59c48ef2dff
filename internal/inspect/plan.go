package inspect

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/controllers/preview"
	"github.com/fitai/fituser-operator/controllers/sweep"
	"github.com/fitai/fituser-operator/internal/fitusers"
)

// Plan is what a sweep would find now, and what the operator would then write.
type Plan struct {
	sweep.Report

	// Previews has one entry per user that would change.
	Previews []preview.User `json:"previews"`
	// Writes counts the changes by place and action, such as "table update".
	Writes map[string]int `json:"writes"`
	// Undecided maps users whose preview is not known yet to the reason.
	Undecided map[string]string `json:"undecided"`

	observe bool
}

// Plan runs a sweep that writes nothing. It reads FitUsers from cache, which has the index of [fitusers.AddIndex].
func (i *Inspector) Plan(ctx context.Context, cache client.Reader, cached client.Client) (Plan, error) {
	if err := i.checkAvailable(); err != nil {
		return Plan{}, err
	}
	would := i.newPreview(i.planBackends(), cached, func() int { return fitusers.Count(ctx, cache, i.Namespace) })
	report, previews, err := would.Sweep(ctx, sweep.Config{Cache: cache, Pages: unlimited(), Clock: i.Clock})
	if err != nil {
		return Plan{}, err
	}
	plan := Plan{
		Report: report, Previews: []preview.User{}, Writes: map[string]int{}, Undecided: map[string]string{}, observe: i.Observe,
	}
	for _, u := range previews {
		plan.add(u)
	}
	return plan, nil
}

func (p *Plan) add(u preview.User) {
	switch {
	case u.Err != nil:
		p.Undecided[string(u.User)] = u.Err.Error()
	case len(u.Changes) == 0:
		p.Undecided[string(u.User)] = waiting(u)
	}
	if len(u.Changes) > 0 {
		p.Previews = append(p.Previews, u)
	}
	for _, change := range u.Changes {
		p.Writes[change.Place+" "+change.Action]++
	}
}

// waiting describes a preview that has no change yet and is repeated later.
func waiting(u preview.User) string {
	return fmt.Sprintf("%s; next attempt in %s", cmp.Or(u.Waits, "Waiting"), u.RequeueAfter.Round(time.Millisecond))
}

// Text prints the plan, with at most limit users.
func (p Plan) Text(w io.Writer, limit int) error {
	t := newTable(w)
	for _, u := range p.Previews[:min(limit, len(p.Previews))] {
		for n, sentence := range sentences(u.Changes) {
			name := string(u.User)
			if n > 0 {
				name = ""
			}
			t.row(name, sentence)
		}
		if u.Reason != "" && u.Reason != "Synced" {
			t.row("", "then report "+u.Reason+": "+u.Message)
		}
	}
	if more := len(p.Previews) - limit; more > 0 {
		t.line("… and %d more users (--all lists them)", more)
	}
	for _, id := range slices.Sorted(maps.Keys(p.Undecided)) {
		t.row(id, "undecided: "+p.Undecided[id])
	}
	if len(p.Previews)+len(p.Undecided) > 0 {
		t.line("")
	}
	p.summarize(t)
	return t.flush()
}

// summarize prints what the sweep would find, and what would be written.
func (p Plan) summarize(t *table) {
	t.line("Clerk lists %d users%s.", p.Users, p.incomplete())
	t.line("Without a FitUser %d, differing %d, newly missing in Clerk %d, orphaned rows %d (never changed).",
		p.New, p.Differing, p.Missing, p.OrphanedRows)
	if p.Deferred > 0 {
		t.line("Deletions deferred by --max-deletions: %d. To allow them in this period, see docs/sweep.md.", p.Deferred)
	}
	if unwritten := p.unwritten(); unwritten > 0 {
		t.line("Nothing would be written for %d of these users: manager status shows the reasons.", unwritten)
	}
	if p.observe {
		t.line("The operator runs with --observe: it would write nothing of this to Clerk or to the table.")
	}
	switch {
	case len(p.Writes) > 0:
		t.line("The operator would %s. This command wrote nothing.", counted(p.Writes))
	case p.New+p.Differing+p.Missing == 0:
		t.line("All users are in sync: nothing would be written.")
	}
}

// unwritten returns how many users differ and wait for a person or for another user, so that nothing is written for them.
func (p Plan) unwritten() int {
	return max(0, p.New+p.Differing+p.Missing-p.Deferred-len(p.Previews)-len(p.Undecided))
}

func (p Plan) incomplete() string {
	if p.Complete {
		return ""
	}
	return fmt.Sprintf(", but reports a total of %d: no user would be treated as deleted", p.Expected)
}
