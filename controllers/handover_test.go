package controllers

import (
	"testing"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

// What the sweep has read counts only as long as nothing newer is known.
func TestHandoverOlderThanWhatIsKnown(t *testing.T) {
	for name, happens := range map[string]func(w *world, id user.ID){
		"a hint has come since":        func(w *world, id user.ID) { w.event(id, v1alpha1.UserUpdated) },
		"something newer was acted on": func(w *world, id user.ID) { w.settle(id) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.Profile = ProfileNone // so that the status does not change with the name
			jane := w.signUp("jane")
			w.settle(jane)
			w.catchUp()
			old, err := w.Reconciler.Clerk.Get(w.ctx, jane)
			if err != nil {
				t.Fatal(err)
			}
			seen := w.newest.Load()
			w.handovers.begin()
			w.clerk.SetNames(string(jane), "Janet", "Doe")
			happens(w, jane)
			if err := w.handovers.put(w.ctx, jane, handover{read: &old, seen: seen}); err != nil {
				t.Fatal(err)
			}
			w.settle(jane)
			w.wantRow(jane, user.Client)
		})
	}
}

// A page may hold somebody whose deletion was dealt with since. Nothing is left of them that could tell its age.
func TestHandoverOfAUserWhoIsGone(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.settle(jane)
	w.catchUp()
	old, err := w.Reconciler.Clerk.Get(w.ctx, jane)
	if err != nil {
		t.Fatal(err)
	}
	w.handovers.begin()
	seen := w.newest.Load()
	w.clerk.Delete(string(jane))
	w.settle(jane)
	for name, begin := range map[string]func(){
		"in the same pass":                   func() {},
		"left over when the next one begins": w.handovers.begin,
	} {
		if err := w.handovers.put(w.ctx, jane, handover{read: &old, seen: seen}); err != nil {
			t.Fatal(err)
		}
		begin()
		w.settle(jane)
		w.wantNoRow(jane)
		if w.fitUser(jane) != nil {
			t.Errorf("%s: the FitUser came back", name)
		}
	}
}
