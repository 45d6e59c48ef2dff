package user

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
)

// Role is a user's role in the application.
type Role string

// The roles of the default configuration.
const (
	Admin   Role = "admin"
	Trainer Role = "trainer"
	Client  Role = "client"
)

// Roles are the roles that the application knows (--roles), the most privileged first. Its zero value knows none.
type Roles struct {
	names                []Role
	byDefault, protected Role
}

// DefaultRoles returns the roles of the default configuration: admin, which is protected, trainer, and client, which is the
// default role.
func DefaultRoles() Roles {
	return Roles{names: []Role{Admin, Trainer, Client}, byDefault: Client, protected: Admin}
}

var roleName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,62}$`)

// IsRoleName reports whether text has the form of a role's name. The words true, false and null do
// not: [User.Role] holds such a text for a value that is not a string.
func IsRoleName(text string) bool {
	return roleName.MatchString(text) && text != "true" && text != "false" && text != "null"
}

// NewRoles returns the roles with these names, the most privileged first. protected may be empty: no role is protected then.
func NewRoles(names []string, byDefault, protected string) (Roles, error) {
	r := Roles{byDefault: Role(byDefault), protected: Role(protected)}
	for _, name := range names {
		switch {
		case !IsRoleName(name):
			return Roles{}, fmt.Errorf("role %q: want a letter, then letters, digits, hyphens and underscores, 63 at most, "+
				"and not true, false or null", name)
		case slices.Contains(r.names, Role(name)):
			return Roles{}, fmt.Errorf("role %q is named twice", name)
		}
		r.names = append(r.names, Role(name))
	}
	switch {
	case len(r.names) == 0:
		return Roles{}, errors.New("no role is named")
	case !slices.Contains(r.names, r.byDefault):
		return Roles{}, fmt.Errorf("the default role %q is not one of %v", byDefault, r.names)
	case protected != "" && !slices.Contains(r.names, r.protected):
		return Roles{}, fmt.Errorf("the protected role %q is not one of %v", protected, r.names)
	case protected != "" && protected == byDefault:
		return Roles{}, fmt.Errorf("%q is the default role, which everybody has: it cannot be protected", protected)
	}
	return r, nil
}

// Names returns the roles, the most privileged first.
func (r Roles) Names() []Role { return slices.Clone(r.names) }

// Default returns the role of a user who has no other.
func (r Roles) Default() Role { return r.byDefault }

// Protected returns the role that some users must always hold; empty when there is none.
func (r Roles) Protected() Role { return r.protected }

// Parse returns text as a role; known is false when the application does not know it.
func (r Roles) Parse(text string) (role Role, known bool) {
	if !slices.Contains(r.names, Role(text)) {
		return "", false
	}
	return Role(text), true
}

// Lower reports whether a is less privileged than b. A role that is not known is less privileged than all others.
func (r Roles) Lower(a, b Role) bool { return r.rank(a) > r.rank(b) }

func (r Roles) rank(role Role) int {
	if i := slices.Index(r.names, role); i >= 0 {
		return i
	}
	return len(r.names)
}

// RoleSource is the origin of the role in force.
type RoleSource string

// The sources of a role, in the order of their precedence.
const (
	// FromManifest means that a FitUser sets spec.role.
	FromManifest RoleSource = "Manifest"
	// FromClerk means that somebody other than this operator set public_metadata.role in Clerk.
	FromClerk RoleSource = "Clerk"
	// FromRule means that a RoleRule matches the user.
	FromRule RoleSource = "RoleRule"
	// FromDefault means that none of the others sets a known role.
	FromDefault RoleSource = "Default"
)

// RoleSources returns all sources.
func RoleSources() []RoleSource { return []RoleSource{FromManifest, FromClerk, FromRule, FromDefault} }

// RoleChange is the write to Clerk's metadata that a role needs.
type RoleChange int

const (
	// NoRoleChange writes nothing.
	NoRoleChange RoleChange = iota
	// GrantRole sets public_metadata.role and, beside it, the marker that records the grant.
	GrantRole
	// RevokeRole removes the role and the marker.
	RevokeRole
	// RemoveMarker removes only the marker: somebody set another role since.
	RemoveMarker
)

// String returns the change as metrics and JSON output spell it.
func (c RoleChange) String() string {
	names := [...]string{"none", "grant", "revoke", "remove_marker"}
	if c < 0 || int(c) >= len(names) {
		return fmt.Sprintf("RoleChange(%d)", int(c))
	}
	return names[c]
}
