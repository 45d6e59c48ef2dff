package scenes_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

// emailMoves move addresses between users in Clerk. Each returns the users with an event.
func emailMoves() map[string]func(*scene) []user.ID {
	return map[string]func(*scene) []user.ID{
		"swap of two": func(s *scene) []user.ID {
			s.clerk.SwapEmails(string(jane), string(joe))
			return []user.ID{jane, joe}
		},
		"ring of three": func(s *scene) []user.ID {
			s.clerk.SwapEmails(string(jane), string(joe))
			s.clerk.SwapEmails(string(joe), string(jim))
			return []user.ID{jane, joe, jim}
		},
		"hand-over": func(s *scene) []user.ID {
			s.clerk.SetPrimaryEmail(string(jane), address("new"))
			s.clerk.SetPrimaryEmail(string(joe), address("jane"))
			return []user.ID{jane, joe}
		},
		"handed on and on": func(s *scene) []user.ID {
			s.clerk.SetPrimaryEmail(string(jane), address("new"))
			s.clerk.SetPrimaryEmail(string(joe), address("jane"))
			s.clerk.SetPrimaryEmail(string(jim), address("joe"))
			return []user.ID{jane, joe, jim}
		},
		"case only": func(s *scene) []user.ID {
			s.clerk.SetPrimaryEmail(string(jane), strings.ToUpper(address("jane")))
			return []user.ID{jane}
		},
		"deleted and signed up again": func(s *scene) []user.ID {
			s.clerk.Delete(string(jane))
			s.signUpAgain("again", address("jane"))
			return []user.ID{jane, "user_again"}
		},
		"deleted, and another takes the address": func(s *scene) []user.ID {
			s.clerk.Delete(string(jane))
			s.clerk.SetPrimaryEmail(string(joe), address("jane"))
			return []user.ID{jane, joe}
		},
	}
}

// After addresses have moved, in every order of the reconciles: each user needs only a few, and once each was reconciled twice
// no row has another user's address.
func TestEmail_MovesInEveryOrder(t *testing.T) {
	for name, move := range emailMoves() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t)
			turn := 0
			for h.moveEmails(t, move, turn) {
				turn++
			}
		})
	}
}

// moveEmails reconciles the users in the given permutation of their order, and reports whether it exists.
func (h *harness) moveEmails(t *testing.T, move func(*scene) []user.ID, turn int) bool {
	t.Helper()
	s := h.newScene(t)
	signedUp("jane", "joe", "jim")(s)
	moved := move(s)
	order, ok := permutation(moved, turn)
	if !ok {
		return false
	}
	clear(s.reconciles)
	for _, id := range order {
		kind := v1alpha1.UserUpdated
		if _, there := s.clerk.User(string(id)); !there {
			kind = v1alpha1.UserDeleted
		}
		s.hint(id, kind)
	}
	s.deliverWatchEvents()
	s.operator.queue = nil
	for _, id := range order {
		s.operator.enqueue(id)
	}
	for range 2 * len(order) { // a queue serves every user once before any user twice
		s.operator.drainRequests()
		if r, ok := s.dequeue(); ok {
			s.handle(r)
		}
	}
	s.wantNoForeignAddress(order)
	s.reconcileUntilIdle()
	s.wantNoForeignAddress(order)
	for _, id := range order {
		if problem := s.modelOf(id).violation(); problem != "" {
			t.Errorf("order %v: %s: %s", order, id, problem)
		}
		if most := 4; s.reconciles[id] > most {
			t.Errorf("order %v: %s took %d reconciles, want at most %d", order, id, s.reconciles[id], most)
		}
	}
	s.wantNoSecrets()
	return true
}

// wantNoForeignAddress checks that no row has an address that is another user's in Clerk.
func (s *scene) wantNoForeignAddress(order []user.ID) {
	s.Helper()
	for _, u := range s.clerk.Users() {
		for _, row := range s.raw.Query("SELECT id FROM users WHERE email = $1 AND id <> $2", u.PrimaryEmail(), u.ID) {
			s.Errorf("order %v: the row of %v has the address of %s", order, row["id"], u.ID)
		}
	}
}

// permutation returns the n-th permutation, and whether it exists.
func permutation(all []user.ID, n int) (order []user.ID, ok bool) {
	left := append([]user.ID(nil), all...)
	for size := len(left); size > 0; size-- {
		at := n % size
		n /= size
		order = append(order, left[at])
		left = append(left[:at], left[at+1:]...)
	}
	return order, n == 0
}

// insertLegacy inserts the row 17, which is older than the use of Clerk.
func (s *scene) insertLegacy(address string) {
	s.raw.Exec("INSERT INTO users (id, email, first_name, last_name, role, created_at, updated_at)"+
		" VALUES ('17', $1, 'x', 'y', 'admin', 1, 1)", address)
}

// A legacy row has the address of a new user. The operator never overwrites it and does not loop over it. Once a person has
// deleted it, the next sweep repairs the user.
func TestEmail_LegacyRowHoldsAddress(t *testing.T) {
	t.Parallel()
	s := newHarness(t).newScene(t)
	s.insertLegacy(address("jane"))
	signedUp("jane", "joe")(s)
	if got := fituser.ReadyReason(s.modelOf(jane).active); got != v1alpha1.ReasonEmailConflict {
		t.Errorf("Jane has reason %q", got)
	}
	if problem := s.modelOf(joe).violation(); problem != "" {
		t.Errorf("Joe: %s", problem)
	}
	if looks := s.reconciles[jane]; looks > 2 {
		t.Errorf("%d reconciles of Jane", looks)
	}
	if row := s.raw.Query("SELECT role FROM users WHERE id = '17'"); len(row) != 1 || row[0]["role"] != "admin" {
		t.Errorf("the legacy row is now %v", row)
	}
	s.raw.Exec("DELETE FROM users WHERE id = '17'")
	s.sweep()
	if problem := s.modelOf(jane).violation(); problem != "" || s.modelOf(jane).reason != v1alpha1.ReasonSynced {
		t.Errorf("Jane: %s", problem)
	}
	s.wantNoSecrets()
}

// A user waits for the row of another, who waits for a legacy row. The condition names both rows, and both users recover.
func TestEmail_LegacyRowBlocksAChain(t *testing.T) {
	t.Parallel()
	s := newHarness(t).newScene(t)
	s.insertLegacy(address("old"))
	signedUp("jane", "joe")(s)
	s.clerk.SetPrimaryEmail(string(joe), address("old"))
	s.clerk.SetPrimaryEmail(string(jane), address("joe"))
	s.sweep()
	waits := s.modelOf(jane)
	if problem := waits.violation(); problem != "" || waits.reason != v1alpha1.ReasonEmailConflict {
		t.Errorf("Jane has reason %q: %s", waits.reason, problem)
	}
	message := meta.FindStatusCondition(waits.active.Status.Conditions, v1alpha1.ConditionReady).Message
	if !strings.Contains(message, `"user_joe"`) || !strings.Contains(message, `"17"`) {
		t.Errorf("Jane's condition does not name both rows: %s", message)
	}
	s.raw.Exec("DELETE FROM users WHERE id = '17'")
	s.sweep()
	for _, id := range []user.ID{jane, joe} {
		if m := s.modelOf(id); m.violation() != "" || m.reason != v1alpha1.ReasonSynced {
			t.Errorf("%s has reason %q: %s", id, m.reason, m.violation())
		}
	}
	s.wantNoSecrets()
}

// The application may have an index that ignores case. Users still exchange addresses that differ only in case.
func TestEmail_CaseInsensitiveIndex(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.raw.Exec("CREATE UNIQUE INDEX one_case ON users (lower(email))")
	s := h.newScene(t)
	signedUp("jane", "joe")(s)
	s.clerk.Update(string(jane), func(u *clerktest.User) { u.FirstName = nil })
	s.clerk.SetPrimaryEmail(string(jane), address("new"))
	s.clerk.SetPrimaryEmail(string(joe), strings.ToUpper(address("jane")))
	for _, id := range []user.ID{joe, jane} {
		s.hint(id, v1alpha1.UserUpdated)
	}
	s.reconcileUntilIdle()
	s.clerk.SetPrimaryEmail(string(joe), address("jane"))
	s.hint(joe, v1alpha1.UserUpdated)
	s.reconcileUntilIdle()
	for _, id := range []user.ID{jane, joe} {
		if problem := s.modelOf(id).violation(); problem != "" {
			t.Errorf("%s: %s", id, problem)
		}
	}
	s.wantNoSecrets()
}
