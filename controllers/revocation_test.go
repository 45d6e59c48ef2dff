package controllers_test

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/testenv/eventually"
	"github.com/fitai/fituser-operator/internal/user"
)

func TestRevocation_PendingIsReportedAndCounted(t *testing.T) {
	for name, fault := range map[string]clerktest.Fault{
		"reads are throttled":  {Match: clerktest.On("GET", "/users/*"), Respond: clerktest.Throttled(1)},
		"writes are throttled": {Match: clerktest.On("PATCH", "/users/*/metadata"), Respond: clerktest.Throttled(1)},
		"writes are down":      {Match: clerktest.On("PATCH", "/users/*/metadata"), Respond: clerktest.HTML502()},
		"all is down":          {Respond: clerktest.CloseConnection()},
		"the key is refused":   {Respond: clerktest.Status(401, "clerk_key_invalid")},
		"the write is refused": {Match: clerktest.On("PATCH", "/users/*/metadata"), Respond: clerktest.Status(422, "form_param_unknown")},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			jane := w.signUp("jane")
			coach := w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "admin"})
			w.reconcileUntilStable(jane)
			w.wantPendingRevocations(0)

			endFault := w.clerk.Inject(fault)
			_, _ = w.reconcile(jane) // Clerk has failed for an hour when spec.role is removed
			w.clock.Step(time.Hour)
			since := w.clock.Now()
			w.change(coach, func(u *v1alpha1.FitUser) { u.Spec.Role = "" })
			for range 3 {
				_, _ = w.reconcile(jane)
				w.clock.Step(time.Minute)
			}
			w.wantReasonOf(coach, v1alpha1.ReasonRevocationPending)
			w.wantPendingRevocations(1)
			synced := meta.FindStatusCondition(coach.Status.Conditions, v1alpha1.ConditionClerkSynced)
			if synced.Reason != v1alpha1.ReasonRevocationPending || synced.LastTransitionTime.Unix() != since.Unix() {
				t.Errorf("pending since %v with %s, want since %v", synced.LastTransitionTime, synced.Reason, since)
			}
			if !strings.HasPrefix(synced.Message, "admin is to be revoked, but is not yet: ") || coach.Status.Role != "admin" {
				t.Errorf("role %s, message %q", coach.Status.Role, synced.Message)
			}

			endFault()
			eventually.Holds(w, "the state is reached", func() bool {
				_, _ = w.reconcile(jane)
				role, marker := w.metadata(jane)
				return role == nil && marker == nil
			})
			w.reconcileUntilStable(jane)
			w.wantPendingRevocations(0)
			w.wantRole(jane, user.Client, user.FromDefault, nil, nil)
			w.wantReady(jane)
		})
	}
}

func (w *world) wantPendingRevocations(want float64) {
	w.Helper()
	if got := w.metric("fituser_roles_pending_revocation"); got != want {
		w.Errorf("%v roles are pending revocation, want %v", got, want)
	}
}

// A deleted manifest cannot report the pending revocation, so the metric does.
func TestRevocation_DeletedManifestIsCountedUntilRevoked(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	coach := w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "admin"})
	w.reconcileUntilStable(jane)
	endFault := w.clerk.Inject(clerktest.Fault{Respond: clerktest.Empty503()})
	w.remove(coach)
	w.endGrace()
	for range 2 {
		if _, err := w.reconcile(jane); err == nil {
			t.Error("the reconcile returns no error, so it is not repeated")
		}
		w.wantPendingRevocations(1)
	}
	endFault()
	w.reconcileUntilStable(jane)
	w.wantPendingRevocations(0)
	w.wantRole(jane, user.Client, user.FromDefault, nil, nil)
}

func TestRevocation_PendingIsReported(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	coach := w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "admin"})
	w.reconcileUntilStable(jane)
	w.clock.Step(time.Hour)
	endFault := w.clerk.Inject(clerktest.Fault{Match: clerktest.On("PATCH", "/users/*/metadata"), Respond: clerktest.Empty503()})
	w.change(coach, func(u *v1alpha1.FitUser) { u.Spec.Role = "" })
	for range 3 {
		if _, err := w.reconcile(jane); err == nil {
			t.Error("the reconcile returns no error, so it is not repeated")
		}
		w.clock.Step(time.Minute)
	}
	w.wantReason(jane, v1alpha1.ReasonRevocationPending)
	if got := w.fitUser(jane).Status; got.Role != "admin" {
		t.Errorf("the status has role %s", got.Role)
	}
	since := w.fitUser(jane).Status.LastChangeTime.Time
	if want := w.clock.Now().Add(-3 * time.Minute); since.Unix() != want.Unix() {
		t.Errorf("pending since %v, want %v", since, want)
	}
	endFault()
	w.reconcileUntilStable(jane)
	w.wantRole(jane, user.Client, user.FromDefault, nil, nil)
}
