package inspect

import (
	"fmt"
	"strings"

	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/user"
)

// inClerk is the role in Clerk.
func (f roleFacts) inClerk() Candidate {
	c := Candidate{Source: user.FromClerk, Role: f.account.Role, Decides: f.decides(user.FromClerk), Why: f.origin()}
	switch {
	case c.Decides && f.ForeignOwner != "":
		c.Why += ", so this installation does not change it"
	case c.Decides:
		c.Why = "decides: " + c.Why
	case f.decides(user.FromManifest) && f.account.Role != "" && f.account.Role != string(f.Decided.Role):
		c.Why += "; a manifest comes before it"
	case f.Decided.Change == user.RevokeRole:
		c.Why += "; it is to be revoked, because no manifest and no RoleRule gives it any more"
	}
	return c
}

// origin returns who set the role in Clerk.
func (f roleFacts) origin() string {
	_, known := f.policy.Roles.Parse(f.account.Role)
	marker := f.account.Marker
	granted := f.account.HasMarker && marker.Role == f.account.Role
	switch {
	case f.account.Role == "":
		return "no role is set"
	case f.ForeignOwner != "" && granted:
		return "granted by " + installation(f.ForeignOwner)
	case f.ForeignOwner != "":
		return "beside a marker of " + installation(f.ForeignOwner)
	case granted && marker.Rule != "":
		return "granted by the RoleRule " + marker.Rule
	case granted:
		return "granted by a manifest"
	case !known:
		return "the operator does not know this role (--roles)"
	default:
		return "set by somebody else"
	}
}

func installation(owner string) string {
	if owner == fituser.UnnamedOwner {
		return "an installation that its marker does not name"
	}
	return "the installation " + owner
}

func (f roleFacts) rule(rule user.Rule) Candidate {
	c := Candidate{Source: user.FromRule, Name: rule.Name, Role: string(rule.Role)}
	mismatch := f.mismatch(rule)
	switch {
	case mismatch != "":
		c.Why = "does not match: " + mismatch
	case f.decides(user.FromRule) && f.Rule() == rule.Name:
		c.Decides, c.Why = true, "decides"
	case f.decides(user.FromRule):
		c.Why = fmt.Sprintf("matches, but the RoleRule %s is tried before", f.Rule())
	case f.decides(user.FromManifest):
		c.Why = "matches, but a manifest comes first"
	case f.ForeignOwner != "":
		c.Why = "matches, but the user has a marker of " + installation(f.ForeignOwner)
	default:
		c.Why = "matches, but a role in Clerk comes first, even one that the operator does not know"
	}
	return c
}

// mismatch returns why the user does not match a rule; empty when the user does.
func (f roleFacts) mismatch(rule user.Rule) string {
	switch {
	case user.Rules{rule}.Match(*f.account) != nil:
		return ""
	case rule.RequestedAtSignUp && f.account.RequestedRole != string(rule.Role):
		return "the user did not request this role at sign-up"
	default:
		return "no verified address in " + strings.Join(rule.EmailDomains, ", ")
	}
}

func (f roleFacts) byDefault() Candidate {
	c := Candidate{Source: user.FromDefault, Role: string(f.policy.Roles.Default()), Decides: f.decides(user.FromDefault)}
	c.Why = "something else gives a role"
	if c.Decides {
		c.Why = "decides: nothing else gives a role"
	}
	return c
}
