package controllers_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/rolerule"
	"github.com/fitai/fituser-operator/controllers/sweep"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

// rule creates a RoleRule, and waits until the cache has it.
func (w *world) rule(name string, spec v1alpha1.RoleRuleSpec) *v1alpha1.RoleRule {
	w.Helper()
	r := &v1alpha1.RoleRule{Spec: spec}
	r.Namespace, r.Name = w.namespace, name
	if err := w.client.Create(w.ctx, r); err != nil {
		w.Fatal(err)
	}
	if err := w.client.Get(w.ctx, client.ObjectKeyFromObject(r), r); err != nil { // reads its own write
		w.Fatal(err)
	}
	return r
}

func (w *world) removeRule(r *v1alpha1.RoleRule) {
	w.Helper()
	if err := w.client.Delete(w.ctx, r); err != nil {
		w.Fatal(err)
	}
	if err := w.client.Get(w.ctx, client.ObjectKeyFromObject(r), r); client.IgnoreNotFound(err) != nil || err == nil {
		w.Fatalf("the rule is still there: %v", err)
	}
}

func markerOfRule(role, rule string) any {
	return map[string]any{"role": role, "owner": testOwner, "rule": rule}
}

func staff() v1alpha1.RoleRuleSpec {
	return v1alpha1.RoleRuleSpec{Role: "trainer", EmailDomains: []string{"Example.com"}}
}

func TestRoleRule_GivesAndRevokesARole(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	rule := w.rule("staff", staff())
	w.wantWrites(2, 1, func() { w.reconcileUntilStable(jane) }) // as for any new user
	w.wantReady(jane)
	w.wantRole(jane, user.Trainer, user.FromRule, "trainer", markerOfRule("trainer", "staff"))
	if got := w.fitUser(jane).Status.RoleRule; got != "staff" {
		t.Errorf("the status names the rule %q", got)
	}
	w.wantNoWrites(jane)
	if report := w.mustSweep(); report.Differing != 0 || report.RuleUsers["staff"] != 1 {
		t.Errorf("%+v", report)
	}

	w.removeRule(rule)
	w.wantWrites(2, 1, func() { w.mustSweep() }) // the budget and the status
	w.wantRole(jane, user.Client, user.FromDefault, nil, nil)
	w.wantNoWrites(jane)
}

func TestRoleRule_Precedence(t *testing.T) {
	w := newWorld(t)
	w.rule("staff", staff())
	manifest, inClerk, unknown, other := w.signUp("manifest"), w.signUp("clerk"), w.signUp("unknown"), w.signUp("other")
	w.manifest("manifest", manifest, v1alpha1.FitUserSpec{Role: "admin"})
	w.clerk.SetPublicMetadata(string(inClerk), clerktest.Metadata{"role": "client"})
	w.clerk.SetPublicMetadata(string(unknown), clerktest.Metadata{"role": "owner"})
	w.clerk.SetPrimaryEmail(string(other), "other@elsewhere.org")
	w.reconcileUntilStable(manifest, inClerk, unknown, other)
	w.wantRole(manifest, user.Admin, user.FromManifest, "admin", markerOf("admin"))
	w.wantRole(inClerk, user.Client, user.FromClerk, "client", nil)
	w.wantRole(unknown, user.Client, user.FromDefault, "owner", nil)
	w.wantRole(other, user.Client, user.FromDefault, nil, nil)

	// Without the manifest the rule decides: one write, and no moment with the default role.
	w.remove(w.fitUser(manifest))
	w.reconcileUntilStable(manifest)
	w.wantRole(manifest, user.Admin, user.FromManifest, "admin", markerOf("admin"))
	w.endGrace()
	w.wantWrites(1, 1, func() { w.reconcileUntilStable(manifest) }) // the budget counted the user already
	w.wantRole(manifest, user.Trainer, user.FromRule, "trainer", markerOfRule("trainer", "staff"))
}

// Somebody sets another role in Clerk for a user of a rule: that is kept.
func TestRoleRule_DoesNotOverrideClerk(t *testing.T) {
	w := newWorld(t)
	w.rule("staff", staff())
	jane := w.signUp("jane")
	w.reconcileUntilStable(jane)
	w.clerk.SetPublicMetadata(string(jane), clerktest.Metadata{"role": "admin"})
	w.reconcileUntilStable(jane)
	w.wantRole(jane, user.Admin, user.FromClerk, "admin", nil)
	w.clerk.SetPublicMetadata(string(jane), clerktest.Metadata{})
	w.reconcileUntilStable(jane)
	w.wantRole(jane, user.Trainer, user.FromRule, "trainer", markerOfRule("trainer", "staff"))
}

// What a user asks for at sign-up counts only where a rule allows it.
func TestRoleRule_RequestedAtSignUp(t *testing.T) {
	w := newWorld(t)
	jane, joe := w.signUp("jane"), w.signUp("joe")
	w.clerk.SetUnsafeMetadata(string(jane), clerktest.Metadata{"role": "trainer"})
	w.clerk.SetUnsafeMetadata(string(joe), clerktest.Metadata{"role": "admin"})
	w.rule("coaches", v1alpha1.RoleRuleSpec{Role: "trainer", RequestedAtSignUp: true})
	w.reconcileUntilStable(jane, joe)
	w.wantRole(jane, user.Trainer, user.FromRule, "trainer", markerOfRule("trainer", "coaches"))
	w.wantRole(joe, user.Client, user.FromDefault, nil, nil)
}

// A deleted rule for everybody takes roles away within the budget.
func TestRoleRule_DeletionIsBounded(t *testing.T) {
	w := newWorld(t)
	rule := w.rule("staff", staff())
	var ids []user.ID
	for i := range 30 {
		ids = append(ids, w.signUp(fmt.Sprintf("user%d", i)))
	}
	w.mustSweep()
	if got := w.holders("trainer"); got != 30 {
		t.Fatalf("%d users got the role", got)
	}
	w.limitDeletions(5)
	w.removeRule(rule)
	w.mustSweep()
	if got := w.holders("trainer"); got != 25 {
		t.Errorf("%d users hold the role, want 25", got)
	}
	if got := w.deferredUsers(); got != 25 {
		t.Errorf("%d users report that they are deferred, want 25", got)
	}
	w.wantWrites(0, 0, func() { w.mustSweep() })
	w.wantNoWrites(ids...)
}

func TestRoleRule_Status(t *testing.T) {
	w := newWorld(t)
	roles := user.DefaultRoles()
	r := rolerule.New(rolerule.Config{
		Lister: rolerule.Lister{Reader: w.client, Namespace: w.namespace, Roles: roles}, Client: w.client, Clock: w.clock,
	})
	reconcile := func() {
		t.Helper()
		if err := r.ReconcileAll(w.ctx); err != nil {
			t.Fatal(err)
		}
	}
	sweepRequested := func() bool {
		select {
		case <-r.Sweeps():
			return true
		default:
			return false
		}
	}
	staffRule := w.rule("staff", staff())
	shadowed := w.rule("z-shadowed", v1alpha1.RoleRuleSpec{Role: "client", EmailDomains: []string{"example.com"}})
	jane := w.signUp("jane")
	reconcile()
	if !sweepRequested() {
		t.Error("new rules requested no sweep")
	}
	sweeper := sweep.New(sweep.Config{
		Reconciler: w.Reconciler, Cache: w.cache, Pages: w.sweeper().Pages, Clock: w.clock, Metrics: w.sweeper().Metrics,
		RuleUsers: r.SetUsers,
	})
	if _, err := sweeper.RunOnce(w.ctx); err != nil {
		t.Fatal(err)
	}
	w.reconcileRequested()
	w.wantRole(jane, user.Trainer, user.FromRule, "trainer", markerOfRule("trainer", "staff"))
	w.wantWrites(2, 0, reconcile)
	w.wantWrites(0, 0, reconcile)
	if sweepRequested() {
		t.Error("counts requested a sweep")
	}
	for rule, want := range map[*v1alpha1.RoleRule]struct {
		users  int32
		reason string
	}{
		staffRule: {1, v1alpha1.ReasonInForce}, shadowed: {0, v1alpha1.ReasonNeverMatches},
	} {
		if err := w.client.Get(w.ctx, client.ObjectKeyFromObject(rule), rule); err != nil {
			t.Fatal(err)
		}
		ready := meta.FindStatusCondition(rule.Status.Conditions, v1alpha1.ConditionReady)
		stalled := meta.IsStatusConditionTrue(rule.Status.Conditions, v1alpha1.ConditionStalled)
		if rule.Status.Users == nil || *rule.Status.Users != want.users || ready == nil || ready.Reason != want.reason ||
			stalled != (want.reason == v1alpha1.ReasonNeverMatches) || rule.Status.ObservedGeneration != rule.Generation {
			t.Errorf("%s: %+v", rule.Name, rule.Status)
		}
	}
}

// A rule that reaches everybody costs the listing, shared reads, and one write in Clerk and one status for each user; a
// sweep in which nothing changes costs the listing alone. The way back costs the same.
func TestRoleRule_CostForManyUsers(t *testing.T) {
	n := 300
	if os.Getenv("FITUSER_TEST_THOROUGH") != "" {
		n = 20_000
	}
	w := newWorld(t)
	w.Recorder = events.NewFakeRecorder(4 * n)
	w.limitDeletions(2 * n)
	ids := w.clerk.Import(n)
	if _, err := w.sweepWith(benchWorkers); err != nil {
		t.Fatal(err)
	}
	listing := (n+499)/500 + 2
	sweepCosts := func(what string, objects, clerkWrites, requests int) {
		t.Helper()
		w.catchUp()
		before, clerkBefore, asked := len(w.writes()), len(w.clerk.Writes()), w.clerk.RequestCount("")
		if _, err := w.sweepWith(benchWorkers); err != nil {
			t.Fatal(err)
		}
		if got := len(w.writes()) - before; got > objects {
			t.Errorf("%s: %d writes to the API server, want %d at most", what, got, objects)
		}
		if got := len(w.clerk.Writes()) - clerkBefore; got != clerkWrites {
			t.Errorf("%s: %d writes to Clerk, want %d", what, got, clerkWrites)
		}
		if got := w.clerk.RequestCount("") - asked; got > requests {
			t.Errorf("%s: %d requests to Clerk, want %d at most", what, got, requests)
		}
	}
	domain := strings.SplitAfter(must(w.clerk.User(ids[0])).PrimaryEmail(), "@")[1]
	rule := w.rule("everybody", v1alpha1.RoleRuleSpec{Role: "trainer", EmailDomains: []string{domain}})
	sweepCosts("a new rule", n, n, 2*n+listing)
	if got := w.holders("trainer"); got != n {
		t.Fatalf("%d users got the role, want %d", got, n)
	}
	sweepCosts("no change", 0, 0, listing)
	w.removeRule(rule)
	sweepCosts("a deleted rule", n+n/20+1, n, 2*n+listing) // the budget persists up to twenty grants at once
	if got := w.holders("trainer"); got != 0 {
		t.Errorf("%d users still have the role", got)
	}
	sweepCosts("no change", 0, 0, listing)
}

func must[T any](value T, ok bool) T {
	if !ok {
		panic("no such value")
	}
	return value
}
