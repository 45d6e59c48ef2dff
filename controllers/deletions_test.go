package controllers

import (
	"fmt"
	"math"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

// A write that fails in between must not lift the limit of a period that nobody has spoken of.
func TestTheLimitHoldsAlthoughTheWordCannotBeRemoved(t *testing.T) {
	w := newDeletionsWorld(t, 1)
	w.word("true")
	w.release()
	w.wantLeft(math.MaxInt)

	w.clock.Step(w.Deletions.Period)
	w.refuse.on = true
	for range 3 {
		if allowed, err := w.Deletions.Allow(w.ctx, "user_a"); allowed || err == nil {
			t.Fatalf("in a period that could not be noted: allowed %v, %v", allowed, err)
		}
		if left, err := w.Deletions.Left(w.ctx); err == nil {
			t.Fatalf("%d may go in a period that could not be noted", left)
		}
	}
	w.refuse.on = false
	w.release()
	w.wantLeft(1)
	w.wantAllowed("user_a", true)
	w.wantAllowed("user_b", false)
	w.wantNoWord()
}

// A tenant may be wound up by a word: what is remembered of each who goes must not grow with them.
func TestWhoGoesWithoutALimitIsNotRemembered(t *testing.T) {
	w := newDeletionsWorld(t, 1)
	w.word("true")
	w.release()
	for i := range 1000 {
		w.wantAllowed(user.ID(fmt.Sprintf("user_%d", i)), true)
	}
	if remembered := len(w.Deletions.granted) + len(w.Deletions.held) + len(w.Deletions.due); remembered > 0 {
		t.Errorf("%d users are remembered", remembered)
	}
}

// A word is for the period in which it is heeded, whatever process heeds it and whichever is there when the period ends.
func TestAWordLiftsOnePeriod(t *testing.T) {
	const many = math.MaxInt
	for name, c := range map[string]struct {
		happens func(w *deletionsWorld)
		left    int
	}{
		"heeded, and a restart in the period": {func(w *deletionsWorld) {
			w.word("true")
			w.release()
			w.restartDeletions()
		}, many},
		"written while no process ran, in the period": {func(w *deletionsWorld) {
			w.wantAllowed("user_a", true)
			w.word("true")
			w.restartDeletions()
		}, many},
		"heeded, and no process when the period ended": {func(w *deletionsWorld) {
			w.word("true")
			w.release()
			w.clock.Step(w.Deletions.Period)
			w.restartDeletions()
		}, 5},
		"heeded by who wanted more, and no process when the period ended": {func(w *deletionsWorld) {
			w.word("true")
			w.wantAllowed("user_a", true)
			w.clock.Step(w.Deletions.Period)
			w.restartDeletions()
		}, 5},
		"heeded by two processes, and none when the period ended": {func(w *deletionsWorld) {
			w.word("true")
			w.release()
			w.restartDeletions()
			w.release()
			w.clock.Step(w.Deletions.Period)
			w.restartDeletions()
		}, 5},
		"written when the period was over": {func(w *deletionsWorld) {
			w.wantAllowed("user_a", true)
			w.clock.Step(w.Deletions.Period)
			w.word("true")
			w.restartDeletions()
		}, many},
		"written too late to be heeded in its period": {func(w *deletionsWorld) {
			w.wantAllowed("user_a", true)
			w.word("true")
			w.clock.Step(w.Deletions.Period)
		}, many},
		"removed by the operator, and written again": {func(w *deletionsWorld) {
			w.word("true")
			w.release()
			w.clock.Step(w.Deletions.Period)
			w.release()
			w.wantLeft(5)
			w.wantNoWord()
			w.word("true")
			w.restartDeletions()
		}, many},
		"one that does not say true": {func(w *deletionsWorld) { w.word("false") }, 5},
		"taken back, and a restart": {func(w *deletionsWorld) {
			w.word("true")
			w.release()
			w.word("")
			w.restartDeletions()
		}, 5},
		"heeded by a version that did not note it": {func(w *deletionsWorld) {
			w.word("true")
			w.release()
			w.notes(func(notes *corev1.ConfigMap) { delete(notes.Data, DeletionsAllowedKey) })
			w.restartDeletions()
		}, many},
	} {
		t.Run(name, func(t *testing.T) {
			w := newDeletionsWorld(t, 5)
			c.happens(w)
			w.release()
			w.wantLeft(c.left)
			if c.left == 5 {
				return
			}
			w.clock.Step(w.Deletions.Period)
			w.restartDeletions()
			w.release()
			w.wantLeft(5)
			w.wantNoWord()
		})
	}
}

// Whoever reads the metric or the ConfigMap sees who waits now.
func TestNobodyIsSaidToBeHeldBackWhoIsNot(t *testing.T) {
	for name, happens := range map[string]func(w *deletionsWorld){
		"a word, and the schedule sees it first": func(w *deletionsWorld) {
			w.word("true")
			w.release()
		},
		"a word, and the user is tried first": func(w *deletionsWorld) {
			w.word("true")
			w.wantAllowed("user_x", true)
		},
		"back in Clerk": func(w *deletionsWorld) {
			w.Deletions.Drop("user_x")
			w.release()
		},
		"back in Clerk, and a restart": func(w *deletionsWorld) {
			w.restartDeletions()
			w.wantLeft(0)
			w.Deletions.Drop("user_x")
			w.release()
		},
		"a new period": func(w *deletionsWorld) {
			w.clock.Step(w.Deletions.Period)
			w.release()
		},
		"a restart, and a new period": func(w *deletionsWorld) {
			w.clock.Step(w.Deletions.Period)
			w.restartDeletions()
			w.release()
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newDeletionsWorld(t, 0)
			w.wantAllowed("user_x", false)
			w.wantHeld(1, "1: user_x")
			happens(w)
			w.wantHeld(0, "")
		})
	}
}

// Whoever is no longer to go is not held back any more, whatever the reason.
func TestWhoIsNoLongerToGoIsNotHeldBack(t *testing.T) {
	for name, happens := range map[string]func(w *deletionsWorld, jane user.ID){
		"the row is to stay": func(w *deletionsWorld, jane user.ID) {
			w.change(w.fitUser(jane), func(u *v1alpha1.FitUser) { u.Spec.DeletionPolicy = v1alpha1.DeletionPolicyRetain })
		},
		"the FitUser is deleted": func(w *deletionsWorld, jane user.ID) { w.remove(w.fitUser(jane)) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newDeletionsWorld(t, 0)
			jane := w.signUp("jane")
			w.settle(jane)
			w.clerk.Delete(string(jane))
			w.settle(jane)
			w.wantReason(jane, v1alpha1.ReasonDeletionDeferred)
			happens(w, jane)
			w.settle(jane)
			w.release()
			w.wantHeld(0, "")
		})
	}
}

// A listing that lacked somebody may have been wrong, and the next one has them.
func TestWhoIsListedAgainIsNotHeldBack(t *testing.T) {
	w := newDeletionsWorld(t, 0)
	jane := w.signUp("jane")
	w.settle(jane)
	if err := w.Deletions.HoldBack(w.ctx, []user.ID{jane}); err != nil {
		t.Fatal(err)
	}
	w.wantHeld(1, "1: "+string(jane))
	w.mustSweep()
	w.release()
	w.wantHeld(0, "")
}

// The ConfigMap may not answer for long. A look at somebody who is not to go has no business with it.
func TestALookDoesNotWaitForTheLimitOfDeletions(t *testing.T) {
	w := newDeletionsWorld(t, 5)
	jane := w.signUp("jane")
	w.Deletions.mu.Lock()
	defer w.Deletions.mu.Unlock()
	w.settle(jane)
	w.wantReady(jane)
}

// Who was held back without being asked for may be granted after all, when others who might have gone did not.
func TestOneWhoWasHeldBackIsGranted(t *testing.T) {
	w := newDeletionsWorld(t, 2)
	w.holdBack("user_x", "user_y")
	w.wantHeld(2, "2: user_x user_y")
	w.wantAllowed("user_x", true)
	w.release()
	w.wantHeld(1, "1: user_y")
	w.wantAllowed("user_y", true)
	w.release()
	w.wantHeld(0, "")
}

// A restart forgets nobody: those who are named are let go with the others.
func TestARestartKnowsWhoIsHeldBack(t *testing.T) {
	w := newDeletionsWorld(t, 0)
	w.holdBack("user_x", "user_y")
	w.restartDeletions()
	w.wantLeft(0)
	w.wantHeld(2, "2: user_x user_y")
	w.wantAllowed("user_z", false)
	w.wantHeld(3, "3: user_x user_y user_z")
	w.restartDeletions()
	w.word("true")
	if released, err := w.Deletions.Released(w.ctx); err != nil || len(released) != 3 {
		t.Errorf("let go are %v, %v", released, err)
	}
	if released, err := w.Deletions.Released(w.ctx); err != nil || len(released) != 0 {
		t.Errorf("let go once more are %v, %v", released, err)
	}
}

// A user may be looked at before it is known that an earlier process held them back.
func TestWhoIsBackBeforeThePeriodIsLoadedIsNotHeldBack(t *testing.T) {
	w := newDeletionsWorld(t, 0)
	jane := w.signUp("jane")
	coach := w.manifest("coach", jane, v1alpha1.FitUserSpec{Role: "trainer"})
	w.settle(jane)
	w.remove(coach)
	w.clock.Step(DefaultTakeBackGrace)
	w.settle(jane)
	w.wantHeld(1, "1: "+string(jane))

	w.restartDeletions()
	w.manifest("trainer", jane, v1alpha1.FitUserSpec{Role: "trainer"})
	w.settle(jane)
	w.release()
	w.release() // as the schedule does, again and again
	w.wantHeld(0, "")
}

// A person must hear of it, also when the API server was away at first.
func TestHoldingBackIsToldOncePerPeriod(t *testing.T) {
	w := newDeletionsWorld(t, 0)
	w.wantLeft(0)
	w.refuse.on = true
	for _, id := range []user.ID{"user_a", "user_b", "user_a"} {
		if allowed, err := w.Deletions.Allow(w.ctx, id); allowed || err == nil {
			t.Fatalf("without a ConfigMap: allowed %v, %v", allowed, err)
		}
	}
	w.wantTold(0)
	w.refuse.on = false
	w.wantAllowed("user_b", false)
	w.wantTold(1)
	w.wantAllowed("user_a", false)
	w.Deletions.Drop("user_a")
	w.Deletions.Drop("user_b")
	w.wantAllowed("user_c", false)
	w.wantTold(0)

	w.clock.Step(w.Deletions.Period)
	w.holdBack("user_d", "user_e")
	w.wantTold(1)
}

// A word that comes while users are found who would be held back is heard before a false alarm is raised.
func TestAWordIsHeardBeforeAnybodyIsHeldBack(t *testing.T) {
	w := newDeletionsWorld(t, 1)
	w.wantLeft(1)
	w.word("true")
	w.holdBack("user_a", "user_b")
	w.wantHeld(0, "")
	w.wantTold(0)
	if released, err := w.Deletions.Released(w.ctx); err != nil || len(released) != 2 {
		t.Errorf("let go are %v, %v", released, err)
	}
}

func TestAFloodCostsFewWrites(t *testing.T) {
	w := newDeletionsWorld(t, 200)
	w.wantWrites(10, 0, func() {
		for i := range 200 {
			w.wantAllowed(flooded(i), true)
		}
	})
	w.wantWrites(maxNamed+2, 0, func() { // each of the first is named at once
		for i := range 300 {
			w.wantAllowed(flooded(200+i), false)
		}
	})
	w.wantWrites(0, 0, func() {
		for i := range 10 {
			w.wantAllowed(flooded(200+i), false)
		}
	})
	w.word("true")
	w.wantWrites(1, 0, func() {
		for i := range 300 {
			w.wantAllowed(flooded(200+i), true)
		}
	})
	w.clock.Step(w.Deletions.Period)
	w.wantWrites(1, 0, func() { w.wantLeft(200) }) // the word goes
}

func TestAnIdlePeriodCostsNoWrite(t *testing.T) {
	w := newDeletionsWorld(t, 5)
	w.wantAllowed("user_a", true)
	w.wantWrites(0, 0, func() {
		for range 3 {
			w.clock.Step(w.Deletions.Period)
			w.release()
			w.wantLeft(5)
			w.restartDeletions()
			w.wantLeft(5)
		}
	})
}
