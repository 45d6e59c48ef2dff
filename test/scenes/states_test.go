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
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/fitusers"
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

// accountStates create the Clerk user.
func accountStates() map[string]func(*scene, startState) {
	person := func(c startState) clerktest.Person {
		return clerktest.Person{
			ID: string(c.id), Email: address(c.name()), FirstName: canary + c.name(), LastName: canary + "Doe",
			PublicMetadata: clerktest.Metadata{"theme": "dark"},
		}
	}
	marker := clerktest.Metadata{"fituser": map[string]any{"role": "admin"}, "note": "theirs"}
	with := func(change func(*clerktest.Person)) func(*scene, startState) {
		return func(s *scene, c startState) {
			p := person(c)
			change(&p)
			s.clerk.SignUp(p)
		}
	}
	return map[string]func(*scene, startState){
		"absent":    func(*scene, startState) {},
		"present":   with(func(*clerktest.Person) {}),
		"changed":   with(func(p *clerktest.Person) { p.Email, p.FirstName = "new."+p.Email, canary+"New" }),
		"banned":    func(s *scene, c startState) { s.clerk.SignUp(person(c)); s.clerk.Ban(string(c.id)) },
		"no e-mail": with(func(p *clerktest.Person) { p.Email = "" }),
		"granted": with(func(p *clerktest.Person) {
			p.PublicMetadata["role"], p.PrivateMetadata = "admin", marker
		}),
		"granted and changed since": with(func(p *clerktest.Person) {
			p.PublicMetadata["role"], p.PrivateMetadata = "trainer", marker
		}),
	}
}

// objectStates create the FitUsers.
func objectStates() map[string]func(*scene, startState) {
	observed := func(s *scene, u *v1alpha1.FitUser) {
		s.editStatus(u, func(status *v1alpha1.FitUserStatus) {
			status.ObservedGeneration, status.Role, status.RoleSource = u.Generation, "trainer", "Clerk"
			status.Clerk = &v1alpha1.AccountState{CreatedAt: &metav1.Time{Time: s.base}, Banned: true}
			status.Profile = &v1alpha1.Profile{Email: "old@example.com"}
			meta.SetStatusCondition(&status.Conditions, metav1.Condition{
				Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonSynced, ObservedGeneration: u.Generation,
			})
		})
	}
	operatorManaged := func(s *scene, c startState) *v1alpha1.FitUser {
		u := fitusers.New(s.namespace, string(c.id), 0)
		if err := s.direct.Create(s.ctx, u); err != nil {
			s.Fatalf("%v", err)
		}
		return u
	}
	userManaged := func(s *scene, c startState, role v1alpha1.Role) *v1alpha1.FitUser {
		return s.manifest(string(role)+"-"+c.name(), c.id, v1alpha1.FitUserSpec{Role: role})
	}
	return map[string]func(*scene, startState){
		"absent":                         func(*scene, startState) {},
		"operator-managed":               func(s *scene, c startState) { operatorManaged(s, c) },
		"operator-managed, stale status": func(s *scene, c startState) { observed(s, operatorManaged(s, c)) },
		"user-managed":                   func(s *scene, c startState) { userManaged(s, c, "trainer") },
		"user-managed, stale status":     func(s *scene, c startState) { observed(s, userManaged(s, c, "trainer")) },
		"suspended, stale status": func(s *scene, c startState) {
			u := userManaged(s, c, "trainer")
			s.edit(u, func(u *v1alpha1.FitUser) { u.Spec.Suspend = true })
			observed(s, u)
		},
		"retained, stale status": func(s *scene, c startState) {
			u := userManaged(s, c, "trainer")
			s.edit(u, func(u *v1alpha1.FitUser) { u.Spec.DeletionPolicy = v1alpha1.DeletionPolicyRetain })
			observed(s, u)
		},
		"terminating, with a finalizer": func(s *scene, c startState) {
			u := userManaged(s, c, "admin")
			s.edit(u, func(u *v1alpha1.FitUser) { u.Finalizers = []string{"example.com/theirs"} })
			observed(s, u)
			s.remove(u.Name)
		},
		"user-managed and operator-managed": func(s *scene, c startState) { observed(s, operatorManaged(s, c)); userManaged(s, c, "trainer") },
		"two user-managed":                  func(s *scene, c startState) { userManaged(s, c, "trainer"); observed(s, userManaged(s, c, "admin")) },
	}
}

// rowStates create the row.
func rowStates() map[string]func(*scene, startState) {
	insert := func(s *scene, id, email, role string) {
		s.raw.Exec("INSERT INTO users (id, email, first_name, last_name, password, role, phone, created_at, updated_at)"+
			" VALUES ($1, $2, 'x', 'y', 'theirs', $3, NULL, 1, 1)", id, email, role)
	}
	return map[string]func(*scene, startState){
		"absent": func(*scene, startState) {},
		"correct": func(s *scene, c startState) {
			insert(s, string(c.id), address(c.name()), "trainer")
			s.raw.Exec("UPDATE users SET first_name = $2, last_name = $3 WHERE id = $1", string(c.id), canary+c.name(), canary+"Doe")
		},
		"wrong":                          func(s *scene, c startState) { insert(s, string(c.id), "old."+address(c.name()), "owner") },
		"orphaned row holds the address": func(s *scene, c startState) { insert(s, "legacy-"+c.name(), address(c.name()), "client") },
		"row of a deleted user holds the address": func(s *scene, c startState) {
			insert(s, string(c.id), "old."+address(c.name()), "client")
			insert(s, string(c.id)+"x", address(c.name()), "client")
		},
	}
}

// startStates returns all combinations.
func startStates() []startState {
	var all []startState
	for _, object := range slices.Sorted(maps.Keys(objectStates())) {
		for _, inClerk := range slices.Sorted(maps.Keys(accountStates())) {
			for _, row := range slices.Sorted(maps.Keys(rowStates())) {
				all = append(all, startState{user.ID(fmt.Sprintf("user_%03d", len(all))), object, inClerk, row})
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
			s.wantNoWrites(10, all)
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
	want := map[string]string{"granted and changed since": "trainer"}[c.inClerk] // the granted role is revoked
	if m.active.Spec.Role != "" {
		want = string(m.active.Spec.Role)
	}
	if got := string(m.active.Status.Role); got != cmp.Or(want, "client") {
		s.Errorf("%s: role %s is in force, want %s", c, got, cmp.Or(want, "client"))
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
