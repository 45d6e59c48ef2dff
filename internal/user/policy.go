package user

import (
	"slices"
	"time"
)

// Marker records a granted role in Clerk, in private_metadata.fituser: which role was granted, and by which installation.
type Marker struct {
	Role string
	// Owner is the owner id of the installation that granted the role; empty in a marker that names none.
	Owner string
	// Rule is the RoleRule that granted the role; empty for a manifest.
	Rule string
	// Until is when the grant expires, in UTC; zero for never.
	Until time.Time
}

// RoleFacts are all facts about one user that decide the role.
type RoleFacts struct {
	// Desired is spec.role of the active FitUser, and Until when it expires; empty when no FitUser desires a role.
	Desired Role
	Until   time.Time
	// Rule is the RoleRule that matches the user; nil when none does.
	Rule *Rule
	// Current is public_metadata.role in Clerk, known or not; empty when absent.
	Current string
	// HasMarker is true when private_metadata.fituser exists; Marker is its content.
	HasMarker bool
	Marker    Marker
	// TakeOwnership is true when a person takes the user over from another installation.
	TakeOwnership bool
}

// RolePlan is the write to Clerk, and the role in force once it is made.
type RolePlan struct {
	Change RoleChange
	Role   Role
	Source RoleSource
	// Marker is what [GrantRole] writes beside the role.
	Marker Marker
	// OwnedElsewhere is true when a manifest desires another role and another installation's marker forbids the change.
	OwnedElsewhere bool
}

// Policy is what one installation decides roles by.
type Policy struct {
	Roles Roles
	// Owner is this installation's owner id.
	Owner string
	// Adopted are the owner ids of former installations whose markers this one may replace.
	Adopted []string
	// Rules give a role to users without a manifest.
	Rules Rules
}

// Plan decides the role (design: who owns what). A manifest comes before a role that somebody set in Clerk, that before a
// RoleRule, that before the default role.
//
// Only the owner of a marker changes what the marker records. A manifest takes over the markers of an adopted
// installation, but a role of theirs that no manifest desires is left alone: the manifests may not have arrived yet.
func (p Policy) Plan(f RoleFacts) RolePlan {
	switch {
	case f.Desired != "":
		return p.planManifest(f)
	case f.HasMarker && !p.owns(f):
		return p.unchanged(f)
	case f.granted():
		if f.Rule != nil {
			return p.planRule(f)
		}
		return RolePlan{Change: RevokeRole, Role: p.Roles.Default(), Source: FromDefault}
	case f.Current == "" && f.Rule != nil:
		return p.planRule(f)
	case f.HasMarker:
		plan := p.unchanged(f)
		plan.Change = RemoveMarker
		return plan
	default:
		return p.unchanged(f)
	}
}

// Observed returns the role in force now, before any write that [Policy.Plan] asks for. Without such a write it is the
// planned one.
func (p Policy) Observed(f RoleFacts) RolePlan {
	if plan := p.Plan(f); plan.Change == NoRoleChange {
		return plan
	}
	plan := p.unchanged(f)
	if plan.Source == FromClerk && f.granted() && p.wrote(f.Marker) {
		plan.Source = FromManifest
		if f.Marker.Rule != "" {
			plan.Source = FromRule
		}
	}
	return plan
}

// Foreign reports whether the user's marker belongs to another installation.
func (p Policy) Foreign(f RoleFacts) bool { return f.HasMarker && !p.owns(f) }

func (p Policy) planManifest(f RoleFacts) RolePlan {
	foreign := p.Foreign(f) && !p.adopts(f.Marker.Owner)
	if foreign && f.Current != string(f.Desired) {
		plan := p.unchanged(f)
		plan.OwnedElsewhere = true
		return plan
	}
	plan := p.grant(f, Marker{Role: string(f.Desired), Owner: p.Owner, Until: inClerk(f.Until)}, FromManifest)
	if foreign {
		plan.Change = NoRoleChange
	}
	return plan
}

func (p Policy) planRule(f RoleFacts) RolePlan {
	return p.grant(f, Marker{Role: string(f.Rule.Role), Owner: p.Owner, Rule: f.Rule.Name}, FromRule)
}

// grant returns the plan that grants a role with this marker, unless Clerk has both already.
func (p Policy) grant(f RoleFacts, marker Marker, source RoleSource) RolePlan {
	plan := RolePlan{Change: GrantRole, Role: Role(marker.Role), Source: source, Marker: marker}
	if f.Current == marker.Role && f.HasMarker && f.Marker == marker {
		plan.Change = NoRoleChange
	}
	return plan
}

// unchanged returns the plan that writes nothing: the role in Clerk where it is a known one, else the default role.
func (p Policy) unchanged(f RoleFacts) RolePlan {
	if current, known := p.Roles.Parse(f.Current); known {
		return RolePlan{Role: current, Source: FromClerk}
	}
	return RolePlan{Role: p.Roles.Default(), Source: FromDefault}
}

// owns reports whether this installation may change the marker.
func (p Policy) owns(f RoleFacts) bool { return f.TakeOwnership || p.wrote(f.Marker) }

// wrote reports whether the marker names this installation. A marker without an owner is nobody's.
func (p Policy) wrote(m Marker) bool { return m.Owner != "" && m.Owner == p.Owner }

// adopts reports whether a manifest may replace the owner's markers. An empty id in the list adopts nobody.
func (p Policy) adopts(owner string) bool { return owner != "" && slices.Contains(p.Adopted, owner) }

// inClerk returns a time as a marker in Clerk holds it: in UTC and in whole seconds. Another form of the same time would
// differ from Clerk's after every write.
func inClerk(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Second)
}

// granted reports whether Clerk still holds the role that the marker records.
func (f RoleFacts) granted() bool {
	return f.HasMarker && f.Marker.Role != "" && f.Marker.Role == f.Current
}
