package user_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/user"
)

func TestParseRoleKnowsThreeRolesExactly(t *testing.T) {
	t.Parallel()
	for _, known := range []user.Role{user.Admin, user.Trainer, user.Client} {
		if got, ok := user.ParseRole(string(known)); got != known || !ok {
			t.Errorf("ParseRole(%q) = %q, %v", known, got, ok)
		}
	}
	for _, unknown := range []string{"", "Admin", "ADMIN", " admin", "admin ", "admin\n", "owner", `"admin"`, "null"} {
		if got, ok := user.ParseRole(unknown); got != "" || ok {
			t.Errorf("ParseRole(%q) = %q, %v; want nothing", unknown, got, ok)
		}
	}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		facts user.RoleFacts
		want  user.RolePlan
	}{
		"nobody says anything": {
			user.RoleFacts{},
			user.RolePlan{Change: user.NoRoleChange, Role: user.Client, Source: user.FromDefault},
		},
		"Clerk says a role": {
			user.RoleFacts{Current: "trainer"},
			user.RolePlan{Change: user.NoRoleChange, Role: user.Trainer, Source: user.FromClerk},
		},
		"Clerk says client": {
			user.RoleFacts{Current: "client"},
			user.RolePlan{Change: user.NoRoleChange, Role: user.Client, Source: user.FromClerk},
		},
		"Clerk says no known role": {
			user.RoleFacts{Current: "owner"},
			user.RolePlan{Change: user.NoRoleChange, Role: user.Client, Source: user.FromDefault},
		},
		"a role in capitals is no role": {
			user.RoleFacts{Current: "Admin"},
			user.RolePlan{Change: user.NoRoleChange, Role: user.Client, Source: user.FromDefault},
		},
		"a manifest demands a role": {
			user.RoleFacts{Desired: user.Admin},
			user.RolePlan{Change: user.GrantRole, Role: user.Admin, Source: user.FromManifest},
		},
		"what is demanded was given": {
			user.RoleFacts{Desired: user.Admin, Current: "admin", HasMarker: true, MarkerRole: "admin"},
			user.RolePlan{Change: user.NoRoleChange, Role: user.Admin, Source: user.FromManifest},
		},
		"what is demanded is held without a mark": {
			user.RoleFacts{Desired: user.Admin, Current: "admin"},
			user.RolePlan{Change: user.GrantRole, Role: user.Admin, Source: user.FromManifest},
		},
		"what is demanded is held with another role's mark": {
			user.RoleFacts{Desired: user.Admin, Current: "admin", HasMarker: true, MarkerRole: "trainer"},
			user.RolePlan{Change: user.GrantRole, Role: user.Admin, Source: user.FromManifest},
		},
		"somebody changed the role in Clerk while a manifest rules": {
			user.RoleFacts{Desired: user.Trainer, Current: "admin", HasMarker: true, MarkerRole: "trainer"},
			user.RolePlan{Change: user.GrantRole, Role: user.Trainer, Source: user.FromManifest},
		},
		"the manifest changed": {
			user.RoleFacts{Desired: user.Admin, Current: "trainer", HasMarker: true, MarkerRole: "trainer"},
			user.RolePlan{Change: user.GrantRole, Role: user.Admin, Source: user.FromManifest},
		},
		"a manifest can demand client": {
			user.RoleFacts{Desired: user.Client, Current: "admin"},
			user.RolePlan{Change: user.GrantRole, Role: user.Client, Source: user.FromManifest},
		},
		"the manifest is gone": {
			user.RoleFacts{Current: "admin", HasMarker: true, MarkerRole: "admin"},
			user.RolePlan{Change: user.RevokeRole, Role: user.Client, Source: user.FromDefault},
		},
		"the manifest is gone and somebody set another role since": {
			user.RoleFacts{Current: "trainer", HasMarker: true, MarkerRole: "admin"},
			user.RolePlan{Change: user.RemoveMarker, Role: user.Trainer, Source: user.FromClerk},
		},
		"the manifest is gone and somebody wrote the role otherwise since": {
			user.RoleFacts{Current: "Admin", HasMarker: true, MarkerRole: "admin"},
			user.RolePlan{Change: user.RemoveMarker, Role: user.Client, Source: user.FromDefault},
		},
		"the manifest is gone and somebody removed the role since": {
			user.RoleFacts{HasMarker: true, MarkerRole: "admin"},
			user.RolePlan{Change: user.RemoveMarker, Role: user.Client, Source: user.FromDefault},
		},
		"a role of an older release was given and is unknown now": {
			user.RoleFacts{Current: "owner", HasMarker: true, MarkerRole: "owner"},
			user.RolePlan{Change: user.RevokeRole, Role: user.Client, Source: user.FromDefault},
		},
		"a mark without a role takes nothing back": {
			user.RoleFacts{Current: "admin", HasMarker: true},
			user.RolePlan{Change: user.RemoveMarker, Role: user.Admin, Source: user.FromClerk},
		},
		"a mark without a role where there is no role": {
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

func TestAsHeldSaysWhatIsInForceNow(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		facts user.RoleFacts
		role  user.Role
		from  user.RoleSource
	}{
		"nothing held": {user.RoleFacts{}, user.Client, user.FromDefault},
		"a demand is not in force before it is written": {
			user.RoleFacts{Desired: user.Admin, Current: "trainer"}, user.Trainer, user.FromClerk,
		},
		"a given role stays in force until it is taken back": {
			user.RoleFacts{Current: "admin", HasMarker: true, MarkerRole: "admin"}, user.Admin, user.FromManifest,
		},
		"another role than the marked one is somebody else's": {
			user.RoleFacts{Current: "trainer", HasMarker: true, MarkerRole: "admin"}, user.Trainer, user.FromClerk,
		},
		"an unknown role is none": {
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

// allFacts are all combinations of every demand with everything that Clerk may hold.
func allFacts() []user.RoleFacts {
	held := []string{"", "admin", "trainer", "client", "Admin", "owner", `["admin"]`, "null", "0"}
	var all []user.RoleFacts
	for _, demanded := range []user.Role{"", user.Admin, user.Trainer, user.Client} {
		for _, role := range held {
			all = append(all, user.RoleFacts{Desired: demanded, Current: role})
			for _, mark := range held {
				all = append(all, user.RoleFacts{Desired: demanded, Current: role, HasMarker: true, MarkerRole: mark})
			}
		}
	}
	return all
}

// written are the facts once Clerk has taken the change.
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

func TestAPlanThatWasCarriedOutIsKept(t *testing.T) {
	t.Parallel()
	for _, facts := range allFacts() {
		plan := facts.Plan()
		after := written(facts, plan.Change)
		want := user.RolePlan{Change: user.NoRoleChange, Role: plan.Role, Source: plan.Source}
		if diff := cmp.Diff(want, after.Plan()); diff != "" {
			t.Errorf("%+v, planned %v, then %+v (-want +got):\n%s", facts, plan, after, diff)
		}
		if diff := cmp.Diff(want, after.Observed()); diff != "" {
			t.Errorf("%+v: what is held is not what was planned (-want +got):\n%s", after, diff)
		}
	}
}

func TestEveryPlan(t *testing.T) {
	t.Parallel()
	for _, facts := range allFacts() {
		plan := facts.Plan()
		after := written(facts, plan.Change)
		if _, known := user.ParseRole(string(plan.Role)); !known {
			t.Errorf("%+v: role %q is in force", facts, plan.Role)
		}
		if facts.Desired != "" && plan.Role != facts.Desired {
			t.Errorf("%+v: role %q is in force, want the demanded one", facts, plan.Role)
		}
		if after.HasMarker != (facts.Desired != "") {
			t.Errorf("%+v: leaves %+v, want a mark where a role is demanded and none elsewhere", facts, after)
		}
		given := facts.HasMarker && facts.MarkerRole == facts.Current
		if facts.Desired == "" && after.Current != facts.Current && !given {
			t.Errorf("%+v: takes away a role that no manifest gave", facts)
		}
		if facts.Desired == "" && !facts.HasMarker && plan.Change != user.NoRoleChange {
			t.Errorf("%+v: writes (%s) to a user whom no manifest ever named", facts, plan.Change)
		}
	}
}

// A log line or a failing test must not panic over a value that nobody thought of.
func TestRoleChangesHaveNames(t *testing.T) {
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
