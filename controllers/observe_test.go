package controllers_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

// The first week of an adoption: everything is reported, and nothing is written to Clerk or to the table.
func TestObserve_WritesOnlyFitUsers(t *testing.T) {
	w := newWorld(t)
	jane, joe, gone := w.signUp("jane"), w.signUp("joe"), w.signUp("gone")
	w.reconcileUntilStable(gone)
	w.setGrant(joe, "trainer", map[string]any{"role": "trainer", "owner": testOwner}) // its manifest is gone
	w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "admin"})
	w.clerk.Delete(string(gone))
	w.Observe = true
	table, writes := w.table.Query("SELECT * FROM users ORDER BY id"), len(w.clerk.Writes())
	w.mustSweep()
	w.endGrace()
	w.reconcileUntilStable(jane, joe, gone)
	for _, id := range []user.ID{jane, joe, gone} {
		w.wantReason(id, v1alpha1.ReasonObserveMode)
	}
	if diff := cmp.Diff(table, w.table.Query("SELECT * FROM users ORDER BY id")); diff != "" {
		t.Errorf("the table changed (-want +got):\n%s", diff)
	}
	if got := w.clerk.Writes()[writes:]; len(got) != 0 {
		t.Errorf("Clerk was written to: %v", got)
	}
	w.wantNoWrites(jane, joe, gone)

	w.Observe = false
	w.mustSweep()
	w.reconcileUntilStable(jane, joe, gone)
	w.wantReady(jane)
	w.wantRole(jane, user.Admin, user.FromManifest, "admin", markerOf("admin"))
	w.wantRole(joe, user.Client, user.FromDefault, nil, nil)
	w.wantNoRow(gone)
}

// Somebody changes a granted role in Clerk's dashboard: it is granted again, and that leaves a trace.
func TestRole_OverriddenInClerkLeavesATrace(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "trainer"})
	w.reconcileUntilStable(jane)
	events := len(w.recorder.Events)
	w.clerk.SetPublicMetadata(string(jane), clerktest.Metadata{"role": "client"})
	w.reconcileUntilStable(jane)
	w.wantRole(jane, user.Trainer, user.FromManifest, "trainer", markerOf("trainer"))
	if got := len(w.recorder.Events) - events; got != 1 {
		t.Errorf("%d events, want 1", got)
	}
}

func TestRole_History(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.reconcileUntilStable(jane)
	coach := w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "trainer"})
	w.change(coach, func(u *v1alpha1.FitUser) { setAnnotation(u, v1alpha1.AnnotationRevision, "main@sha1:1234") })
	w.reconcileUntilStable(jane)
	for _, role := range []v1alpha1.Role{"admin", "trainer", "", "client", "admin", "trainer"} {
		w.change(coach, func(u *v1alpha1.FitUser) { u.Spec.Role = role })
		w.reconcileUntilStable(jane)
	}
	var got []string
	for _, entry := range w.fitUser(jane).Status.RoleHistory {
		got = append(got, string(entry.From)+" "+string(entry.To)+" "+string(entry.Source)+" "+entry.Manifest+" "+entry.Revision)
	}
	want := []string{
		"admin trainer Manifest jane main@sha1:1234",
		"client admin Manifest jane main@sha1:1234",
		"trainer client Default  ",
		"admin trainer Manifest jane main@sha1:1234",
		"trainer admin Manifest jane main@sha1:1234",
	}
	w.remove(coach) // its history goes with it
	w.endGrace()
	w.reconcileUntilStable(jane)
	w.manifest("again", jane, v1alpha1.FitUserSpec{Role: "admin"}) // takes over that of the operator's FitUser
	w.reconcileUntilStable(jane)
	if history := w.fitUser(jane).Status.RoleHistory; len(history) != 2 || history[0].To != "admin" || history[1].To != "client" {
		t.Errorf("after the manifest was replaced: %+v", history)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("history, the newest first (-want +got):\n%s", diff)
	}
}
