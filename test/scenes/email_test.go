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

// emailMoves are the ways in which addresses move between users in Clerk. Each returns the users who got an event.
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

// In whatever order users are looked at after addresses have moved, each is looked at a few times at most, and once each
// was looked at twice no row holds an address that is another's.
func TestEmailMoves(t *testing.T) {
	for name, move := range emailMoves() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := newStage(t)
			turn := 0
			for st.moveEmails(t, move, turn) {
				turn++
			}
		})
	}
}

// moveEmails lets the operator look at the users in the given permutation of their order, and reports whether there was
// one.
func (st *stage) moveEmails(t *testing.T, move func(*scene) []user.ID, turn int) bool {
	t.Helper()
	s := st.newScene(t)
	arrive("jane", "joe", "jim")(s)
	moved := move(s)
	order, ok := permutation(moved, turn)
	if !ok {
		return false
	}
	clear(s.looks)
	for _, id := range order {
		kind := v1alpha1.UserUpdated
		if _, there := s.clerk.User(string(id)); !there {
			kind = v1alpha1.UserDeleted
		}
		s.hint(id, kind)
	}
	s.watch()
	s.process.queue = order
	for range 2 * len(order) { // in a queue everybody comes once before anybody comes twice
		s.process.hear()
		if id, ok := s.next(); ok {
			s.look(id)
		}
	}
	s.wantNoForeignAddress(order)
	s.run()
	s.wantNoForeignAddress(order)
	for _, id := range order {
		if problem := s.modelOf(id).judge(); problem != "" {
			t.Errorf("order %v: %s: %s", order, id, problem)
		}
		if most := 4; s.looks[id] > most {
			t.Errorf("order %v: %s took %d looks, want %d at most", order, id, s.looks[id], most)
		}
	}
	s.secrets()
	return true
}

// wantNoForeignAddress checks that no row holds an address that Clerk says is another user's.
func (s *scene) wantNoForeignAddress(order []user.ID) {
	s.Helper()
	for _, u := range s.clerk.Users() {
		for _, row := range s.raw.Query("SELECT id FROM users WHERE email = $1 AND id <> $2", u.PrimaryEmail(), u.ID) {
			s.Errorf("order %v: the row of %v holds the address of %s", order, row["id"], u.ID)
		}
	}
}

// permutation is the n-th order of all, and whether there is one.
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

// insertLegacy inserts the row 17, which was there before Clerk.
func (s *scene) insertLegacy(address string) {
	s.raw.Exec("INSERT INTO users (id, email, first_name, last_name, role, created_at, updated_at)"+
		" VALUES ('17', $1, 'x', 'y', 'admin', 1, 1)", address)
}

// A row that was there before Clerk is in the way of whoever has its address. It is never overwritten, nobody runs in
// circles over it, and when a person has removed it the next sweep heals.
func TestLegacyRowInTheWay(t *testing.T) {
	t.Parallel()
	s := newStage(t).newScene(t)
	s.insertLegacy(address("jane"))
	arrive("jane", "joe")(s)
	if got := fituser.ReadyReason(s.modelOf(jane).active); got != v1alpha1.ReasonEmailConflict {
		t.Errorf("Jane says %q", got)
	}
	if problem := s.modelOf(joe).judge(); problem != "" {
		t.Errorf("Joe: %s", problem)
	}
	if looks := s.looks[jane]; looks > 2 {
		t.Errorf("%d looks at Jane", looks)
	}
	if row := s.raw.Query("SELECT role FROM users WHERE id = '17'"); len(row) != 1 || row[0]["role"] != "admin" {
		t.Errorf("the legacy row is now %v", row)
	}
	s.raw.Exec("DELETE FROM users WHERE id = '17'")
	s.sweep()
	if problem := s.modelOf(jane).judge(); problem != "" || s.modelOf(jane).reason != v1alpha1.ReasonSynced {
		t.Errorf("Jane: %s", problem)
	}
	s.secrets()
}

// Who waits for somebody who waits for a legacy row is told of both rows, and heals with them.
func TestLegacyRowInTheWayOfSomebodyInTheWay(t *testing.T) {
	t.Parallel()
	s := newStage(t).newScene(t)
	s.insertLegacy(address("old"))
	arrive("jane", "joe")(s)
	s.clerk.SetPrimaryEmail(string(joe), address("old"))
	s.clerk.SetPrimaryEmail(string(jane), address("joe"))
	s.sweep()
	waits := s.modelOf(jane)
	if problem := waits.judge(); problem != "" || waits.reason != v1alpha1.ReasonEmailConflict {
		t.Errorf("Jane says %q: %s", waits.reason, problem)
	}
	message := meta.FindStatusCondition(waits.active.Status.Conditions, v1alpha1.ConditionReady).Message
	if !strings.Contains(message, `"user_joe"`) || !strings.Contains(message, `"17"`) {
		t.Errorf("Jane is not told what is in the way: %s", message)
	}
	s.raw.Exec("DELETE FROM users WHERE id = '17'")
	s.sweep()
	for _, id := range []user.ID{jane, joe} {
		if m := s.modelOf(id); m.judge() != "" || m.reason != v1alpha1.ReasonSynced {
			t.Errorf("%s says %q: %s", id, m.reason, m.judge())
		}
	}
	s.secrets()
}

// Where the application's index takes addresses that differ in case for one, users still exchange them.
func TestEmailMovesWhereCaseDoesNotCount(t *testing.T) {
	t.Parallel()
	st := newStage(t)
	st.raw.Exec("CREATE UNIQUE INDEX one_case ON users (lower(email))")
	s := st.newScene(t)
	arrive("jane", "joe")(s)
	s.clerk.Update(string(jane), func(u *clerktest.User) { u.FirstName = nil })
	s.clerk.SetPrimaryEmail(string(jane), address("new"))
	s.clerk.SetPrimaryEmail(string(joe), strings.ToUpper(address("jane")))
	for _, id := range []user.ID{joe, jane} {
		s.hint(id, v1alpha1.UserUpdated)
	}
	s.run()
	s.clerk.SetPrimaryEmail(string(joe), address("jane"))
	s.hint(joe, v1alpha1.UserUpdated)
	s.run()
	for _, id := range []user.ID{jane, joe} {
		if problem := s.modelOf(id).judge(); problem != "" {
			t.Errorf("%s: %s", id, problem)
		}
	}
	s.secrets()
}
