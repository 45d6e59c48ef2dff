package controllers

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

func TestDeletionsAreHeldBack(t *testing.T) {
	for name, cause := range map[string]func(w *world, ids []user.ID){
		"sweep": func(w *world, _ []user.ID) { w.mustSweep() },
		"events": func(w *world, ids []user.ID) {
			for _, id := range ids {
				w.event(id, v1alpha1.UserDeleted)
				w.settle(id)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			var ids []user.ID
			for i := range 30 {
				ids = append(ids, w.signUp(fmt.Sprintf("user%d", i)))
			}
			w.mustSweep()
			w.Deletions.Max = MaxDeletions{number: 7}
			w.clock.Step(time.Hour) // a new period
			for _, id := range ids[:20] {
				w.clerk.Delete(string(id))
			}
			cause(w, ids[:20])
			if w.rows() != 30-7 {
				t.Fatalf("%d rows are left, want %d", w.rows(), 30-7)
			}
			if got := testutil.ToFloat64(w.Metrics.deletionsHeld); got == 0 {
				t.Error("no metric tells that deletions are held back")
			}
			notes, err := w.Deletions.Notes.read(w.ctx)
			if err != nil || notes.Data[DeletionsHeldKey] == "" {
				t.Errorf("nobody is named: %v, %v", notes.Data, err)
			}

			w.restartDeletions()
			cause(w, ids[:20])
			if w.rows() != 30-7 {
				t.Fatalf("%d rows are left after a restart", w.rows())
			}

			if notes, err = w.Deletions.Notes.read(w.ctx); err != nil {
				t.Fatal(err)
			}
			notes.Annotations = map[string]string{AnnotationAllowDeletions: "true"}
			if err := w.live().Update(w.ctx, notes); err != nil {
				t.Fatal(err)
			}
			w.release()
			cause(w, ids[:20])
			if w.rows() != 10 {
				t.Fatalf("%d rows are left after the release", w.rows())
			}

			w.clock.Step(w.Deletions.Period)
			if _, err := w.Deletions.Left(w.ctx); err != nil {
				t.Fatal(err)
			}
			if notes, err := w.Deletions.Notes.read(w.ctx); err != nil || len(notes.Annotations) != 0 || notes.Data[DeletionsHeldKey] != "" {
				t.Errorf("the release outlives its period: %v, %v, %v", notes.Annotations, notes.Data, err)
			}
		})
	}
}

// A leader that changes now and again, as on nodes that are drained, takes some grants with it and not a share of them.
func TestRestartsDoNotUseUpALargeLimit(t *testing.T) {
	w := newWorld(t)
	w.Deletions.Max = MaxDeletions{number: 5000}
	for i := range 30 {
		if allowed, err := w.Deletions.Allow(w.ctx, user.ID(fmt.Sprint("user_", i))); err != nil || !allowed {
			t.Fatalf("after %d restarts nothing may go any more: %v", i, err)
		}
		w.restartDeletions()
	}
}

// A word that nobody needed goes with its period too: it must not let a flood through a year later.
func TestUnusedReleaseGoesWithItsPeriod(t *testing.T) {
	w := newWorld(t)
	w.release()
	notes, err := w.Deletions.Notes.read(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	notes.Annotations = map[string]string{AnnotationAllowDeletions: "true"}
	if err := w.live().Update(w.ctx, notes); err != nil {
		t.Fatal(err)
	}
	w.release()
	if left, err := w.Deletions.Left(w.ctx); err != nil || left < 1000 {
		t.Errorf("%d deletions are left, %v: nobody listens", left, err)
	}
	w.clock.Step(w.Deletions.Period)
	w.release()
	if left, err := w.Deletions.Left(w.ctx); err != nil || left != 10 {
		t.Errorf("%d deletions are left in the next period, %v", left, err)
	}
	if notes, err := w.Deletions.Notes.read(w.ctx); err != nil || len(notes.Annotations) != 0 {
		t.Errorf("the word is still there: %v, %v", notes.Annotations, err)
	}
}

// release does what the schedule does when it looks for a person's word.
func (w *world) release() {
	w.Helper()
	released, err := w.Deletions.Released(w.ctx)
	if err != nil {
		w.Fatal(err)
	}
	w.settle(released...)
}

func (w *world) restartDeletions() {
	old := w.Deletions
	w.Deletions = &Deletions{
		Notes: old.Notes, Max: old.Max, Period: old.Period, Users: old.Users,
		Recorder: old.Recorder, Metrics: old.Metrics, Clock: old.Clock, Log: old.Log,
	}
}

// A CRD that is deleted and applied again takes all FitUsers with it: rows stay, rights are not all taken back.
func TestRightsOfDeletedFitUsersAreHeldBack(t *testing.T) {
	w := newWorld(t)
	w.Deletions.Max = MaxDeletions{number: 2}
	var ids []user.ID
	for i := range 6 {
		id := w.signUp(fmt.Sprintf("user%d", i))
		ids = append(ids, id)
		manifest := w.manifest(fmt.Sprintf("coach%d", i), id, v1alpha1.FitUserSpec{Role: "trainer"})
		w.settle(id)
		w.remove(manifest)
	}
	w.clock.Step(DefaultTakeBackGrace)
	w.settle(ids...)
	left := 0
	for _, id := range ids {
		if role, _ := w.metadata(id); role == "trainer" {
			left++
			w.wantReason(id, v1alpha1.ReasonDeletionDeferred)
		}
	}
	if left != 4 || w.rows() != 6 {
		t.Errorf("%d rights and %d rows are left", left, w.rows())
	}
}
