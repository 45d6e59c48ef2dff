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

	"github.com/fitai/fituser-operator/controllers"
)

// Plan is what a sweep would find now, and what the operator would then write.
type Plan struct {
	// Expected is the number of users that Clerk reports, Users the number that it lists.
	Expected int `json:"expected"`
	Users    int `json:"users"`
	// Complete is true when the listing lacks no user. Only then may a user count as deleted.
	Complete bool `json:"complete"`
	// New users have no FitUser, Differing users differ somewhere, Missing users were in Clerk and are not listed.
	New       int `json:"new"`
	Differing int `json:"differing"`
	Missing   int `json:"missing"`
	// Deferred are those Missing users whose deletion exceeds --max-deletions.
	Deferred int `json:"deferred"`
	// MissedWebhooks are changes that no webhook reported. OrphanedRows are rows without a Clerk user and a FitUser.
	MissedWebhooks int `json:"missedWebhooks"`
	OrphanedRows   int `json:"orphanedRows"`

	// Previews has one entry per user that would change.
	Previews []controllers.Outlook `json:"previews"`
	// Writes counts the changes by place and action, such as "table update".
	Writes map[string]int `json:"writes"`
	// Undecided maps users whose preview is not known yet to the reason.
	Undecided map[string]string `json:"undecided"`
}

// Plan runs a sweep that writes nothing. It reads FitUsers from cache, which has the index of [fitusers.AddIndex].
func (i *Inspector) Plan(ctx context.Context, cache client.Reader, cached client.Client) (Plan, error) {
	if err := i.checkAvailable(); err != nil {
		return Plan{}, err
	}
	dry := i.dryRun(cached, controllers.CountFitUsers(cache, i.Namespace))
	report, previews, err := dry.Sweep(ctx, &controllers.Sweeper{Cache: cache, Pages: unlimited(), Clock: i.Clock})
	if err != nil {
		return Plan{}, err
	}
	plan := newPlan(report)
	for _, preview := range previews {
		plan.add(preview)
	}
	return plan, nil
}

func newPlan(r controllers.Report) Plan {
	return Plan{
		Expected: r.Expected, Users: r.Users, Complete: r.Whole, New: r.New, Differing: r.Differing, Missing: r.Gone,
		Deferred: r.HeldBack, MissedWebhooks: r.Missed, OrphanedRows: r.Strangers,
		Previews: []controllers.Outlook{}, Writes: map[string]int{}, Undecided: map[string]string{},
	}
}

func (p *Plan) add(preview controllers.Outlook) {
	switch {
	case preview.Err != nil:
		p.Undecided[string(preview.User)] = preview.Err.Error()
	case len(preview.Changes) == 0:
		p.Undecided[string(preview.User)] = waiting(preview)
	}
	if len(preview.Changes) > 0 {
		p.Previews = append(p.Previews, preview)
	}
	for _, change := range preview.Changes {
		p.Writes[change.Place+" "+change.Action]++
	}
}

// waiting describes a preview that has no change yet and is repeated later.
func waiting(preview controllers.Outlook) string {
	return fmt.Sprintf("%s; next attempt in %s", cmp.Or(preview.Waits, "Waiting"), preview.Again.Round(time.Millisecond))
}

// Text prints the plan, with at most limit users.
func (p Plan) Text(w io.Writer, limit int) error {
	t := newTable(w)
	for _, preview := range p.Previews[:min(limit, len(p.Previews))] {
		for n, sentence := range sentences(preview.Changes) {
			name := string(preview.User)
			if n > 0 {
				name = ""
			}
			t.row(name, sentence)
		}
		if preview.Reason != "" && preview.Reason != "Synced" {
			t.row("", "then report "+preview.Reason+": "+preview.Message)
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
