package user_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/user"
)

func TestParseRole_AcceptsOnlyTheKnownRoles(t *testing.T) {
	t.Parallel()
	for _, known := range []user.Role{user.Admin, user.Trainer, user.Client} {
		if got, ok := user.ParseRole(string(known)); got != known || !ok {
			t.Errorf("ParseRole(%q) = %q, %v", known, got, ok)
		}
	}
	for _, unknown := range []string{"", "Admin", "ADMIN", " admin", "admin ", "admin\n", "owner", `"admin"`, "null"} {
		if got, ok := user.ParseRole(unknown); got != "" || ok {
			t.Errorf("ParseRole(%q) = %q, %v; want an unknown role", unknown, got, ok)
		}
	}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		facts user.RoleFacts
		want  user.RolePlan
	}{
		"no role in Clerk": {
			user.RoleFacts{},
			user.RolePlan{Change: user.NoRoleChange, Role: user.Client, Source: user.FromDefault},
		},
		"known role in Clerk": {
			user.RoleFacts{Current: "trainer"},
			user.RolePlan{Change: user.NoRoleChange, Role: user.Trainer, Source: user.FromClerk},
		},
		"client in Clerk": {
			user.RoleFacts{Current: "client"},
			user.RolePlan{Change: user.NoRoleChange, Role: user.Client, Source: user.FromClerk},
		},
		"unknown role in Clerk": {
			user.RoleFacts{Current: "owner"},
			user.RolePlan{Change: user.NoRoleChange, Role: user.Client, Source: user.FromDefault},
		},
		"known role in other case": {
			user.RoleFacts{Current: "Admin"},
			user.RolePlan{Change: user.NoRoleChange, Role: user.Client, Source: user.FromDefault},
		},
		"desired role": {
			user.RoleFacts{Desired: user.Admin},
			user.RolePlan{Change: user.GrantRole, Role: user.Admin, Source: user.FromManifest},
		},
		"desired role already granted": {
			user.RoleFacts{Desired: user.Admin, Current: "admin", HasMarker: true, MarkerRole: "admin"},
			user.RolePlan{Change: user.NoRoleChange, Role: user.Admin, Source: user.FromManifest},
		},
		"desired role in Clerk without marker": {
			user.RoleFacts{Desired: user.Admin, Current: "admin"},
			user.RolePlan{Change: user.GrantRole, Role: user.Admin, Source: user.FromManifest},
		},
		"desired role in Clerk with another role's marker": {
			user.RoleFacts{Desired: user.Admin, Current: "admin", HasMarker: true, MarkerRole: "trainer"},
			user.RolePlan{Change: user.GrantRole, Role: user.Admin, Source: user.FromManifest},
		},
		"desired role overwritten in Clerk": {
			user.RoleFacts{Desired: user.Trainer, Current: "admin", HasMarker: true, MarkerRole: "trainer"},
			user.RolePlan{Change: user.GrantRole, Role: user.Trainer, Source: user.FromManifest},
		},
		"desired role changed": {
			user.RoleFacts{Desired: user.Admin, Current: "trainer", HasMarker: true, MarkerRole: "trainer"},
			user.RolePlan{Change: user.GrantRole, Role: user.Admin, Source: user.FromManifest},
		},
		"client desired": {
			user.RoleFacts{Desired: user.Client, Current: "admin"},
			user.RolePlan{Change: user.GrantRole, Role: user.Client, Source: user.FromManifest},
		},
		"granted role no longer desired": {
			user.RoleFacts{Current: "admin", HasMarker: true, MarkerRole: "admin"},
			user.RolePlan{Change: user.RevokeRole, Role: user.Client, Source: user.FromDefault},
		},
		"granted role no longer desired and replaced in Clerk": {
			user.RoleFacts{Current: "trainer", HasMarker: true, MarkerRole: "admin"},
			user.RolePlan{Change: user.RemoveMarker, Role: user.Trainer, Source: user.FromClerk},
		},
		"granted role no longer desired and respelled in Clerk": {
			user.RoleFacts{Current: "Admin", HasMarker: true, MarkerRole: "admin"},
			user.RolePlan{Change: user.RemoveMarker, Role: user.Client, Source: user.FromDefault},
		},
		"granted role no longer desired and removed in Clerk": {
			user.RoleFacts{HasMarker: true, MarkerRole: "admin"},
			user.RolePlan{Change: user.RemoveMarker, Role: user.Client, Source: user.FromDefault},
		},
		"granted role of an older release, unknown now": {
			user.RoleFacts{Current: "owner", HasMarker: true, MarkerRole: "owner"},
			user.RolePlan{Change: user.RevokeRole, Role: user.Client, Source: user.FromDefault},
		},
		"marker without role": {
			user.RoleFacts{Current: "admin", HasMarker: true},
			user.RolePlan{Change: user.RemoveMarker, Role: user.Admin, Source: user.FromClerk},
		},
		"marker without role, no role in Clerk": {
			user.RoleFacts{HasMarker: true},
			user.RolePlan{Change: user.RemoveMarker, Role: user.Client, Source: user.FromDefault},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, test.facts.Plan()); diff != "" {
				t.Errorf("Plan of %+v (-want +got):\n%s", test.facts, diff)
			}
		})
	}
}

func TestObserved_ReturnsTheRoleInForceBeforeTheWrite(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		facts user.RoleFacts
		role  user.Role
		from  user.RoleSource
	}{
		"no role in Clerk": {user.RoleFacts{}, user.Client, user.FromDefault},
		"desired role not yet granted": {
			user.RoleFacts{Desired: user.Admin, Current: "trainer"}, user.Trainer, user.FromClerk,
		},
		"granted role not yet revoked": {
			user.RoleFacts{Current: "admin", HasMarker: true, MarkerRole: "admin"}, user.Admin, user.FromManifest,
		},
		"role replaced in Clerk": {
			user.RoleFacts{Current: "trainer", HasMarker: true, MarkerRole: "admin"}, user.Trainer, user.FromClerk,
		},
		"unknown role": {
			user.RoleFacts{Current: "owner", HasMarker: true, MarkerRole: "owner"}, user.Client, user.FromDefault,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := user.RolePlan{Change: user.NoRoleChange, Role: test.role, Source: test.from}
			if diff := cmp.Diff(want, test.facts.Observed()); diff != "" {
				t.Errorf("Observed of %+v (-want +got):\n%s", test.facts, diff)
			}
		})
	}
}

// allFacts returns all combinations of desired roles, roles in Clerk and markers.
func allFacts() []user.RoleFacts {
	inClerk := []string{"", "admin", "trainer", "client", "Admin", "owner", `["admin"]`, "null", "0"}
	var all []user.RoleFacts
	for _, desired := range []user.Role{"", user.Admin, user.Trainer, user.Client} {
		for _, role := range inClerk {
			all = append(all, user.RoleFacts{Desired: desired, Current: role})
			for _, marker := range inClerk {
				all = append(all, user.RoleFacts{Desired: desired, Current: role, HasMarker: true, MarkerRole: marker})
			}
		}
	}
	return all
}

// written returns the facts after the change is written to Clerk.
func written(f user.RoleFacts, change user.RoleChange) user.RoleFacts {
	switch change {
	case user.GrantRole:
		f.Current, f.HasMarker, f.MarkerRole = string(f.Desired), true, string(f.Desired)
	case user.RevokeRole:
		f.Current, f.HasMarker, f.MarkerRole = "", false, ""
	case user.RemoveMarker:
		f.HasMarker, f.MarkerRole = false, ""
	}
	return f
}

func TestPlan_NeedsNoChangeAfterItsWrite(t *testing.T) {
	t.Parallel()
	for _, facts := range allFacts() {
		plan := facts.Plan()
		after := written(facts, plan.Change)
		want := user.RolePlan{Change: user.NoRoleChange, Role: plan.Role, Source: plan.Source}
		if diff := cmp.Diff(want, after.Plan()); diff != "" {
			t.Errorf("%+v, planned %v, then %+v (-want +got):\n%s", facts, plan, after, diff)
		}
		if diff := cmp.Diff(want, after.Observed()); diff != "" {
			t.Errorf("%+v: the observed role is not the planned one (-want +got):\n%s", after, diff)
		}
	}
}

func TestPlan_Invariants(t *testing.T) {
	t.Parallel()
	for _, facts := range allFacts() {
		plan := facts.Plan()
		after := written(facts, plan.Change)
		if _, known := user.ParseRole(string(plan.Role)); !known {
			t.Errorf("%+v: role %q is in force", facts, plan.Role)
		}
		if facts.Desired != "" && plan.Role != facts.Desired {
			t.Errorf("%+v: role %q is in force, want the desired one", facts, plan.Role)
		}
		if after.HasMarker != (facts.Desired != "") {
			t.Errorf("%+v: leaves %+v, want a marker exactly when a role is desired", facts, after)
		}
		granted := facts.HasMarker && facts.MarkerRole == facts.Current
		if facts.Desired == "" && after.Current != facts.Current && !granted {
			t.Errorf("%+v: removes a role that no manifest granted", facts)
		}
		if facts.Desired == "" && !facts.HasMarker && plan.Change != user.NoRoleChange {
			t.Errorf("%+v: writes (%s) for a user without manifest and marker", facts, plan.Change)
		}
	}
}

// A log or a failing test must not panic on an unknown value.
func TestRoleChange_String(t *testing.T) {
	t.Parallel()
	for change, want := range map[user.RoleChange]string{
		user.NoRoleChange: "none", user.GrantRole: "grant", user.RevokeRole: "revoke", user.RemoveMarker: "remove_marker",
		-1: "RoleChange(-1)", user.RemoveMarker + 1: "RoleChange(4)",
	} {
		if got := change.String(); got != want {
			t.Errorf("%d is %q, want %q", int(change), got, want)
		}
	}
}
