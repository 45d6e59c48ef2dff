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

// Text prints the status.
func (s Status) Text(w io.Writer, now time.Time) error {
	t := newTable(w)
	t.row("NAMESPACE", s.Namespace)
	t.row("CLERK INSTANCE", cmp.Or(s.Instance, "not recorded yet: no secret key was checked so far"))
	t.row("OWNER ID", cmp.Or(s.OwnerID, "not generated yet: no controller has started so far"))
	leader := "no Lease: a single process without --leader-elect needs none"
	if s.Leader != nil {
		leader = fmt.Sprintf("%s, renewed %s ago", s.Leader.Holder, age(now, s.Leader.Renewed))
	}
	t.row("LEADER", leader)
	t.row("CLERK", s.Clerk.text("users"))
	t.row("TABLE", s.Table.text("rows"))
	t.row("FITUSERS", fmt.Sprintf("%d: %d ready; %d user-managed, %d suspended, %d terminating",
		s.FitUsers, s.Ready, s.UserManaged, s.Suspended, s.Terminating))
	s.RoleStatus.write(t)
	t.row("DELETIONS", s.Deletions.text())
	if s.Deletions.Waiting > 0 {
		t.row("WAITING ROWS", fmt.Sprintf("%d of deleted users, the first until %s. To keep one: spec.deletionPolicy: Retain",
			s.Deletions.Waiting, s.Deletions.Next.UTC().Format(time.RFC3339)))
	}
	s.RoleStatus.writeLists(t, now)
	t.line("")
	if len(s.NotReady) == 0 {
		t.line("All FitUsers are ready.")
		return t.flush()
	}
	t.row("NOT READY", "USERS", "STALLED", "SINCE", "EXAMPLE", "MESSAGE")
	for _, group := range s.NotReady {
		t.row(group.Reason, fmt.Sprint(group.Users), fmt.Sprint(group.Stalled), age(now, group.Since), group.Example, group.Message)
	}
	t.line("")
	t.line("Stalled FitUsers wait for a person: docs/conditions.md lists what to do. Details of one user: manager why %s", s.example())
	return t.flush()
}

// example returns the name of a FitUser that waits for a person, or else of any that is not ready.
func (s Status) example() string {
	stalled := slices.IndexFunc(s.NotReady, func(g NotReadyGroup) bool { return g.Stalled > 0 })
	return s.NotReady[max(0, stalled)].Example
}

func (b Backend) text(things string) string {
	if b.Problem != "" {
		return b.Problem
	}
	return fmt.Sprintf("%d %s, counted in %s", b.Users, things, time.Duration(b.Seconds*float64(time.Second)).Round(time.Millisecond))
}

func (d Deletions) text() string {
	switch {
	case d.Deferred > 0:
		return fmt.Sprintf("%d DEFERRED%s. To allow them in this period: kubectl annotate configmap %s %s=true", d.Deferred,
			d.names(), state.ConfigMapName, state.AnnotationAllowDeletions)
	case d.Override:
		return "not limited in this period: the limit is overridden by annotation"
	case !d.PeriodStart.IsZero():
		return fmt.Sprintf("none deferred; %d granted in the period that began at %s", d.Granted, d.PeriodStart.Format(time.RFC3339))
	default:
		return "none deferred"
	}
}

// names lists the deferred users that are known.
func (d Deletions) names() string {
	if len(d.Users) == 0 {
		return ""
	}
	return ": " + named(d.Users, d.Deferred)
}

func list(counts map[string]int) string {
	if len(counts) == 0 {
		return "none"
	}
	parts := make([]string, 0, len(counts))
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, counts[name]))
	}
	return strings.Join(parts, ", ")
}
