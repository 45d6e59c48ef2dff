package inspect

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/state"
	"github.com/fitai/fituser-operator/internal/user"
)

// Text prints the plan, with at most limit lines in each part.
func (p ManifestPlan) Text(w io.Writer, limit int) error {
	t := newTable(w)
	for _, c := range p.RoleChanges[:min(limit, len(p.RoleChanges))] {
		t.line("%s", c.sentence(p.roles))
	}
	more(t, len(p.RoleChanges), limit, "role changes")
	if len(p.RoleChanges) == 0 {
		t.line("No role changes.")
	}
	p.printDeferrals(t, limit)
	if len(p.Writes) > 0 {
		t.line("")
		t.line("Otherwise the operator would %s.", counted(p.Writes))
	}
	if len(p.Objects) > 0 {
		t.line("")
	}
	for _, o := range p.Objects[:min(limit, len(p.Objects))] {
		t.line("%s %s %s", o.sign(), o.Kind, o.Name)
	}
	more(t, len(p.Objects), limit, "objects")
	p.printRest(t, limit)
	return t.flush()
}

func (p ManifestPlan) printDeferrals(t *table, limit int) {
	if len(p.Deferrals) == 0 {
		return
	}
	t.line("")
	t.line("Deferred, until a person allows it or, for the deletion budget, until the next period: %d", len(p.Deferrals))
	for _, d := range p.Deferrals[:min(limit, len(p.Deferrals))] {
		despite := cause(d.Kind, d.Name, d.Change)
		t.line("%s: %s keeps the role despite %s: %s%s", roleOrNone(d.Role), d.person(), despite, d.Reason, d.already())
	}
	more(t, len(p.Deferrals), limit, "deferrals")
	for _, reason := range p.reasons() {
		why, override := p.explain(reason)
		t.line("%s: %s. To allow it: %s", reason, why, override)
	}
}

func (p ManifestPlan) printRest(t *table, limit int) {
	keys := slices.Sorted(maps.Keys(p.Undecided))
	if len(keys) > 0 {
		t.line("")
	}
	for _, key := range keys[:min(limit, len(keys))] {
		t.line("%s: undecided: %s", key, p.Undecided[key])
	}
	more(t, len(keys), limit, "undecided ones")
	t.line("")
	for _, note := range p.Notes {
		t.line("%s", note)
	}
	t.line("This command wrote nothing.")
}

func more(t *table, all, limit int, things string) {
	if all > limit {
		t.line("… and %d more %s (--all lists them)", all-limit, things)
	}
}

// reasons returns the reasons of the deferrals.
func (p ManifestPlan) reasons() (all []string) {
	for _, d := range p.Deferrals {
		if !slices.Contains(all, d.Reason) {
			all = append(all, d.Reason)
		}
	}
	return all
}

// explain describes a reason, and how a person allows what it defers.
func (p ManifestPlan) explain(reason string) (why, override string) {
	annotate := func(name, value string) string { return fmt.Sprintf("annotate the FitUser with %s: %s", name, value) }
	switch reason {
	case v1alpha1.ReasonDeletionDeferred:
		return "the deletion budget of this period (--max-deletions) is spent", p.allowDeletions()
	case v1alpha1.ReasonLastAdmin:
		return "too few other users hold the protected role (--min-protected)",
			annotate(v1alpha1.AnnotationAllowLastAdmin, `"true"`)
	case v1alpha1.ReasonAddressChangedHands:
		return "another user holds the address now, and the protected role does not follow by itself",
			annotate(v1alpha1.AnnotationRebind, "the id of that user")
	default:
		return "another installation granted the role of this user", annotate(v1alpha1.AnnotationTakeOwnership, `"true"`)
	}
}

// allowDeletions is the command that lifts the deletion budget for one period.
func (p ManifestPlan) allowDeletions() string {
	return fmt.Sprintf("kubectl -n %s annotate configmap %s %s=true", p.namespace, state.ConfigMapName, state.AnnotationAllowDeletions)
}

// sentence is such as "admin: + jane@fitai.dev / user_2abc by manifest coach-jane (new)".
func (c RoleChange) sentence(roles user.Roles) string {
	section := c.section(roles)
	text := fmt.Sprintf("%s: %s %s", section, c.sign(section), c.person())
	switch {
	case c.To != roles.Default() && c.From != roles.Default():
		text += fmt.Sprintf(", %s -> %s", c.From, c.To)
	case section != c.To:
		text += ", to " + string(c.To)
	}
	if by := c.cause(); by != "" {
		text += " by " + by
	}
	return text
}

// sign is + for a role that is granted and - for one that ends.
func (c RoleChange) sign(section user.Role) string {
	if c.To == section {
		return "+"
	}
	return "-"
}

func (c RoleChange) cause() string { return cause(c.Kind, c.Name, c.Change) }

// cause names an object and what happens to it.
func cause(kind, name, change string) string {
	if name == "" {
		return ""
	}
	if kind == kindFitUser {
		kind = "manifest"
	}
	if change == objectAdded {
		change = "new"
	}
	return fmt.Sprintf("%s %s (%s)", kind, name, cmp.Or(change, "unchanged"))
}

func (o ObjectChange) sign() string {
	return map[string]string{objectAdded: "+", objectChanged: "~", objectPruned: "-"}[o.Change]
}

func (d Deferral) already() string {
	if d.Already {
		return " (already now)"
	}
	return ""
}

func roleOrNone(role user.Role) string {
	if role == "" {
		return "no role"
	}
	return string(role)
}
