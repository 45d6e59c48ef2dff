package controllers_test

import (
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/store"
)

// A manifest's change days after the last event is not measured as that event's.
func TestEventToRow_MeasuredOnce(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.event(jane, v1alpha1.UserCreated)
	w.reconcileUntilStable(jane)
	w.manifest("coach-jane", jane, v1alpha1.FitUserSpec{Role: "trainer"})
	w.reconcileUntilStable(jane)
	w.wantRow(jane, "trainer")
	if got := w.eventToRow().GetSampleCount(); got != 1 {
		t.Errorf("one event was measured %d times", got)
	}
}

// An event that changes nothing counts as handled, in this process and in the next.
func TestEventToRow_UnchangedUserIsNotMeasuredLater(t *testing.T) {
	for name, restart := range map[string]bool{"by the same process": false, "after a restart": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			jane := w.signUp("jane")
			w.reconcileUntilStable(jane)
			w.event(jane, v1alpha1.UserUpdated)
			w.reconcileUntilStable(jane)
			if restart {
				w.Reconciler = fituser.New(w.Config)
				w.reconcileUntilStable(jane) // as at a start, where the event may be unhandled
			}
			w.clock.Step(24 * time.Hour)
			w.manifest("coach-jane", jane, v1alpha1.FitUserSpec{Role: "trainer"})
			w.reconcileUntilStable(jane)
			w.wantRow(jane, "trainer")
			if got := w.eventToRow().GetSampleCount(); got != 0 {
				t.Errorf("an event that changed nothing was measured %d times, %v s", got, w.eventToRow().GetSampleSum())
			}
		})
	}
}

// The measured time includes the waits for Clerk and for the table.
func TestEventToRow_IncludesWaits(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.event(jane, v1alpha1.UserCreated)
	w.Clerk = clerkWithHook{w.Clerk, func() { w.clock.Step(7 * time.Second) }}
	w.reconcileUntilStable(jane)
	if got := w.eventToRow().GetSampleSum(); got < 7 {
		t.Errorf("measured %v s, want at least 7", got)
	}
}

// The measured time includes errors that the operator recovers from.
func TestEventToRow_IncludesErrors(t *testing.T) {
	w := newWorld(t)
	unreachable, err := store.Open("postgres://u:p@127.0.0.1:1/db", store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unreachable.Close() })
	table := w.Store
	w.Store = unreachable
	jane := w.signUp("jane")
	w.event(jane, v1alpha1.UserCreated)
	_, _ = w.reconcile(jane)
	w.wantReason(jane, v1alpha1.ReasonDatabaseUnavailable)

	w.Store = table
	w.clock.Step(time.Hour)
	w.reconcileUntilStable(jane)
	w.wantReady(jane)
	if got := w.eventToRow(); got.GetSampleCount() != 1 || got.GetSampleSum() < time.Hour.Seconds() {
		t.Errorf("measured %d times, %v s in all; want an hour", got.GetSampleCount(), got.GetSampleSum())
	}
}

func (w *world) eventToRow() *dto.Histogram {
	w.Helper()
	families, err := w.registry.Gather()
	if err != nil {
		w.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == "fituser_event_to_row_seconds" {
			return family.GetMetric()[0].GetHistogram()
		}
	}
	w.Fatal("fituser_event_to_row_seconds does not exist")
	return nil
}
