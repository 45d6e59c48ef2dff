package controllers

import (
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/fitai/fituser-operator/api/v1alpha1"
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
	var written dto.Metric
	if err := w.Metrics.eventToRow.Write(&written); err != nil {
		w.Fatal(err)
	}
	return written.GetHistogram()
}
