package controllers_test

import (
	"context"
	"testing"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

// setGrant sets a role and its marker in Clerk, as an installation does.
func (w *world) setGrant(id user.ID, role string, marker map[string]any) {
	w.clerk.SetPublicMetadata(string(id), clerktest.Metadata{"role": role})
	w.clerk.SetPrivateMetadata(string(id), clerktest.Metadata{"fituser": marker})
}

// A rebuilt cluster has a new owner id and may start before its manifests.
func TestOwner_ForeignMarkersAreLeftAlone(t *testing.T) {
	for name, marker := range map[string]map[string]any{
		"of another installation": {"role": "admin", "owner": "elsewhere"},
		"without an owner":        {"role": "admin"},
		"without a role":          {"owner": "elsewhere"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.limitDeletions(1000)
			jane := w.signUp("jane")
			w.setGrant(jane, "admin", marker)
			w.wantWrites(2, 0, func() { w.reconcileUntilStable(jane) })
			w.wantReady(jane)
			w.wantRole(jane, user.Admin, user.FromClerk, "admin", marker)
			if got := w.metric("fituser_foreign_markers"); got != 0 { // counted by the watch, which does not run here
				t.Errorf("%v foreign markers", got)
			}
			if w.fitUser(jane).Status.MarkerOwner == "" {
				t.Error("the status does not name the owner of the marker")
			}
			w.wantNoWrites(jane)

			coach := w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "trainer"})
			w.wantWrites(2, 0, func() { w.reconcileUntilStable(jane) }) // the status, and the operator's FitUser is deleted
			w.wantReason(jane, v1alpha1.ReasonOwnedElsewhere)
			w.wantRow(jane, user.Admin)
			w.wantNoWrites(jane)

			w.change(coach, func(u *v1alpha1.FitUser) { setAnnotation(u, v1alpha1.AnnotationTakeOwnership, "true") })
			w.wantWrites(2, 1, func() { w.reconcileUntilStable(jane) }) // the budget, because the role is lowered, and the status
			w.wantReady(jane)
			w.wantRole(jane, user.Trainer, user.FromManifest, "trainer", markerOf("trainer"))
			if owner := w.fitUser(jane).Status.MarkerOwner; owner != "" {
				t.Errorf("the status still names the owner %s", owner)
			}
		})
	}
}

func TestOwner_ManifestThatDesiresTheForeignRoleIsReady(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	marker := map[string]any{"role": "trainer", "owner": "elsewhere"}
	w.setGrant(jane, "trainer", marker)
	coach := w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "trainer"})
	w.wantWrites(1, 0, func() { w.reconcileUntilStable(jane) })
	w.wantReady(jane)
	w.wantRole(jane, user.Trainer, user.FromManifest, "trainer", marker)

	w.remove(coach)
	w.endGrace()
	w.reconcileUntilStable(jane)
	w.wantRole(jane, user.Trainer, user.FromClerk, "trainer", marker)
}

// With --adopt-owner, the manifests of a former installation take over its grants. What no manifest desires stays.
func TestOwner_ManifestsAdoptTheGrantsOfAFormerInstallation(t *testing.T) {
	w := newWorld(t)
	w.AdoptedOwners = []string{"former"}
	jane, joe := w.signUp("jane"), w.signUp("joe")
	marker := map[string]any{"role": "trainer", "owner": "former"}
	for _, id := range []user.ID{jane, joe} {
		w.setGrant(id, "trainer", marker)
		w.reconcileUntilStable(id)
		w.wantRole(id, user.Trainer, user.FromClerk, "trainer", marker)
	}
	w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "trainer"})
	w.wantWrites(2, 1, func() { w.reconcileUntilStable(jane) })
	w.wantRole(jane, user.Trainer, user.FromManifest, "trainer", markerOf("trainer"))
	w.wantNoWrites(jane, joe)
	w.mustSweep()
	w.wantRole(joe, user.Trainer, user.FromClerk, "trainer", marker)
}

// Two installations work on one Clerk instance, each with its own manifests.
func TestOwner_TwoInstallationsDoNotRevokeEachOthersRoles(t *testing.T) {
	a, b := newWorld(t), newWorldOn(t, controlPlane.Get(t))
	b.clerk, b.Clerk = a.clerk, a.newClerkClient()
	b.Owner = func(context.Context) (string, error) { return "owner-b", nil }
	jane, joe := a.signUp("jane"), a.signUp("joe")
	ofA := a.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "trainer"})
	b.manifest("joe", joe, v1alpha1.FitUserSpec{Role: "admin"})
	for range 2 {
		a.reconcileUntilStable(jane, joe)
		b.reconcileUntilStable(jane, joe)
	}
	markerOfB := map[string]any{"role": "admin", "owner": "owner-b"}
	a.wantRole(jane, user.Trainer, user.FromManifest, "trainer", markerOf("trainer"))
	a.wantRole(joe, user.Admin, user.FromClerk, "admin", markerOfB)
	b.wantRole(jane, user.Trainer, user.FromClerk, "trainer", markerOf("trainer"))
	b.wantRole(joe, user.Admin, user.FromManifest, "admin", markerOfB)

	a.remove(ofA)
	a.endGrace()
	for range 2 {
		b.reconcileUntilStable(jane, joe)
		a.reconcileUntilStable(jane, joe)
	}
	a.wantRole(jane, user.Client, user.FromDefault, nil, nil)
	a.wantRole(joe, user.Admin, user.FromClerk, "admin", markerOfB)
}
