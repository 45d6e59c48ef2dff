package controllers_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

// in returns the time after a delay, in the precision of the API.
func (w *world) in(delay time.Duration) *metav1.Time {
	return &metav1.Time{Time: w.clock.Now().Add(delay).Truncate(time.Second)}
}

// expire reconciles the users whose role has expired since a time, as the controller does each second.
func (w *world) expire(since time.Time) time.Time {
	w.Helper()
	w.catchUp()
	next, err := w.EnqueueDue(w.ctx, since)
	if err != nil {
		w.Fatal(err)
	}
	done := make(chan struct{})
	close(done)
	w.reconcileUntil(done)
	return next
}

func TestExpiry_RevokesAtItsTime(t *testing.T) {
	w := newWorld(t)
	w.limitDeletions(0) // a person dated it: no budget is needed
	jane := w.signUp("jane")
	until := w.in(time.Hour)
	coach := w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "trainer", RoleExpiresAt: until})
	w.reconcileUntilStable(jane)
	w.wantReady(jane)
	w.wantRole(jane, user.Trainer, user.FromManifest, "trainer",
		map[string]any{"role": "trainer", "owner": testOwner, "until": until.UTC().Format(time.RFC3339)})
	since := w.expire(time.Time{})
	w.wantNoWrites(jane)

	w.clock.SetTime(until.Time)
	events := len(w.recorder.Events)
	w.wantWrites(1, 1, func() { since = w.expire(since) })
	w.wantReady(jane)
	w.wantRole(jane, user.Client, user.FromDefault, nil, nil)
	if got := len(w.recorder.Events) - events; got != 2 {
		t.Errorf("%d events, want one for the expiry and one for the role", got)
	}
	w.reload(coach)
	if !coach.Status.RoleExpiredAt.Equal(until) {
		t.Errorf("the status records the expiry %v, want %v", coach.Status.RoleExpiredAt, until)
	}
	w.wantWrites(0, 0, func() { w.expire(since) })
	w.wantNoWrites(jane)

	w.clock.SetTime(until.Add(-time.Minute)) // a clock that is set back extends nothing
	w.expire(since)
	w.wantNoWrites(jane)
	w.wantRole(jane, user.Client, user.FromDefault, nil, nil)

	later := w.in(2 * time.Hour)
	w.change(coach, func(u *v1alpha1.FitUser) { u.Spec.RoleExpiresAt = later })
	w.reconcileUntilStable(jane)
	w.wantRole(jane, user.Trainer, user.FromManifest, "trainer",
		map[string]any{"role": "trainer", "owner": testOwner, "until": later.UTC().Format(time.RFC3339)})
}

func TestExpiry_ATimeInThePastGrantsNothing(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "admin", RoleExpiresAt: w.in(-time.Hour)})
	w.wantWrites(1, 0, func() { w.reconcileUntilStable(jane) })
	w.wantReady(jane)
	w.wantRole(jane, user.Client, user.FromDefault, nil, nil)
}

// A process that starts after the expiry searches without a beginning.
func TestExpiry_IsFoundByTheNextProcess(t *testing.T) {
	w := newWorld(t)
	jane, joe := w.signUp("jane"), w.signUp("joe")
	until := w.in(time.Hour)
	for name, id := range map[string]user.ID{"jane": jane, "joe": joe} {
		w.manifest(name, id, v1alpha1.FitUserSpec{Role: "trainer", RoleExpiresAt: until})
		w.reconcileUntilStable(id)
	}
	w.clock.SetTime(until.Add(time.Hour))
	w.expire(time.Time{})
	for _, id := range []user.ID{jane, joe} {
		w.wantRole(id, user.Client, user.FromDefault, nil, nil)
	}
}

// The marker records the expiry, so that an installation that lost its manifests revokes its own expired grants without the
// budget.
func TestExpiry_OutlivesTheManifest(t *testing.T) {
	w := newWorld(t)
	w.limitDeletions(0)
	jane := w.signUp("jane")
	coach := w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "trainer", RoleExpiresAt: w.in(time.Hour)})
	w.reconcileUntilStable(jane)
	w.remove(coach)
	w.endGrace()
	w.reconcileUntilStable(jane)
	w.wantReason(jane, v1alpha1.ReasonDeletionDeferred)
	w.clock.Step(2 * time.Hour)
	w.reconcileUntilStable(jane)
	w.wantReady(jane)
	w.wantRole(jane, user.Client, user.FromDefault, nil, nil)
}
