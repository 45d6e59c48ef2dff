package user_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/user"
)

// The owner ids of the tests: this installation's, an adopted one's and another one's.
const own, former, foreign = "prod-eu", "prod-2025", "staging"

func policy() user.Policy {
	return user.Policy{Roles: user.DefaultRoles(), Owner: own, Adopted: []string{former, ""}}
}

func ends() time.Time { return time.Date(2027, 1, 31, 18, 0, 0, 0, time.UTC) }

// marked adds a marker to f.
func marked(f user.RoleFacts, m user.Marker) user.RoleFacts {
	f.HasMarker, f.Marker = true, m
	return f
}

// granted returns the facts of a user who holds a role with this marker.
func granted(m user.Marker) user.RoleFacts { return marked(user.RoleFacts{Current: m.Role}, m) }

func desiring(role user.Role, f user.RoleFacts) user.RoleFacts {
	f.Desired = role
	return f
}

func matching(rule user.Rule, f user.RoleFacts) user.RoleFacts {
	f.Rule = &rule
	return f
}

func takenOver(f user.RoleFacts) user.RoleFacts {
	f.TakeOwnership = true
	return f
}

// planCase is the plan that a policy must have for a user.
type planCase struct {
	facts user.RoleFacts
	want  user.RolePlan
}

func unchangedPlan(role user.Role, from user.RoleSource) user.RolePlan {
	return user.RolePlan{Role: role, Source: from}
}

func grantPlan(m user.Marker) user.RolePlan {
	plan := user.RolePlan{Change: user.GrantRole, Role: user.Role(m.Role), Source: user.FromManifest, Marker: m}
	if m.Rule != "" {
		plan.Source = user.FromRule
	}
	return plan
}

// keptPlan is the plan for a grant that Clerk has already.
func keptPlan(m user.Marker) user.RolePlan {
	plan := grantPlan(m)
	plan.Change = user.NoRoleChange
	return plan
}

func elsewherePlan(role user.Role, from user.RoleSource) user.RolePlan {
	return user.RolePlan{Role: role, Source: from, OwnedElsewhere: true}
}

func (c planCase) check(t *testing.T) {
	t.Helper()
	if diff := cmp.Diff(c.want, policy().Plan(c.facts)); diff != "" {
		t.Errorf("Plan of %+v (-want +got):\n%s", c.facts, diff)
	}
}

func checkPlans(t *testing.T, cases map[string]planCase) {
	t.Helper()
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.check(t)
		})
	}
}

func TestPlan_WithoutManifest(t *testing.T) {
	t.Parallel()
	admin := user.Marker{Role: "admin", Owner: own}
	checkPlans(t, map[string]planCase{
		"no role in Clerk":         {user.RoleFacts{}, unchangedPlan(user.Client, user.FromDefault)},
		"known role in Clerk":      {user.RoleFacts{Current: "trainer"}, unchangedPlan(user.Trainer, user.FromClerk)},
		"default role in Clerk":    {user.RoleFacts{Current: "client"}, unchangedPlan(user.Client, user.FromClerk)},
		"unknown role in Clerk":    {user.RoleFacts{Current: "owner"}, unchangedPlan(user.Client, user.FromDefault)},
		"known role in other case": {user.RoleFacts{Current: "Admin"}, unchangedPlan(user.Client, user.FromDefault)},
		"granted": {
			granted(admin), user.RolePlan{Change: user.RevokeRole, Role: user.Client, Source: user.FromDefault},
		},
		"granted until later": {
			granted(user.Marker{Role: "admin", Owner: own, Until: ends()}),
			user.RolePlan{Change: user.RevokeRole, Role: user.Client, Source: user.FromDefault},
		},
		"granted by a rule that no longer matches": {
			granted(user.Marker{Role: "trainer", Owner: own, Rule: "staff"}),
			user.RolePlan{Change: user.RevokeRole, Role: user.Client, Source: user.FromDefault},
		},
		"granted role that is unknown now": {
			granted(user.Marker{Role: "owner", Owner: own}),
			user.RolePlan{Change: user.RevokeRole, Role: user.Client, Source: user.FromDefault},
		},
		"granted and replaced in Clerk": {
			marked(user.RoleFacts{Current: "trainer"}, admin),
			user.RolePlan{Change: user.RemoveMarker, Role: user.Trainer, Source: user.FromClerk},
		},
		"granted and respelled in Clerk": {
			marked(user.RoleFacts{Current: "Admin"}, admin),
			user.RolePlan{Change: user.RemoveMarker, Role: user.Client, Source: user.FromDefault},
		},
		"granted and removed in Clerk": {
			marked(user.RoleFacts{}, admin),
			user.RolePlan{Change: user.RemoveMarker, Role: user.Client, Source: user.FromDefault},
		},
		"own marker without a role, no role in Clerk": { // nothing is revoked
			marked(user.RoleFacts{}, user.Marker{Owner: own}),
			user.RolePlan{Change: user.RemoveMarker, Role: user.Client, Source: user.FromDefault},
		},
		"own marker without a role": {
			marked(user.RoleFacts{Current: "admin"}, user.Marker{Owner: own}),
			user.RolePlan{Change: user.RemoveMarker, Role: user.Admin, Source: user.FromClerk},
		},
	})
}

func TestPlan_Manifest(t *testing.T) {
	t.Parallel()
	admin, trainer := user.Marker{Role: "admin", Owner: own}, user.Marker{Role: "trainer", Owner: own}
	until := admin
	until.Until = ends()
	dated := desiring(user.Admin, granted(admin))
	dated.Until = ends()
	elsewhere := desiring(user.Admin, granted(until)) // the same time in another zone and with a fraction
	elsewhere.Until = ends().In(time.FixedZone("CET", 3600)).Add(time.Millisecond)
	checkPlans(t, map[string]planCase{
		"no role in Clerk":        {desiring(user.Admin, user.RoleFacts{}), grantPlan(admin)},
		"already granted":         {desiring(user.Admin, granted(admin)), keptPlan(admin)},
		"same role set in Clerk":  {desiring(user.Admin, user.RoleFacts{Current: "admin"}), grantPlan(admin)},
		"other role set in Clerk": {desiring(user.Trainer, user.RoleFacts{Current: "admin"}), grantPlan(trainer)},
		"unknown role in Clerk":   {desiring(user.Admin, user.RoleFacts{Current: "owner"}), grantPlan(admin)},
		"default role desired": {
			desiring(user.Client, user.RoleFacts{Current: "admin"}), grantPlan(user.Marker{Role: "client", Owner: own}),
		},
		"marker of another role": {desiring(user.Admin, marked(user.RoleFacts{Current: "admin"}, trainer)), grantPlan(admin)},
		"overwritten in Clerk": {
			desiring(user.Trainer, marked(user.RoleFacts{Current: "admin"}, trainer)), grantPlan(trainer),
		},
		"changed": {desiring(user.Admin, granted(trainer)), grantPlan(admin)},
		"granted by a rule before": {
			desiring(user.Admin, granted(user.Marker{Role: "admin", Owner: own, Rule: "staff"})), grantPlan(admin),
		},
		"end added":               {dated, grantPlan(until)},
		"end removed":             {desiring(user.Admin, granted(until)), grantPlan(admin)},
		"end is the same instant": {elsewhere, keptPlan(until)},
		"a rule matches too": {
			matching(user.Rule{Name: "staff", Role: user.Trainer}, desiring(user.Admin, user.RoleFacts{})), grantPlan(admin),
		},
	})
}

func TestPlan_Rule(t *testing.T) {
	t.Parallel()
	staff := user.Rule{Name: "staff", Role: user.Trainer}
	byStaff := user.Marker{Role: "trainer", Owner: own, Rule: "staff"}
	checkPlans(t, map[string]planCase{
		"no role in Clerk": {matching(staff, user.RoleFacts{}), grantPlan(byStaff)},
		"already granted":  {matching(staff, granted(byStaff)), keptPlan(byStaff)},
		"granted by another rule": {
			matching(staff, granted(user.Marker{Role: "trainer", Owner: own, Rule: "old"})), grantPlan(byStaff),
		},
		"granted by a manifest": {matching(staff, granted(user.Marker{Role: "admin", Owner: own})), grantPlan(byStaff)},
		"set in Clerk": {
			matching(staff, user.RoleFacts{Current: "client"}), unchangedPlan(user.Client, user.FromClerk),
		},
		"same role set in Clerk": {
			matching(staff, user.RoleFacts{Current: "trainer"}), unchangedPlan(user.Trainer, user.FromClerk),
		},
		"unknown role set in Clerk": {
			matching(staff, user.RoleFacts{Current: "owner"}), unchangedPlan(user.Client, user.FromDefault),
		},
		"replaced in Clerk": {
			matching(staff, marked(user.RoleFacts{Current: "admin"}, byStaff)),
			user.RolePlan{Change: user.RemoveMarker, Role: user.Admin, Source: user.FromClerk},
		},
		"replaced by an unknown role in Clerk": {
			matching(staff, marked(user.RoleFacts{Current: "owner"}, byStaff)),
			user.RolePlan{Change: user.RemoveMarker, Role: user.Client, Source: user.FromDefault},
		},
		"removed in Clerk": {matching(staff, marked(user.RoleFacts{}, byStaff)), grantPlan(byStaff)},
		"granted elsewhere": {
			matching(staff, granted(user.Marker{Role: "admin", Owner: foreign})), unchangedPlan(user.Admin, user.FromClerk),
		},
		"marker of another installation, no role": {
			matching(staff, marked(user.RoleFacts{}, user.Marker{Role: "admin", Owner: foreign})),
			unchangedPlan(user.Client, user.FromDefault),
		},
		"granted by an adopted installation": {
			matching(staff, granted(user.Marker{Role: "admin", Owner: former})), unchangedPlan(user.Admin, user.FromClerk),
		},
	})
}

func TestPlan_OtherInstallations(t *testing.T) {
	t.Parallel()
	theirs, ownerless := user.Marker{Role: "admin", Owner: foreign}, user.Marker{Role: "admin"}
	adopted := user.Marker{Role: "admin", Owner: former}
	admin, trainer := user.Marker{Role: "admin", Owner: own}, user.Marker{Role: "trainer", Owner: own}
	revoked := user.RolePlan{Change: user.RevokeRole, Role: user.Client, Source: user.FromDefault}
	checkPlans(t, map[string]planCase{
		"theirs":    {granted(theirs), unchangedPlan(user.Admin, user.FromClerk)},
		"ownerless": {granted(ownerless), unchangedPlan(user.Admin, user.FromClerk)},
		"malformed": {
			marked(user.RoleFacts{Current: "admin"}, user.Marker{}), unchangedPlan(user.Admin, user.FromClerk),
		},
		"malformed, no role":       {marked(user.RoleFacts{}, user.Marker{}), unchangedPlan(user.Client, user.FromDefault)},
		"adopted, no manifest yet": {granted(adopted), unchangedPlan(user.Admin, user.FromClerk)},
		"theirs, another desired":  {desiring(user.Trainer, granted(theirs)), elsewherePlan(user.Admin, user.FromClerk)},
		"theirs, same desired":     {desiring(user.Admin, granted(theirs)), keptPlan(admin)},
		"theirs, removed in Clerk": {
			desiring(user.Admin, marked(user.RoleFacts{}, theirs)), elsewherePlan(user.Client, user.FromDefault),
		},
		"theirs, unknown in Clerk": {
			desiring(user.Admin, marked(user.RoleFacts{Current: "x"}, theirs)), elsewherePlan(user.Client, user.FromDefault),
		},
		"ownerless, another": {desiring(user.Trainer, granted(ownerless)), elsewherePlan(user.Admin, user.FromClerk)},
		"malformed, another": {
			desiring(user.Trainer, marked(user.RoleFacts{}, user.Marker{})), elsewherePlan(user.Client, user.FromDefault),
		},
		"adopted, same desired":     {desiring(user.Admin, granted(adopted)), grantPlan(admin)},
		"adopted, another desired":  {desiring(user.Trainer, granted(adopted)), grantPlan(trainer)},
		"taken over, same desired":  {takenOver(desiring(user.Admin, granted(theirs))), grantPlan(admin)},
		"taken over, another":       {takenOver(desiring(user.Trainer, granted(theirs))), grantPlan(trainer)},
		"ownerless taken over":      {takenOver(desiring(user.Trainer, granted(ownerless))), grantPlan(trainer)},
		"taken over, then removed":  {takenOver(granted(theirs)), revoked},
		"taken over without marker": {takenOver(user.RoleFacts{Current: "admin"}), unchangedPlan(user.Admin, user.FromClerk)},
		"malformed taken over": {
			takenOver(marked(user.RoleFacts{Current: "admin"}, user.Marker{})),
			user.RolePlan{Change: user.RemoveMarker, Role: user.Admin, Source: user.FromClerk},
		},
	})
}

// A policy whose owner id is not known yet owns no marker, not even one without an owner.
func TestPlan_WithoutOwnOwnerIDOwnsNothing(t *testing.T) {
	t.Parallel()
	p := user.Policy{Roles: user.DefaultRoles()}
	for _, owner := range []string{"", own} {
		got := p.Plan(granted(user.Marker{Role: "admin", Owner: owner}))
		if diff := cmp.Diff(unchangedPlan(user.Admin, user.FromClerk), got); diff != "" {
			t.Errorf("owner %q (-want +got):\n%s", owner, diff)
		}
	}
}

func TestObserved_ReturnsTheRoleInForceBeforeTheWrite(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		facts user.RoleFacts
		role  user.Role
		from  user.RoleSource
	}{
		"no role in Clerk":             {user.RoleFacts{}, user.Client, user.FromDefault},
		"desired role not yet granted": {desiring(user.Admin, user.RoleFacts{Current: "trainer"}), user.Trainer, user.FromClerk},
		"granted role not yet revoked": {granted(user.Marker{Role: "admin", Owner: own}), user.Admin, user.FromManifest},
		"role of a rule not yet revoked": {
			granted(user.Marker{Role: "trainer", Owner: own, Rule: "staff"}), user.Trainer, user.FromRule,
		},
		"rule not yet replaced by a manifest": {
			desiring(user.Admin, granted(user.Marker{Role: "trainer", Owner: own, Rule: "staff"})), user.Trainer, user.FromRule,
		},
		"granted elsewhere": {granted(user.Marker{Role: "admin", Owner: foreign}), user.Admin, user.FromClerk},
		"granted elsewhere, desired too": {
			desiring(user.Admin, granted(user.Marker{Role: "admin", Owner: foreign})), user.Admin, user.FromManifest,
		},
		"not yet taken over": {
			takenOver(desiring(user.Trainer, granted(user.Marker{Role: "admin", Owner: foreign}))), user.Admin, user.FromClerk,
		},
		"not yet adopted": {
			desiring(user.Trainer, granted(user.Marker{Role: "admin", Owner: former})), user.Admin, user.FromClerk,
		},
		"replaced in Clerk": {
			marked(user.RoleFacts{Current: "trainer"}, user.Marker{Role: "admin", Owner: own}), user.Trainer, user.FromClerk,
		},
		"unknown role": {granted(user.Marker{Role: "owner", Owner: own}), user.Client, user.FromDefault},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := policy().Observed(test.facts)
			if got.Change != user.NoRoleChange || got.Role != test.role || got.Source != test.from {
				t.Errorf("Observed of %+v: %+v; want %s from %s and no change", test.facts, got, test.role, test.from)
			}
		})
	}
}

func TestForeign_CountsMarkersOfOtherInstallations(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		facts user.RoleFacts
		want  bool
	}{
		"no marker":  {user.RoleFacts{Current: "admin"}, false},
		"own":        {granted(user.Marker{Role: "admin", Owner: own}), false},
		"theirs":     {granted(user.Marker{Role: "admin", Owner: foreign}), true},
		"adopted":    {granted(user.Marker{Role: "admin", Owner: former}), true},
		"ownerless":  {granted(user.Marker{Role: "admin"}), true},
		"malformed":  {marked(user.RoleFacts{}, user.Marker{}), true},
		"taken over": {takenOver(granted(user.Marker{Role: "admin", Owner: foreign})), false},
	} {
		if got := policy().Foreign(test.facts); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// allMarkers returns no marker and all combinations of roles, owners, rules and ends.
func allMarkers() []user.RoleFacts {
	all := []user.RoleFacts{{}}
	for _, role := range []string{"", "admin", "trainer", "client", "owner"} {
		for _, owner := range []string{"", own, former, foreign} {
			for _, rule := range []string{"", "staff"} {
				for _, until := range []time.Time{{}, ends(), ends().Add(time.Hour)} {
					all = append(all, marked(user.RoleFacts{}, user.Marker{Role: role, Owner: owner, Rule: rule, Until: until}))
				}
			}
		}
	}
	return all
}

// allWishes returns all combinations of desired roles, ends and matching rules, with and without a takeover.
func allWishes() []user.RoleFacts {
	desired := []user.RoleFacts{{}}
	for _, role := range []user.Role{user.Admin, user.Trainer, user.Client} {
		desired = append(desired, user.RoleFacts{Desired: role}, user.RoleFacts{Desired: role, Until: ends()})
	}
	var all []user.RoleFacts
	for _, f := range desired {
		all = append(all, f, takenOver(f))
		for _, role := range []user.Role{user.Admin, user.Trainer, user.Client} {
			rule := user.Rule{Name: "staff", Role: role}
			all = append(all, matching(rule, f), takenOver(matching(rule, f)))
		}
	}
	return all
}

// forAllFacts calls check with all facts: what is desired, and what Clerk holds.
func forAllFacts(check func(user.RoleFacts)) {
	for _, f := range allWishes() {
		for _, m := range allMarkers() {
			f.HasMarker, f.Marker = m.HasMarker, m.Marker
			for _, current := range []string{"", "admin", "trainer", "client", "Admin", "owner", `["admin"]`, "null", "0"} {
				f.Current = current
				check(f)
			}
		}
	}
}

// written returns the facts after the plan is written to Clerk.
func written(f user.RoleFacts, plan user.RolePlan) user.RoleFacts {
	switch plan.Change {
	case user.GrantRole:
		f.Current, f.HasMarker, f.Marker = plan.Marker.Role, true, plan.Marker
	case user.RevokeRole:
		f.Current, f.HasMarker, f.Marker = "", false, user.Marker{}
	case user.RemoveMarker:
		f.HasMarker, f.Marker = false, user.Marker{}
	}
	return f
}

func TestPlan_NeedsNoChangeAfterItsWrite(t *testing.T) {
	t.Parallel()
	p := policy()
	forAllFacts(func(facts user.RoleFacts) {
		plan := p.Plan(facts)
		after := written(facts, plan)
		next := p.Plan(after)
		if next.Change != user.NoRoleChange || next.Role != plan.Role || next.Source != plan.Source ||
			next.OwnedElsewhere != plan.OwnedElsewhere {
			t.Errorf("%+v: planned %+v, and after its write %+v", facts, plan, next)
		}
		if observed := p.Observed(after); observed != next {
			t.Errorf("%+v: planned %+v, and observed %+v after its write", facts, plan, observed)
		}
	})
}

func TestObserved_IsTheRoleThatClerkHolds(t *testing.T) {
	t.Parallel()
	p := policy()
	forAllFacts(func(facts user.RoleFacts) {
		got := p.Observed(facts)
		want, known := p.Roles.Parse(facts.Current)
		if !known {
			want = p.Roles.Default()
		}
		if got.Change != user.NoRoleChange || got.Role != want {
			t.Errorf("%+v: observed %+v, want %s", facts, got, want)
		}
	})
}

// mayChange reports whether this installation may change what the user's marker records.
func mayChange(f user.RoleFacts) bool {
	byManifest := f.Desired != "" && f.Marker.Owner == former
	return !f.HasMarker || f.Marker.Owner == own || f.TakeOwnership || byManifest
}

func TestPlan_NeverChangesMarkersOfOthers(t *testing.T) {
	t.Parallel()
	p := policy()
	forAllFacts(func(facts user.RoleFacts) {
		if plan := p.Plan(facts); !mayChange(facts) && plan.Change != user.NoRoleChange {
			t.Errorf("%+v: %s", facts, plan.Change)
		}
	})
}

func TestPlan_RemovesOnlyRolesThatItGranted(t *testing.T) {
	t.Parallel()
	p := policy()
	forAllFacts(func(facts user.RoleFacts) {
		plan := p.Plan(facts)
		removed := facts.Current != "" && written(facts, plan).Current != facts.Current
		ours := facts.HasMarker && mayChange(facts) && facts.Marker.Role == facts.Current
		if removed && facts.Desired == "" && !ours {
			t.Errorf("%+v: %+v removes a role that somebody else set", facts, plan)
		}
	})
}

func TestPlan_ManifestDecidesUnlessOwnedElsewhere(t *testing.T) {
	t.Parallel()
	p := policy()
	forAllFacts(func(facts user.RoleFacts) {
		plan := p.Plan(facts)
		elsewhere := facts.Desired != "" && !mayChange(facts) && facts.Current != string(facts.Desired)
		if plan.OwnedElsewhere != elsewhere {
			t.Errorf("%+v: owned elsewhere: %v, want %v", facts, plan.OwnedElsewhere, elsewhere)
		}
		decided := plan.Role == facts.Desired && plan.Source == user.FromManifest
		if decided != (facts.Desired != "" && !elsewhere) {
			t.Errorf("%+v: %+v", facts, plan)
		}
	})
}

func TestPlan_RuleNeverOverridesClerk(t *testing.T) {
	t.Parallel()
	p := policy()
	forAllFacts(func(facts user.RoleFacts) {
		plan := p.Plan(facts)
		ours := facts.HasMarker && mayChange(facts) && facts.Marker.Role == facts.Current
		mayApply := facts.Rule != nil && facts.Desired == "" && mayChange(facts) && (facts.Current == "" || ours)
		if applied := plan.Source == user.FromRule; applied != mayApply || applied && plan.Role != facts.Rule.Role {
			t.Errorf("%+v: %+v; the rule may apply: %v", facts, plan, mayApply)
		}
	})
}

func TestPlan_MarkerRecordsTheGrant(t *testing.T) {
	t.Parallel()
	p := policy()
	forAllFacts(func(facts user.RoleFacts) {
		plan := p.Plan(facts)
		if plan.Change != user.GrantRole {
			return
		}
		want := user.Marker{Role: string(plan.Role), Owner: own, Until: facts.Until}
		if plan.Source == user.FromRule {
			want.Rule, want.Until = facts.Rule.Name, time.Time{}
		}
		if plan.Marker != want {
			t.Errorf("%+v: %+v, want the marker %+v", facts, plan, want)
		}
	})
}

func TestPlan_LeavesNoMarkerThatNobodyNeeds(t *testing.T) {
	t.Parallel()
	p := policy()
	forAllFacts(func(facts user.RoleFacts) {
		after := written(facts, p.Plan(facts))
		if after.HasMarker && after.Marker.Owner == own && facts.Desired == "" && facts.Rule == nil {
			t.Errorf("%+v: leaves %+v", facts, after)
		}
	})
}

func TestPlan_RoleInForceIsKnown(t *testing.T) {
	t.Parallel()
	p := policy()
	forAllFacts(func(facts user.RoleFacts) {
		if plan := p.Plan(facts); !slices.Contains(p.Roles.Names(), plan.Role) {
			t.Errorf("%+v: role %q is in force", facts, plan.Role)
		}
	})
}

// A rebuilt cluster has another owner id, or no manifests yet, or both. It revokes nothing.
func TestPlan_RebuiltInstallationRevokesNothing(t *testing.T) {
	t.Parallel()
	before, rebuilt := policy(), user.Policy{Roles: user.DefaultRoles(), Owner: "prod-new", Adopted: []string{own}}
	forAllFacts(func(facts user.RoleFacts) {
		if facts.TakeOwnership {
			return
		}
		after := written(facts, before.Plan(facts))
		if !after.HasMarker {
			return
		}
		without := after
		without.Desired, without.Until, without.Rule = "", time.Time{}, nil
		if plan := rebuilt.Plan(without); plan.Change != user.NoRoleChange {
			t.Errorf("%+v: %s without manifests", without, plan.Change)
		}
		if after.Desired == "" || after.Marker.Owner != own {
			return
		}
		if plan := rebuilt.Plan(after); plan.Change != user.GrantRole || plan.Role != after.Desired {
			t.Errorf("%+v: %+v once the manifest is there", after, plan)
		}
	})
}
