package user

import (
	"fmt"
	"slices"
)

// Role is a user's role in the application.
type Role string

// The roles that the application knows. Client is the default role.
const (
	Admin   Role = "admin"
	Trainer Role = "trainer"
	Client  Role = "client"
)

// Roles returns the roles that the application knows.
func Roles() []Role { return []Role{Admin, Trainer, Client} }

// ParseRole returns s as a role; ok is false when the application does not know it.
func ParseRole(s string) (role Role, ok bool) {
	if !slices.Contains(Roles(), Role(s)) {
		return "", false
	}
	return Role(s), true
}

// RoleSource is the origin of the role in force.
type RoleSource string

// The sources of a role.
const (
	// FromManifest means that a FitUser sets spec.role.
	FromManifest RoleSource = "Manifest"
	// FromClerk means that somebody other than the operator set public_metadata.role in Clerk.
	FromClerk RoleSource = "Clerk"
	// FromDefault means that neither a FitUser nor Clerk sets a known role.
	FromDefault RoleSource = "Default"
)

// RoleSources returns all sources.
func RoleSources() []RoleSource { return []RoleSource{FromManifest, FromClerk, FromDefault} }

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

// RoleFacts are all facts that decide a user's role.
type RoleFacts struct {
	// Desired is spec.role of the active FitUser; empty when it sets none.
	Desired Role
	// Current is public_metadata.role in Clerk, known or not; empty when absent.
	Current string
	// HasMarker is true when private_metadata.fituser exists: a manifest once granted MarkerRole.
	HasMarker  bool
	MarkerRole string
}

// RolePlan is the write to Clerk, and the role in force once it is made.
type RolePlan struct {
	Change RoleChange
	Role   Role
	Source RoleSource
}

// Plan decides the role (design: who owns what). A desired role is granted together with its marker. A marked role that
// no FitUser desires is revoked if Clerk still holds exactly that role; otherwise only the marker is removed.
func (f RoleFacts) Plan() RolePlan {
	switch {
	case f.Desired != "":
		plan := RolePlan{Change: GrantRole, Role: f.Desired, Source: FromManifest}
		if f.Current == string(f.Desired) && f.HasMarker && f.MarkerRole == f.Current {
			plan.Change = NoRoleChange
		}
		return plan
	case f.HasMarker && f.MarkerRole != "" && f.MarkerRole == f.Current:
		return RolePlan{Change: RevokeRole, Role: Client, Source: FromDefault}
	case f.HasMarker:
		return f.withoutMarker(RemoveMarker)
	default:
		return f.withoutMarker(NoRoleChange)
	}
}

// Observed returns the role in force now, before any write that [RoleFacts.Plan] asks for.
func (f RoleFacts) Observed() RolePlan {
	plan := f.withoutMarker(NoRoleChange)
	if plan.Source == FromClerk && f.HasMarker && f.MarkerRole == f.Current {
		plan.Source = FromManifest
	}
	return plan
}

func (f RoleFacts) withoutMarker(change RoleChange) RolePlan {
	if current, known := ParseRole(f.Current); known {
		return RolePlan{Change: change, Role: current, Source: FromClerk}
	}
	return RolePlan{Change: change, Role: Client, Source: FromDefault}
}
