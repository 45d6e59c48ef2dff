package inspect

import (
	"fmt"
	"slices"
	"time"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/user"
)

// Decision is the role that a user should have, and what decides it.
type Decision struct {
	// Role is empty while no user is known.
	Role   user.Role       `json:"role"`
	Source user.RoleSource `json:"source,omitempty"`
	// Name is the FitUser or the RoleRule that decides.
	Name      string    `json:"name,omitempty"`
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
	// MarkerOwner is the other installation whose marker the user has in Clerk.
	MarkerOwner string `json:"markerOwner,omitempty"`
	// Candidates are all that could give the user a role, in the order of their precedence.
	Candidates []Candidate `json:"candidates"`
}

// Candidate is something that could give a user a role.
type Candidate struct {
	Source user.RoleSource `json:"source"`
	// Name is a FitUser or a RoleRule.
	Name      string    `json:"name,omitempty"`
	Role      string    `json:"role,omitempty"`
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
	Decides   bool      `json:"decides"`
	// Why is why it decides, or why it does not.
	Why string `json:"why"`
}

// roleFacts are all facts about the role of one user.
type roleFacts struct {
	fituser.Explanation

	id     user.ID
	policy user.Policy
	// found are all FitUsers that may be the user's, those of [fituser.Explanation.FitUsers] among them.
	found   []*v1alpha1.FitUser
	account *user.User // nil when Clerk has no such user
	// unusable are the RoleRules that no user can match, and why.
	unusable []Candidate
}

// explainRole returns what decides the role of a user.
func explainRole(f roleFacts) Decision {
	d := Decision{Role: f.Decided.Role, MarkerOwner: f.ForeignOwner, Candidates: []Candidate{}}
	for _, u := range f.manifests() {
		d.Candidates = append(d.Candidates, f.manifest(u))
	}
	if f.account == nil {
		return d
	}
	d.Candidates = append(d.Candidates, f.inClerk())
	for _, rule := range f.policy.Rules {
		d.Candidates = append(d.Candidates, f.rule(rule))
	}
	d.Candidates = slices.Concat(d.Candidates, f.unusable, []Candidate{f.byDefault()})
	for _, c := range d.Candidates {
		if c.Decides {
			d.Source, d.Name, d.ExpiresAt = c.Source, c.Name, c.ExpiresAt
		}
	}
	return d
}

// manifests returns the user-managed FitUsers, those of the user first. The others name an address of the user.
func (f roleFacts) manifests() []*v1alpha1.FitUser {
	all := f.FitUsers.All()
	for _, u := range f.found {
		if !slices.ContainsFunc(all, func(known *v1alpha1.FitUser) bool { return known.UID == u.UID }) {
			all = append(all, u)
		}
	}
	return slices.DeleteFunc(all, (*v1alpha1.FitUser).ManagedByOperator)
}

// decides reports whether a source decides. A manifest with an unknown role changes nothing in Clerk, so that the role there
// stays.
func (f roleFacts) decides(source user.RoleSource) bool {
	decider := f.Decided.Source
	if active := f.FitUsers.Active; active != nil && !f.Knows(active) && decider != user.FromDefault {
		decider = user.FromClerk
	}
	return decider == source
}

func (f roleFacts) manifest(u *v1alpha1.FitUser) Candidate {
	c := manifestCandidate(u)
	if c.Why = f.unused(u); c.Why == "" {
		c.Decides, c.Why = true, f.used(u)
	}
	return c
}

func manifestCandidate(u *v1alpha1.FitUser) Candidate {
	c := Candidate{Source: user.FromManifest, Name: u.Name, Role: string(u.Spec.Role)}
	if u.Spec.RoleExpiresAt != nil {
		c.ExpiresAt = u.Spec.RoleExpiresAt.UTC()
	}
	return c
}

// unused returns why a manifest does not decide; empty when it does.
func (f roleFacts) unused(u *v1alpha1.FitUser) string {
	if u != f.FitUsers.Active {
		return f.inactive(u)
	}
	switch {
	case u.Spec.Role == "":
		return "sets no role"
	case f.account == nil:
		return "Clerk returns no such user"
	case !f.Knows(u):
		return "the operator does not know this role (--roles)"
	case f.Expired(u):
		return "expired at " + u.Spec.RoleExpiresAt.UTC().Format(time.RFC3339)
	case f.Withheld(u):
		return fmt.Sprintf("withheld: the address changed hands, %s held it before. If %s should have the role, annotate the "+
			"FitUser with %s=%s", u.Status.PreviousClerkUserID, f.id, v1alpha1.AnnotationRebind, f.id)
	case f.Decided.OwnedElsewhere:
		return fmt.Sprintf("%s granted the role in Clerk. Annotate the FitUser with %s=true to take the user over",
			installation(f.ForeignOwner), v1alpha1.AnnotationTakeOwnership)
	default:
		return ""
	}
}

// inactive returns why a FitUser is not the user's active one.
func (f roleFacts) inactive(u *v1alpha1.FitUser) string {
	switch {
	case fitusers.IsTerminating(u):
		return "is being deleted"
	case slices.Contains(f.FitUsers.Duplicates, u):
		active := f.FitUsers.Active
		return fmt.Sprintf("duplicate: the FitUser %s is active, because it %s", active.Name, precedence(active, u))
	case u.UserID() != "" && u.UserID() != string(f.id):
		return fmt.Sprintf("released once %s, who held its address before, is reconciled", u.UserID())
	case slices.Contains(f.FitUsers.Released, u):
		return fmt.Sprintf("released: %s does not hold its address as a verified one any more", f.id)
	default:
		return fmt.Sprintf("%s has not verified its address", f.id)
	}
}

// precedence returns why the FitUser a is active and not b, as [fitusers.CompareActive] decides.
func precedence(a, b *v1alpha1.FitUser) string {
	switch {
	case a.Spec.ClerkUserID != "" && b.Spec.ClerkUserID == "":
		return "names the Clerk id"
	case a.CreationTimestamp.Equal(&b.CreationTimestamp):
		return "has the smaller UID"
	default:
		return "is older"
	}
}

// used returns what people want to know about the manifest that decides.
func (f roleFacts) used(u *v1alpha1.FitUser) string {
	why := "decides"
	if f.ForeignOwner != "" {
		why += "; " + installation(f.ForeignOwner) + " granted the same role"
	}
	if u.Spec.Suspend {
		why += ", but nothing is written while spec.suspend is true"
	}
	return why
}
