package fituser

import (
	"cmp"
	"time"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/user"
)

// UnnamedOwner stands in a status for the owner of a marker that names none.
const UnnamedOwner = unnamedOwner

// Explanation is what decides the role of one user, by the functions that decide in a reconcile.
type Explanation struct {
	// FitUsers are the user's. The spec of the active one counts.
	FitUsers fitusers.Set
	// Facts decide the role. InForce is the role in force now, Decided the one that the facts require.
	Facts            user.RoleFacts
	InForce, Decided user.RolePlan
	// ForeignOwner is the owner of a marker of another installation; empty when there is none.
	ForeignOwner string

	obs observation
}

// Explain explains the role of a user. found are all FitUsers that may be the user's. account is nil when Clerk has
// no such user: no role is decided then.
func Explain(policy user.Policy, id user.ID, found []*v1alpha1.FitUser, account *user.User, now time.Time) Explanation {
	obs := observation{id: id, now: now, policy: policy}.withFitUsers(found)
	if account == nil {
		return Explanation{FitUsers: obs.fitUsers, obs: obs}
	}
	obs = obs.withAccount(account)
	e := Explanation{
		FitUsers: obs.fitUsers, Facts: obs.facts, InForce: obs.currentRole, Decided: obs.rolePlan,
		ForeignOwner: obs.foreignOwner(account), obs: obs,
	}
	if !obs.knows(obs.facts.Desired) {
		e.Decided = obs.currentRole
	}
	return e
}

// Rule is the RoleRule that the decided role comes from; empty when it comes from none.
func (e Explanation) Rule() string {
	if e.Decided.Source != user.FromRule {
		return ""
	}
	return cmp.Or(e.Decided.Marker.Rule, e.Facts.Marker.Rule)
}

// Knows reports whether a manifest sets no role or one that the operator knows.
func (e Explanation) Knows(u *v1alpha1.FitUser) bool { return e.obs.knows(user.Role(u.Spec.Role)) }

// Expired reports whether the role of a manifest has expired.
func (e Explanation) Expired(u *v1alpha1.FitUser) bool { return e.obs.expired(u) }

// Withheld reports whether a manifest's role waits for a person, because its address changed hands.
func (e Explanation) Withheld(u *v1alpha1.FitUser) bool { return e.obs.changedHands(u) }

// RoleManagers returns the field managers that wrote the role of a manifest, in alphabetical order. They are not in the
// operator's cache.
func RoleManagers(u *v1alpha1.FitUser) []string { return managersOf(u.ManagedFields, "f:role") }
