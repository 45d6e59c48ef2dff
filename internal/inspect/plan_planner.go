package inspect

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/controllers/preview"
	"github.com/fitai/fituser-operator/controllers/sweep"
	"github.com/fitai/fituser-operator/internal/user"
)

// planner turns previews into a plan.
type planner struct {
	ManifestPlan
	applied *applied
	preview *preview.Preview
	profile fituser.ProfileMode
	// live are the reasons that the FitUsers report now, by name.
	live map[string]string
	// bound are the FitUsers that would have a user.
	bound map[string]bool
}

// rulesReader returns how RoleRules are read from a client.
type rulesReader = func(client.Reader) func(context.Context) (user.Rules, error)

// run applies the manifests in the preview, sweeps, and collects what would change.
func (p *planner) run(ctx context.Context, config sweep.Config, ids []user.ID, rules rulesReader) (sweep.Report, error) {
	a := p.applied
	p.preview.Apply(preview.Objects{FitUsers: a.fitUsers, Deleted: a.pruned, RoleRules: a.rules, Rules: rules})
	report, previews, err := p.preview.Sweep(ctx, config, ids...)
	if err != nil {
		return report, err
	}
	for _, u := range previews {
		p.add(u)
	}
	after, err := p.preview.FitUsers(ctx)
	if err != nil {
		return report, err
	}
	for n := range after {
		p.bound[after[n].Name] = after[n].UserID() != ""
		p.addDeferral(&after[n])
	}
	return report, nil
}

func (p *planner) add(u preview.User) {
	switch {
	case u.Err != nil:
		p.Undecided[string(u.User)] = u.Err.Error()
	case len(u.Changes) == 0:
		p.Undecided[string(u.User)] = waiting(u)
	}
	for _, change := range u.Changes {
		if change.Place == fituser.PlaceClerk && u.Role != nil {
			continue // listed by name
		}
		p.Writes[change.Place+" "+change.Action]++
	}
	if u.Role != nil {
		p.RoleChanges = append(p.RoleChanges, p.roleChange(u))
	}
}

func (p *planner) roleChange(u preview.User) RoleChange {
	c := RoleChange{User: u.User, Email: p.emailOf(u.User), From: u.Role.From, To: u.Role.To}
	switch granted, former := u.Role.Marker, u.Role.Former; {
	case granted.Rule != "":
		c.Kind, c.Name = kindRoleRule, granted.Rule
	case granted.Role != "":
		c.Kind, c.Name = kindFitUser, u.FitUser
	case former.Rule != "":
		c.Kind, c.Name = kindRoleRule, former.Rule
	default:
		c.Kind, c.Name = kindFitUser, p.revokedBy(u)
	}
	if c.Name == "" {
		c.Kind = ""
	}
	c.Change = p.applied.change(c.Kind, c.Name)
	return c
}

// revokedBy returns the manifest that granted a role before and does not any more.
func (p *planner) revokedBy(u preview.User) string {
	for _, before := range p.applied.before {
		if before.UserID() == string(u.User) && before.Spec.Role != "" {
			return before.Name
		}
	}
	for _, change := range u.Changes { // a manifest whose address the user lost
		if change.Place == fituser.PlaceFitUser && change.Name != u.FitUser {
			return change.Name
		}
	}
	return u.FitUser
}

func (p *planner) emailOf(id user.ID) string {
	account, known := p.preview.Account(id)
	if !known {
		return ""
	}
	if profile := p.profile.Profile(&account); profile != nil {
		return profile.Email
	}
	return ""
}

// addDeferral adds a FitUser that would report that a change waits.
func (p *planner) addDeferral(u *v1alpha1.FitUser) {
	ready := meta.FindStatusCondition(u.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil {
		return
	}
	override := p.override(ready.Reason, u)
	if override == "" {
		return
	}
	id := user.ID(u.UserID())
	d := Deferral{
		User: id, Email: p.emailOf(id), Role: user.Role(u.Status.Role), Desired: user.Role(u.Spec.Role), FitUser: u.Name,
		Reason: ready.Reason, Message: ready.Message, Override: override, Already: p.live[u.Name] == ready.Reason,
	}
	d.Kind, d.Name = p.deferredBy(u)
	d.Change = p.applied.change(d.Kind, d.Name)
	p.Deferrals = append(p.Deferrals, d)
}

// deferredBy returns the object that causes a change that waits.
func (p *planner) deferredBy(u *v1alpha1.FitUser) (kind, name string) {
	if rule := u.Status.RoleRule; rule != "" && p.applied.change(kindRoleRule, rule) != "" {
		return kindRoleRule, rule
	}
	for _, before := range p.applied.before {
		if id := before.UserID(); id != "" && id == u.UserID() {
			return kindFitUser, before.Name
		}
	}
	return kindFitUser, u.Name
}

// override returns what a person does to make a change that waits; empty for all other reasons.
func (p *planner) override(reason string, u *v1alpha1.FitUser) string {
	annotate := func(name, value string) string {
		return fmt.Sprintf("annotate FitUser %s with %s: %q", u.Name, name, value)
	}
	switch reason {
	case v1alpha1.ReasonDeletionDeferred:
		return p.allowDeletions()
	case v1alpha1.ReasonLastAdmin:
		return annotate(v1alpha1.AnnotationAllowLastAdmin, "true")
	case v1alpha1.ReasonAddressChangedHands:
		return annotate(v1alpha1.AnnotationRebind, u.UserID())
	case v1alpha1.ReasonOwnedElsewhere:
		return annotate(v1alpha1.AnnotationTakeOwnership, "true")
	default:
		return ""
	}
}

// note adds what a reader should know about the plan.
func (p *planner) note(m Manifests, o ManifestOptions, report sweep.Report, observe bool) {
	add := func(format string, args ...any) { p.Notes = append(p.Notes, fmt.Sprintf(format, args...)) }
	if observe {
		add("The operator runs with --observe: it would write nothing of this to Clerk or to the table.")
	}
	if report.Deferred > 0 {
		add("Rows of %s who are deleted in Clerk wait for the deletion budget too.", plural(report.Deferred, "further user"))
	}
	if !report.Complete && !o.Offline {
		add("Clerk lists %d users, but reports a total of %d: the plan may lack users.", report.Users, report.Expected)
	}
	switch n := p.applied.unvalidated; {
	case n > 0 && o.Offline:
		add("Not validated by the API server: %s (--offline).", plural(n, "manifest"))
	case n > 0:
		add("Not validated by the API server: %s, which this account may not create or update.", plural(n, "manifest"))
	}
	for _, label := range slices.Sorted(maps.Keys(p.applied.unselected)) {
		add("Live and not in the repository: %s with the label %s. With --prune-selector=%s they count as deleted.",
			plural(p.applied.unselected[label], "manifest"), label, label)
	}
	if m.ignored > 0 {
		add("Ignored: %s of other kinds.", plural(m.ignored, "object"))
	}
	if m.elsewhere > 0 {
		add("Ignored: %s in other namespaces than %s, which the operator does not read.", plural(m.elsewhere, "manifest"), p.namespace)
	}
}

// noteUnbound adds the manifests whose address nobody is known to hold.
func (p *planner) noteUnbound(offline bool) {
	all := p.unbound()
	if offline {
		for _, name := range all {
			p.Undecided[kindFitUser+" "+name] = "no status shows the address of spec.email"
		}
		return
	}
	if len(all) > 0 {
		p.Notes = append(p.Notes, fmt.Sprintf("Nobody holds the address of %s yet; the role is granted at sign-up: %s.",
			plural(len(all), "manifest"), strings.Join(all, ", ")))
	}
}

// unbound returns the added and changed manifests that are bound to no user.
func (p *planner) unbound() (names []string) {
	for _, u := range p.applied.fitUsers {
		if u.UserID() == "" && !p.bound[u.Name] {
			names = append(names, u.Name)
		}
	}
	slices.Sort(names)
	return names
}

// sort brings the changes of the protected role first, then those of the other roles in their order.
func (p *planner) sort() {
	slices.SortFunc(p.RoleChanges, func(a, b RoleChange) int {
		return cmp.Or(cmp.Compare(p.rank(a.section(p.roles)), p.rank(b.section(p.roles))),
			cmp.Compare(p.rank(a.To), p.rank(b.To)), cmp.Compare(a.person(), b.person()))
	})
	slices.SortFunc(p.Deferrals, func(a, b Deferral) int {
		return cmp.Or(cmp.Compare(p.rankOf(a), p.rankOf(b)), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.person(), b.person()),
			cmp.Compare(a.FitUser, b.FitUser))
	})
}

// rank returns the place of a role among all: the protected one is the first, an unknown one the last.
func (p *planner) rank(role user.Role) int {
	if role == p.roles.Protected() && role != "" {
		return -1
	}
	names := p.roles.Names()
	if i := slices.Index(names, role); i >= 0 {
		return i
	}
	return len(names)
}

func (p *planner) rankOf(d Deferral) int {
	if protected := p.roles.Protected(); protected != "" && (d.Role == protected || d.Desired == protected) {
		return -1
	}
	return p.rank(d.Role)
}

// section returns the role under which a change is listed: the protected role, else the granted one, else the one that ends.
func (c RoleChange) section(roles user.Roles) user.Role {
	protected := roles.Protected()
	switch {
	case protected != "" && (c.From == protected || c.To == protected):
		return protected
	case c.To == roles.Default():
		return c.From
	default:
		return c.To
	}
}

func (c RoleChange) person() string { return person(c.Email, c.User) }
func (d Deferral) person() string   { return person(d.Email, d.User) }

// person names a user by address, where that is shown, and id.
func person(email string, id user.ID) string {
	if email == "" {
		return string(id)
	}
	return email + " / " + string(id)
}

// Deferred reports whether something would be deferred.
func (p ManifestPlan) Deferred() bool { return len(p.Deferrals)+p.DeferredRows > 0 }
