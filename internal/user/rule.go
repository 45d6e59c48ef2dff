package user

import (
	"cmp"
	"slices"
	"strings"
)

// Rule is a RoleRule: a role for the users who match it and have no manifest.
type Rule struct {
	Name string
	Role Role
	// EmailDomains match a verified address in any of these domains; empty matches any user.
	EmailDomains []string
	// RequestedAtSignUp matches users who asked for the rule's role when they signed up.
	RequestedAtSignUp bool
	// Priority decides between rules that match the same user: the highest wins, then the smaller name.
	Priority int
}

// Rules are RoleRules in the order in which they are tried.
type Rules []Rule

// NewRules returns the rules in the order in which they are tried. Rules without a matcher, and rules for a role that the
// application does not know, never match and are left out.
func NewRules(roles Roles, rules []Rule) Rules {
	usable := slices.DeleteFunc(slices.Clone(rules), func(r Rule) bool { return r.NeverMatches(roles) != "" })
	slices.SortFunc(usable, func(a, b Rule) int {
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(a.Name, b.Name))
	})
	return usable
}

// NeverMatches returns why no user can ever match the rule; empty when users can.
func (r Rule) NeverMatches(roles Roles) string {
	_, known := roles.Parse(string(r.Role))
	switch {
	case !known:
		return "the operator does not know the role " + string(r.Role) + " (--roles)"
	case len(r.EmailDomains) == 0 && !r.RequestedAtSignUp:
		return "the rule has no matcher: set emailDomains or requestedAtSignUp"
	case r.Role == roles.Protected() && len(r.EmailDomains) == 0:
		return "a rule for the protected role needs emailDomains: anybody can request a role at sign-up"
	default:
		return ""
	}
}

// Match returns the first rule that matches u; nil when none does.
func (rules Rules) Match(u User) *Rule {
	for i := range rules {
		if rules[i].matches(u) {
			return &rules[i]
		}
	}
	return nil
}

func (r Rule) matches(u User) bool {
	if r.RequestedAtSignUp && u.RequestedRole != string(r.Role) {
		return false
	}
	if len(r.EmailDomains) == 0 {
		return r.RequestedAtSignUp
	}
	return slices.ContainsFunc(u.VerifiedEmails, func(address string) bool {
		_, domain, _ := strings.Cut(address, "@")
		return !IsTestEmail(address) && r.hasDomain(domain)
	})
}

func (r Rule) hasDomain(domain string) bool {
	return domain != "" && slices.ContainsFunc(r.EmailDomains, func(own string) bool {
		return lowerASCII(own) == lowerASCII(domain)
	})
}

// Covers reports whether every user who matches other also matches r.
func (r Rule) Covers(other Rule) bool {
	if r.RequestedAtSignUp && (!other.RequestedAtSignUp || other.Role != r.Role) {
		return false
	}
	if len(r.EmailDomains) == 0 {
		return r.RequestedAtSignUp
	}
	return len(other.EmailDomains) > 0 &&
		!slices.ContainsFunc(other.EmailDomains, func(domain string) bool { return !r.hasDomain(domain) })
}
