package inspect

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fitai/fituser-operator/internal/state"
)

// Text writes the picture for a person.
func (s Status) Text(w io.Writer, now time.Time) error {
	t := newTable(w)
	t.row("NAMESPACE", s.Namespace)
	t.row("CLERK INSTANCE", cmp.Or(s.Instance, "not known yet: no secret key was checked so far"))
	leader := "no Lease: a single process without --leader-elect needs none"
	if s.Leader != nil {
		leader = fmt.Sprintf("%s, heard %s ago", s.Leader.Holder, age(now, s.Leader.Renewed))
	}
	t.row("LEADER", leader)
	t.row("CLERK", s.Clerk.text("users"))
	t.row("TABLE", s.Table.text("rows"))
	t.row("FITUSERS", fmt.Sprintf("%d, of which %d ready; %d made by people, %d suspended, %d being deleted",
		s.FitUsers, s.Ready, s.ByHand, s.Suspended, s.Leaving))
	t.row("ROLES", list(s.Roles))
	t.row("GIVEN BY GIT", list(s.Given))
	t.row("DELETIONS", s.Deletions.text())
	t.line("")
	if len(s.Troubles) == 0 {
		t.line("All FitUsers are ready.")
		return t.flush()
	}
	t.row("NOT READY", "USERS", "STALLED", "SINCE", "FOR EXAMPLE", "WHICH SAYS")
	for _, trouble := range s.Troubles {
		t.row(trouble.Reason, fmt.Sprint(trouble.Users), fmt.Sprint(trouble.Stalled), age(now, trouble.Since), trouble.Example, trouble.Message)
	}
	t.line("")
	t.line("Stalled ones wait for a person; docs/conditions.md says what to do. One user in detail: manager why %s", s.example())
	return t.flush()
}

// example is a FitUser that waits for a person, or one that is not ready for another reason.
func (s Status) example() string {
	stalled := slices.IndexFunc(s.Troubles, func(t Trouble) bool { return t.Stalled > 0 })
	return s.Troubles[max(0, stalled)].Example
}

func (s Side) text(things string) string {
	if s.Problem != "" {
		return s.Problem
	}
	return fmt.Sprintf("%d %s, counted in %s", s.Users, things, time.Duration(s.Seconds*float64(time.Second)).Round(time.Millisecond))
}

func (d Deletions) text() string {
	switch {
	case d.HeldBack > 0:
		return fmt.Sprintf("HELD BACK %d, such as %s. If that is right: kubectl annotate configmap %s %s=true", d.HeldBack,
			strings.Join(d.Users[:min(len(d.Users), 3)], ", "), state.ConfigMapName, state.AnnotationAllowDeletions)
	case d.Allowed:
		return "not limited in this period: a person said so"
	case d.PeriodStart != "":
		return fmt.Sprintf("none held back; %d granted in the period that began at %s", d.Granted, d.PeriodStart)
	default:
		return "none held back"
	}
}

func list(counts map[string]int) string {
	if len(counts) == 0 {
		return "none"
	}
	parts := make([]string, 0, len(counts))
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", what, counts[what]))
	}
	return strings.Join(parts, ", ")
}
