package scenes_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

// startState is a combination of states in which the operator may find a user.
type startState struct {
	id                   user.ID
	object, inClerk, row string
}

func (c startState) String() string {
	return fmt.Sprintf("%s: FitUser %s, Clerk %s, row %s", c.id, c.object, c.inClerk, c.row)
}

// name is unique, and valid as an object name and in an address.
func (c startState) name() string { return strings.ToLower(strings.TrimPrefix(string(c.id), "user_")) }

// insertRow inserts a row with other names than Clerk has.
func (s *scene) insertRow(id, email, role string) {
	s.raw.Exec("INSERT INTO users (id, email, first_name, last_name, password, role, phone, created_at, updated_at)"+
		" VALUES ($1, $2, 'x', 'y', 'theirs', $3, NULL, 1, 1)", id, email, role)
}

// rowStates create the row.
func rowStates() map[string]func(*scene, startState) {
	return map[string]func(*scene, startState){
		"absent": func(*scene, startState) {},
		"correct": func(s *scene, c startState) {
			s.insertRow(string(c.id), address(c.name()), "trainer")
			s.raw.Exec("UPDATE users SET first_name = $2, last_name = $3 WHERE id = $1", string(c.id), canary+c.name(), canary+"Doe")
		},
		"wrong":                          func(s *scene, c startState) { s.insertRow(string(c.id), "old."+address(c.name()), "owner") },
		"orphaned row holds the address": func(s *scene, c startState) { s.insertRow("legacy-"+c.name(), address(c.name()), "client") },
		"row of a deleted user holds the address": func(s *scene, c startState) {
			s.insertRow(string(c.id), "old."+address(c.name()), "client")
			s.insertRow(string(c.id)+"x", address(c.name()), "client")
		},
	}
}

// startStates returns the combinations. Without the variable for thorough tests, a third of those with a marker or a manifest
// for an address is enough, with one state of the row each.
func startStates() []startState {
	var all []startState
	rows := slices.Sorted(maps.Keys(rowStates()))
	for o, object := range slices.Sorted(maps.Keys(objectStates())) {
		for a, inClerk := range slices.Sorted(maps.Keys(accountStates())) {
			few := rows
			_, isGrant := grantStates()[inClerk]
			if !thorough() && (isGrant || strings.HasPrefix(object, "by e-mail")) {
				few = rows[(o+a)/3%len(rows):][:1]
				if (o+a)%3 > 0 {
					continue
				}
			}
			for _, row := range few {
				all = append(all, startState{user.ID(fmt.Sprintf("user_%04d", len(all))), object, inClerk, row})
			}
		}
	}
	return all
}

// setUp creates a user in each combination of states with this FitUser.
func (s *scene) setUp(object string) []startState {
	all := slices.DeleteFunc(startStates(), func(c startState) bool { return c.object != object })
	for _, c := range all {
		accountStates()[c.inClerk](s, c)
		objectStates()[c.object](s, c)
		rowStates()[c.row](s, c)
	}
	return all
}

// From every start state each user reaches agreement, or a documented condition that reports why not. Then further reconciles
// write nothing.
func TestStart_FromEveryState(t *testing.T) {
	var starts, agreed atomic.Int64
	t.Cleanup(func() {
		t.Logf("states: %d starts, %d of them end in agreement and %d in a documented condition; then 0 writes",
			starts.Load(), agreed.Load(), starts.Load()-agreed.Load())
	})
	for object := range objectStates() {
		t.Run(object, func(t *testing.T) {
			t.Parallel()
			s := newHarness(t).newScene(t)
			all := s.setUp(object)
			s.maxReconciles = 20 * len(all)
			s.restart() // the new process finds all of them at its start
			s.reconcileUntilIdle()
			s.sweep()
			for _, c := range all {
				starts.Add(1)
				if s.wantConverged(c) {
					agreed.Add(1)
				}
			}
			for _, u := range s.clerk.Users() { // those beside the users of the states too
				if problem := s.modelOf(user.ID(u.ID)).violation(); problem != "" {
					t.Errorf("%s: %s", u.ID, problem)
				}
			}
			for _, problem := range s.violationsByEmail() {
				t.Error(problem)
			}
			s.wantNoWrites(2, all)
			s.wantNoSecrets()
		})
	}
}

// wantConverged checks a user's final state against the model, and reports whether all sides agree.
func (s *scene) wantConverged(c startState) (agrees bool) {
	s.Helper()
	m := s.modelOf(c.id)
	if problem := m.violation(); problem != "" {
		s.Errorf("%s: %s", c, problem)
	}
	if m.reason != v1alpha1.ReasonSynced {
		return false
	}
	want := cmp.Or(grantStates()[c.inClerk].stays, "client")
	if m.active.Spec.Role != "" && m.active.Spec.RoleExpiresAt == nil {
		want = string(m.active.Spec.Role)
	}
	if got := string(m.active.Status.Role); got != want {
		s.Errorf("%s: role %s is in force, want %s", c, got, want)
	}
	return true
}

// wantNoWrites reconciles every user several times and checks that nothing is written.
func (s *scene) wantNoWrites(times int, all []startState) {
	s.Helper()
	before := s.versions()
	for range times {
		for _, c := range all {
			s.reconcile(c.id)
		}
	}
	s.operator.timers = nil
	s.wantSame(before)
}

// wantSame checks that nothing was written since the versions were read.
func (s *scene) wantSame(before map[string]any) {
	s.Helper()
	if diff := gocmp.Diff(before, s.versions()); diff != "" {
		s.Errorf("reconciles without a change wrote something (-before +after):\n%s", diff)
	}
}

// versions returns values that change with every write to Clerk, the API server or the table.
func (s *scene) versions() map[string]any {
	s.Helper()
	versions := map[string]any{"rows": s.raw.Query("SELECT * FROM users ORDER BY id")}
	for _, object := range s.objects() {
		versions["FitUser "+object.Name] = object.ResourceVersion
	}
	for _, u := range s.clerk.Users() {
		versions["account "+u.ID] = u.UpdatedAt
	}
	return versions
}
