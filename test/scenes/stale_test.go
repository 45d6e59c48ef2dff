package scenes_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

// record adds the current FitUsers to the history.
func (s *scene) record() {
	if s.recording {
		s.history = append(s.history, s.objects())
	}
}

// While the cache shows any earlier state of the FitUsers, the operator deletes, grants and revokes nothing that the newest
// state forbids. Once the cache is current, the final state is the same as without the delay.
func TestStaleCache_CausesNoWrongWrite(t *testing.T) {
	var views atomic.Int64
	t.Cleanup(func() { t.Logf("stale: %d old views of %d workloads", views.Load(), len(workloads())) })
	for name, w := range workloads() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t)
			want := h.execute(w, nil, nil).afterSweep
			every := 3
			if thorough() {
				every = 1
			}
			for n := 0; ; n += every {
				got, more := h.runWithView(w, n)
				if !more {
					return
				}
				views.Add(1)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("with view %d: the final state differs (-want +got):\n%s", n, diff)
				}
			}
		})
	}
}

// runWithView runs a workload while the cache shows the n-th state in the FitUsers' history. It reports whether the history
// has one.
func (h *harness) runWithView(w workload, n int) (end finalState, more bool) {
	h.Helper()
	s := h.newScene(h, w.configuration()...)
	s.recording = true
	s.record()
	if w.prepare != nil {
		w.prepare(s)
	}
	s.reconcileUntilIdle()
	w.act(s)
	if n >= len(s.history) {
		return finalState{}, false
	}
	s.view, s.watchPaused = &s.history[n], true
	s.clock.Step(2 * fituser.DefaultRevocationGrace)
	for range 3 {
		for _, id := range []user.ID{jane, joe, jim, "user_again", "user_ghost"} {
			s.reconcile(id)
		}
	}
	_, _ = s.operator.sweeper.RunOnce(s.logs)
	s.operator.drainRequests()
	for _, r := range s.operator.queue {
		s.handle(r)
	}
	s.view, s.watchPaused = nil, false
	s.reconcileUntilIdle()
	s.sweep()
	return s.finalState(), true
}

// A page of the sweep may be minutes old when its users are reconciled, so no role is changed because of it.
func TestSweep_PageDoesNotChangeRoles(t *testing.T) {
	t.Parallel()
	s := newHarness(t).newScene(t)
	s.clerk.SignUp(clerktest.Person{
		ID: string(jane), Email: address("jane"), PublicMetadata: clerktest.Metadata{"role": "admin"},
		PrivateMetadata: clerktest.Metadata{"fituser": map[string]any{"role": "admin", "owner": ownerID}},
	})
	s.clock.Step(time.Hour)
	if _, err := s.operator.sweeper.RunOnce(s.logs); err != nil {
		t.Fatal(err)
	}
	s.clerk.SetPublicMetadata(string(jane), clerktest.Metadata{"role": "trainer"})
	s.reconcileUntilIdle()
	s.sweep()
	if u, _ := s.clerk.User(string(jane)); u.PublicMetadata["role"] != "trainer" || u.PrivateMetadata["fituser"] != nil {
		t.Errorf("role %v, marker %v; want trainer and no marker", u.PublicMetadata["role"], u.PrivateMetadata["fituser"])
	}
}
