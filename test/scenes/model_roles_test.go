package scenes_test

import (
	"slices"
	"strings"
	"time"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
)

// marker is private_metadata.fituser. A text in place of an object is a marker without any key.
type marker struct {
	exists                   bool
	role, owner, rule, until string
}

func markerOf(private clerktest.Metadata) marker {
	value, ok := private["fituser"]
	if !ok || value == nil {
		return marker{}
	}
	fields, _ := value.(map[string]any)
	text := func(key string) string {
		s, _ := fields[key].(string)
		return s
	}
	return marker{true, text("role"), text("owner"), text("rule"), text("until")}
}

// marker returns the marker in Clerk.
func (m *model) marker() marker { return markerOf(m.account.PrivateMetadata) }

// currentRole returns the role in Clerk.
func (m *model) currentRole() string {
	current, _ := m.account.PublicMetadata["role"].(string)
	return current
}

// inForce returns the role in force while Clerk has this role.
func inForce(inClerk string) string {
	if slices.Contains(rolesByRank, inClerk) {
		return inClerk
	}
	return "client"
}

// rolesByRank are the roles, the most privileged first.
var rolesByRank = []string{"admin", "trainer", "client"}

// lower reports whether role a is less privileged than b.
func lower(a, b string) bool { return slices.Index(rolesByRank, a) > slices.Index(rolesByRank, b) }

// demand is what the manifests and rules require of one user.
type demand struct {
	// role is the role in force of a user in agreement, and marker what Clerk then has.
	role   string
	marker marker
	// reason is why a manifest's role is not granted; empty when it is, or when no manifest desires one.
	reason string
}

// demand returns what the manifests and rules require: a manifest comes before the role in Clerk, that before a rule. A
// marker of another installation stays as it is, and so does the role beside it, unless it is taken over.
func (m *model) demand() demand {
	has, current := m.marker(), m.currentRole()
	granted, withheld := m.manifestRole()
	foreign := m.isForeign()
	stays := demand{role: inForce(current), reason: withheld}
	if foreign {
		stays.marker = has
	}
	switch {
	case granted != "" && foreign && !slices.Contains(m.adopted, has.owner):
		if current != granted {
			stays.reason = v1alpha1.ReasonOwnedElsewhere
		}
		return stays
	case granted != "":
		return demand{granted, marker{true, granted, m.owner, "", expiry(m.active)}, ""}
	case foreign:
		return stays
	}
	granted = m.ruleName()
	if set := current != "" && (!has.exists || has.role != current); granted == "" || set { // somebody set the role in Clerk
		if has.exists && has.role == current {
			stays.role = "client"
		}
		return stays
	}
	role := m.ruleRole()
	return demand{role, marker{true, role, m.owner, granted, ""}, withheld}
}

// isForeign reports whether the marker in Clerk belongs to another installation, or to nobody.
func (m *model) isForeign() bool {
	taken := m.active != nil && m.active.Annotations[v1alpha1.AnnotationTakeOwnership] == "true"
	has := m.marker()
	return has.exists && has.owner != m.owner && !taken
}

// manifestRole returns the role that the active FitUser grants. withheld is the reason why it grants none although it names
// one: the protected role does not move to another user by itself.
func (m *model) manifestRole() (role, withheld string) {
	u := m.active
	if u == nil || u.Spec.Role == "" || m.expired(u) {
		return "", ""
	}
	before := u.Status.PreviousClerkUserID
	moved := u.Spec.Email != "" && before != "" && before != string(m.id)
	if moved && u.Spec.Role == "admin" && u.Annotations[v1alpha1.AnnotationRebind] != string(m.id) {
		return "", v1alpha1.ReasonAddressChangedHands
	}
	return string(u.Spec.Role), ""
}

// expired reports whether a manifest's role has expired.
func (m *model) expired(u *v1alpha1.FitUser) bool {
	until := u.Spec.RoleExpiresAt
	return until != nil && (!m.now.Before(until.Time) || u.Status.RoleExpiredAt.Equal(until))
}

// expiry returns when the role of a manifest expires, as a marker has it.
func expiry(u *v1alpha1.FitUser) string {
	if u.Spec.RoleExpiresAt == nil {
		return ""
	}
	return u.Spec.RoleExpiresAt.UTC().Format(time.RFC3339)
}

// ruleName returns the RoleRule that matches the user: the first one with the domain of a verified address.
func (m *model) ruleName() string {
	for _, rule := range m.rules {
		for _, e := range m.account.EmailAddresses {
			_, domain, _ := strings.Cut(e.EmailAddress, "@")
			if holdsVerified(m.account, e.EmailAddress) && slices.Contains(rule.EmailDomains, domain) {
				return rule.Name
			}
		}
	}
	return ""
}

func (m *model) ruleRole() string {
	for _, rule := range m.rules {
		if rule.Name == m.ruleName() {
			return string(rule.Role)
		}
	}
	return ""
}
