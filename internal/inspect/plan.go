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

	Outlooks []preview.User `json:"outlooks"`
	// Writes counts the changes by place and action, such as "table update".
	Writes map[string]int `json:"writes"`
	// Undecided are the users of whom it cannot be said yet, with the reason.
	Undecided map[string]string `json:"undecided"`
}

// Plan makes a sweep that changes nothing. FitUsers are read from cache, which has the index of [fitusers.AddIndex].
func (p *Places) Plan(ctx context.Context, cache client.Reader, cached client.Client) (Plan, error) {
	if err := p.errUnasked(); err != nil {
		return Plan{}, err
	}
	would := p.newPreview(cached, func() int { return fitusers.Count(ctx, cache, p.Namespace) })
	report, outlooks, err := would.Sweep(ctx, sweep.Config{Cache: cache, Pages: unlimited(), Clock: p.Clock})
	if err != nil {
		return Plan{}, err
	}
	plan := Plan{Report: report, Outlooks: []preview.User{}, Writes: map[string]int{}, Undecided: map[string]string{}}
	for _, o := range outlooks {
		switch {
		case o.Err != nil:
			plan.Undecided[string(o.User)] = o.Err.Error()
		case len(o.Changes) == 0:
			plan.Undecided[string(o.User)] = fmt.Sprintf("%s; it looks again after %s", cmp.Or(o.Waits, "it waits"), o.RequeueAfter.Round(time.Millisecond))
		}
		if len(o.Changes) > 0 {
			plan.Outlooks = append(plan.Outlooks, o)
		}
		for _, change := range o.Changes {
			plan.Writes[change.Place+" "+change.Action]++
		}
	}
	return plan, nil
}

// Text writes the plan for a person; of the users at most limit.
func (plan Plan) Text(w io.Writer, limit int) error {
	t := newTable(w)
	for _, o := range plan.Outlooks[:min(limit, len(plan.Outlooks))] {
		for i, sentence := range sentences(o.Changes) {
			name := string(o.User)
			if i > 0 {
				name = ""
			}
			t.row(name, sentence)
		}
		if o.Reason != "" && o.Reason != "Synced" {
			t.row("", "and it would say "+o.Reason+": "+o.Message)
		}
	}
	if more := len(plan.Outlooks) - limit; more > 0 {
		t.line("… and %d users more (--all shows them)", more)
	}
	for _, id := range slices.Sorted(maps.Keys(plan.Undecided)) {
		t.row(id, "not known yet: "+plan.Undecided[id])
	}
	if len(plan.Outlooks)+len(plan.Undecided) > 0 {
		t.line("")
	}
	plan.conclude(t)
	return t.flush()
}

// conclude sums up what the sweep would find, and what would be written.
func (plan Plan) conclude(t *table) {
	t.line("Clerk lists %d users%s.", plan.Users, plan.wholeness())
	t.line("Without a FitUser %d, differing %d, newly missing in Clerk %d, rows of nobody %d (never touched).",
		plan.New, plan.Differing, plan.Missing, plan.OrphanedRows)
	if plan.Deferred > 0 {
		t.line("Held back, because more would go than --max-deletions allows: %d.", plan.Deferred)
	}
	if waiting := plan.waiting(); waiting > 0 {
		t.line("Nothing would be written for %d of those: manager status says what they wait for.", waiting)
	}
	switch {
	case len(plan.Writes) > 0:
		t.line("The operator would %s. Nothing was written now.", counted(plan.Writes))
	case plan.New+plan.Differing+plan.Missing == 0:
		t.line("Everything agrees: nothing would be written.")
	}
}

// waiting is how many users do not agree, and have nothing written for them: they wait for a person or for another user.
func (plan Plan) waiting() int {
	return max(0, plan.New+plan.Differing+plan.Missing-plan.Deferred-len(plan.Outlooks)-len(plan.Undecided))
}

func (plan Plan) wholeness() string {
	if plan.Complete {
		return ""
	}
	return fmt.Sprintf(", but says to have %d: nobody would be taken for gone", plan.Expected)
}
