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
			user.RolePlan{Change: user.KeepRole, Role: user.Client, Source: user.FromDefault},
		},
		"Clerk says a role": {
			user.RoleFacts{Held: "trainer"},
			user.RolePlan{Change: user.KeepRole, Role: user.Trainer, Source: user.FromClerk},
		},
		"Clerk says client": {
			user.RoleFacts{Held: "client"},
			user.RolePlan{Change: user.KeepRole, Role: user.Client, Source: user.FromClerk},
		},
		"Clerk says no known role": {
			user.RoleFacts{Held: "owner"},
			user.RolePlan{Change: user.KeepRole, Role: user.Client, Source: user.FromDefault},
		},
		"a role in capitals is no role": {
			user.RoleFacts{Held: "Admin"},
			user.RolePlan{Change: user.KeepRole, Role: user.Client, Source: user.FromDefault},
		},
		"a manifest demands a role": {
			user.RoleFacts{Demanded: user.Admin},
			user.RolePlan{Change: user.GiveRole, Role: user.Admin, Source: user.FromManifest},
		},
		"what is demanded was given": {
			user.RoleFacts{Demanded: user.Admin, Held: "admin", Marked: true, MarkedRole: "admin"},
			user.RolePlan{Change: user.KeepRole, Role: user.Admin, Source: user.FromManifest},
		},
		"what is demanded is held without a mark": {
			user.RoleFacts{Demanded: user.Admin, Held: "admin"},
			user.RolePlan{Change: user.GiveRole, Role: user.Admin, Source: user.FromManifest},
		},
		"what is demanded is held with another role's mark": {
			user.RoleFacts{Demanded: user.Admin, Held: "admin", Marked: true, MarkedRole: "trainer"},
			user.RolePlan{Change: user.GiveRole, Role: user.Admin, Source: user.FromManifest},
		},
		"somebody changed the role in Clerk while a manifest rules": {
			user.RoleFacts{Demanded: user.Trainer, Held: "admin", Marked: true, MarkedRole: "trainer"},
			user.RolePlan{Change: user.GiveRole, Role: user.Trainer, Source: user.FromManifest},
		},
		"the manifest changed": {
			user.RoleFacts{Demanded: user.Admin, Held: "trainer", Marked: true, MarkedRole: "trainer"},
			user.RolePlan{Change: user.GiveRole, Role: user.Admin, Source: user.FromManifest},
		},
		"a manifest can demand client": {
			user.RoleFacts{Demanded: user.Client, Held: "admin"},
			user.RolePlan{Change: user.GiveRole, Role: user.Client, Source: user.FromManifest},
		},
		"the manifest is gone": {
			user.RoleFacts{Held: "admin", Marked: true, MarkedRole: "admin"},
			user.RolePlan{Change: user.TakeBackRole, Role: user.Client, Source: user.FromDefault},
		},
		"the manifest is gone and somebody set another role since": {
			user.RoleFacts{Held: "trainer", Marked: true, MarkedRole: "admin"},
			user.RolePlan{Change: user.DropMark, Role: user.Trainer, Source: user.FromClerk},
		},
		"the manifest is gone and somebody wrote the role otherwise since": {
			user.RoleFacts{Held: "Admin", Marked: true, MarkedRole: "admin"},
			user.RolePlan{Change: user.DropMark, Role: user.Client, Source: user.FromDefault},
		},
		"the manifest is gone and somebody removed the role since": {
			user.RoleFacts{Marked: true, MarkedRole: "admin"},
			user.RolePlan{Change: user.DropMark, Role: user.Client, Source: user.FromDefault},
		},
		"a role of an older release was given and is unknown now": {
			user.RoleFacts{Held: "owner", Marked: true, MarkedRole: "owner"},
			user.RolePlan{Change: user.TakeBackRole, Role: user.Client, Source: user.FromDefault},
		},
		"a mark without a role takes nothing back": {
			user.RoleFacts{Held: "admin", Marked: true},
			user.RolePlan{Change: user.DropMark, Role: user.Admin, Source: user.FromClerk},
		},
		"a mark without a role where there is no role": {
			user.RoleFacts{Marked: true},
			user.RolePlan{Change: user.DropMark, Role: user.Client, Source: user.FromDefault},
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
			user.RoleFacts{Demanded: user.Admin, Held: "trainer"}, user.Trainer, user.FromClerk,
		},
		"a given role stays in force until it is taken back": {
			user.RoleFacts{Held: "admin", Marked: true, MarkedRole: "admin"}, user.Admin, user.FromManifest,
		},
		"another role than the marked one is somebody else's": {
			user.RoleFacts{Held: "trainer", Marked: true, MarkedRole: "admin"}, user.Trainer, user.FromClerk,
		},
		"an unknown role is none": {
			user.RoleFacts{Held: "owner", Marked: true, MarkedRole: "owner"}, user.Client, user.FromDefault,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := user.RolePlan{Change: user.KeepRole, Role: test.role, Source: test.from}
			if diff := cmp.Diff(want, test.facts.AsHeld()); diff != "" {
				t.Errorf("AsHeld of %+v (-want +got):\n%s", test.facts, diff)
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
			all = append(all, user.RoleFacts{Demanded: demanded, Held: role})
			for _, mark := range held {
				all = append(all, user.RoleFacts{Demanded: demanded, Held: role, Marked: true, MarkedRole: mark})
			}
		}
	}
	return all
}

// written are the facts once Clerk has taken the change.
func written(f user.RoleFacts, change user.RoleChange) user.RoleFacts {
	switch change {
	case user.GiveRole:
		f.Held, f.Marked, f.MarkedRole = string(f.Demanded), true, string(f.Demanded)
	case user.TakeBackRole:
		f.Held, f.Marked, f.MarkedRole = "", false, ""
	case user.DropMark:
		f.Marked, f.MarkedRole = false, ""
	}
	return f
}

func TestAPlanThatWasCarriedOutIsKept(t *testing.T) {
	t.Parallel()
	for _, facts := range allFacts() {
		plan := facts.Plan()
		after := written(facts, plan.Change)
		want := user.RolePlan{Change: user.KeepRole, Role: plan.Role, Source: plan.Source}
		if diff := cmp.Diff(want, after.Plan()); diff != "" {
			t.Errorf("%+v, planned %v, then %+v (-want +got):\n%s", facts, plan, after, diff)
		}
		if diff := cmp.Diff(want, after.AsHeld()); diff != "" {
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
		if facts.Demanded != "" && plan.Role != facts.Demanded {
			t.Errorf("%+v: role %q is in force, want the demanded one", facts, plan.Role)
		}
		if after.Marked != (facts.Demanded != "") {
			t.Errorf("%+v: leaves %+v, want a mark where a role is demanded and none elsewhere", facts, after)
		}
		given := facts.Marked && facts.MarkedRole == facts.Held
		if facts.Demanded == "" && after.Held != facts.Held && !given {
			t.Errorf("%+v: takes away a role that no manifest gave", facts)
		}
		if facts.Demanded == "" && !facts.Marked && plan.Change != user.KeepRole {
			t.Errorf("%+v: writes (%s) to a user whom no manifest ever named", facts, plan.Change)
		}
	}
}

// A log line or a failing test must not panic over a value that nobody thought of.
func TestRoleChangesHaveNames(t *testing.T) {
	t.Parallel()
	for change, want := range map[user.RoleChange]string{
		user.KeepRole: "keep", user.GiveRole: "give", user.TakeBackRole: "take back", user.DropMark: "drop mark",
		-1: "RoleChange(-1)", user.DropMark + 1: "RoleChange(4)",
	} {
		if got := change.String(); got != want {
			t.Errorf("%d is %q, want %q", int(change), got, want)
		}
	}
}
