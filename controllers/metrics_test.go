package controllers_test

import (
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/store"
)

// What a manifest asks for days after the last event is not that event's doing.
func TestAnEventIsTimedOnce(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.event(jane, v1alpha1.UserCreated)
	w.settle(jane)
	w.manifest("coach-jane", jane, v1alpha1.FitUserSpec{Role: "trainer"})
	w.settle(jane)
	w.wantRow(jane, "trainer")
	if got := w.timed().GetSampleCount(); got != 1 {
		t.Errorf("one event was timed %d times", got)
	}
}

// An event that changes nothing of ours is dealt with all the same, in this process and in the next.
func TestAnEventThatChangesNothingIsNotTimedLater(t *testing.T) {
	for name, restart := range map[string]bool{"by the same process": false, "after a restart": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			jane := w.signUp("jane")
			w.settle(jane)
			w.event(jane, v1alpha1.UserUpdated)
			w.settle(jane)
			if restart {
				w.Reconciler = fituser.New(w.Config)
				w.settle(jane) // as the start does with those whose event may not be dealt with
			}
			w.clock.Step(24 * time.Hour)
			w.manifest("coach-jane", jane, v1alpha1.FitUserSpec{Role: "trainer"})
			w.settle(jane)
			w.wantRow(jane, "trainer")
			if got := w.timed().GetSampleCount(); got != 0 {
				t.Errorf("an event that changed nothing was timed %d times, %v s", got, w.timed().GetSampleSum())
			}
		})
	}
}

// The wait for Clerk, the role and the table is part of the time that an event takes.
func TestAnEventIsTimedUntilItsRowIsThere(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.event(jane, v1alpha1.UserCreated)
	w.Clerk = getting{w.Clerk, func() { w.clock.Step(7 * time.Second) }}
	w.settle(jane)
	if got := w.timed().GetSampleSum(); got < 7 {
		t.Errorf("timed %v s, want seven and more", got)
	}
}

// Trouble that the operator gets over by itself is part of the time that an event takes.
func TestAnEventIsTimedThroughTrouble(t *testing.T) {
	w := newWorld(t)
	nowhere, err := store.Open("postgres://u:p@127.0.0.1:1/db", store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nowhere.Close() })
	table := w.Store
	w.Store = nowhere
	jane := w.signUp("jane")
	w.event(jane, v1alpha1.UserCreated)
	_, _ = w.reconcile(jane)
	w.wantReason(jane, v1alpha1.ReasonDatabaseUnavailable)

	w.Store = table
	w.clock.Step(time.Hour)
	w.settle(jane)
	w.wantReady(jane)
	if got := w.timed(); got.GetSampleCount() != 1 || got.GetSampleSum() < time.Hour.Seconds() {
		t.Errorf("timed %d times, %v s in all; want an hour", got.GetSampleCount(), got.GetSampleSum())
	}
}

func (w *world) timed() *dto.Histogram {
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
	w.Fatal("there is no fituser_event_to_row_seconds")
	return nil
}
