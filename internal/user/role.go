package user

import "fmt"

// Role is what a user may do in the application.
type Role string

// The roles the application knows. Client is what everybody has who was given nothing else.
const (
	Admin   Role = "admin"
	Trainer Role = "trainer"
	Client  Role = "client"
)

// ParseRole reports whether s is a role the application knows.
func ParseRole(s string) (Role, bool) {
	switch r := Role(s); r {
	case Admin, Trainer, Client:
		return r, true
	default:
		return "", false
	}
}

// RoleSource says whose word the role in force follows.
type RoleSource string

// The sources of a role.
const (
	// FromManifest means that a FitUser sets spec.role.
	FromManifest RoleSource = "Manifest"
	// FromClerk means that Clerk's public_metadata.role was set there by somebody else than the operator.
	FromClerk RoleSource = "Clerk"
	// FromDefault means that neither sets a known role.
	FromDefault RoleSource = "Default"
)

// RoleChange is a write to Clerk's metadata that a role needs.
type RoleChange int

const (
	// KeepRole writes nothing.
	KeepRole RoleChange = iota
	// GiveRole sets public_metadata.role and, beside it, the mark that says a manifest gave it.
	GiveRole
	// TakeBackRole removes both.
	TakeBackRole
	// DropMark removes the mark alone: somebody else has set another role since.
	DropMark
)

func (c RoleChange) String() string {
	names := [...]string{"keep", "give", "take back", "drop mark"}
	if c < 0 || int(c) >= len(names) {
		return fmt.Sprintf("RoleChange(%d)", int(c))
	}
	return names[c]
}

// RoleFacts is all that decides a user's role.
type RoleFacts struct {
	// Demanded is spec.role of the serving FitUser; empty when it sets none.
	Demanded Role
	// Held is public_metadata.role as Clerk holds it, known or not; empty when absent.
	Held string
	// Marked tells that private_metadata.fituser is there: a manifest once gave MarkedRole.
	Marked     bool
	MarkedRole string
}

// RolePlan is what to write to Clerk, and the role in force once that is written.
type RolePlan struct {
	Change RoleChange
	Role   Role
	Source RoleSource
}

// Plan decides the role (design: who owns what). A demanded role is given with its mark. A mark that no FitUser
// demands any more is taken back, with the role if Clerk still holds exactly that role.
func (f RoleFacts) Plan() RolePlan {
	switch {
	case f.Demanded != "":
		plan := RolePlan{Change: GiveRole, Role: f.Demanded, Source: FromManifest}
		if f.Held == string(f.Demanded) && f.Marked && f.MarkedRole == f.Held {
			plan.Change = KeepRole
		}
		return plan
	case f.Marked && f.MarkedRole != "" && f.MarkedRole == f.Held:
		return RolePlan{Change: TakeBackRole, Role: Client, Source: FromDefault}
	case f.Marked:
		return f.withoutMark(DropMark)
	default:
		return f.withoutMark(KeepRole)
	}
}

// AsHeld is the plan that writes nothing: the role in force while a write that [RoleFacts.Plan] wants has to wait.
func (f RoleFacts) AsHeld() RolePlan {
	plan := f.withoutMark(KeepRole)
	if plan.Source == FromClerk && f.Marked && f.MarkedRole == f.Held {
		plan.Source = FromManifest
	}
	return plan
}

func (f RoleFacts) withoutMark(change RoleChange) RolePlan {
	if held, known := ParseRole(f.Held); known {
		return RolePlan{Change: change, Role: held, Source: FromClerk}
	}
	return RolePlan{Change: change, Role: Client, Source: FromDefault}
}
