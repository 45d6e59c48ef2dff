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

// cell is one combination of states in which the operator may find a user.
type cell struct {
	id                   user.ID
	object, inClerk, row string
}

func (c cell) String() string {
	return fmt.Sprintf("%s: FitUser %s, Clerk %s, row %s", c.id, c.object, c.inClerk, c.row)
}

// name is what this user's things are called: unique, and legal everywhere.
func (c cell) name() string { return strings.ToLower(strings.TrimPrefix(string(c.id), "user_")) }

// accountStates make the Clerk user.
func accountStates() map[string]func(*scene, cell) {
	person := func(c cell) clerktest.Person {
		return clerktest.Person{
			ID: string(c.id), Email: address(c.name()), FirstName: canary + c.name(), LastName: canary + "Doe",
			PublicMetadata: clerktest.Metadata{"theme": "dark"},
		}
	}
	mark := clerktest.Metadata{"fituser": map[string]any{"role": "admin"}, "note": "theirs"}
	with := func(change func(*clerktest.Person)) func(*scene, cell) {
		return func(s *scene, c cell) {
			p := person(c)
			change(&p)
			s.clerk.SignUp(p)
		}
	}
	return map[string]func(*scene, cell){
		"absent":    func(*scene, cell) {},
		"present":   with(func(*clerktest.Person) {}),
		"changed":   with(func(p *clerktest.Person) { p.Email, p.FirstName = "new."+p.Email, canary+"New" }),
		"banned":    func(s *scene, c cell) { s.clerk.SignUp(person(c)); s.clerk.Ban(string(c.id)) },
		"no e-mail": with(func(p *clerktest.Person) { p.Email = "" }),
		"marked": with(func(p *clerktest.Person) {
			p.PublicMetadata["role"], p.PrivateMetadata = "admin", mark
		}),
		"marked and changed since": with(func(p *clerktest.Person) {
			p.PublicMetadata["role"], p.PrivateMetadata = "trainer", mark
		}),
	}
}

// objectStates make the FitUsers.
func objectStates() map[string]func(*scene, cell) {
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
	operators := func(s *scene, c cell) *v1alpha1.FitUser {
		u := fitusers.New(s.namespace, string(c.id), 0)
		if err := s.direct.Create(s.ctx, u); err != nil {
			s.Fatalf("%v", err)
		}
		return u
	}
	persons := func(s *scene, c cell, role v1alpha1.Role) *v1alpha1.FitUser {
		return s.manifest(string(role)+"-"+c.name(), c.id, v1alpha1.FitUserSpec{Role: role})
	}
	return map[string]func(*scene, cell){
		"absent":                   func(*scene, cell) {},
		"operator's":               func(s *scene, c cell) { operators(s, c) },
		"operator's, stale status": func(s *scene, c cell) { observed(s, operators(s, c)) },
		"person's":                 func(s *scene, c cell) { persons(s, c, "trainer") },
		"person's, stale status":   func(s *scene, c cell) { observed(s, persons(s, c, "trainer")) },
		"suspended, stale status": func(s *scene, c cell) {
			u := persons(s, c, "trainer")
			s.edit(u, func(u *v1alpha1.FitUser) { u.Spec.Suspend = true })
			observed(s, u)
		},
		"retained, stale status": func(s *scene, c cell) {
			u := persons(s, c, "trainer")
			s.edit(u, func(u *v1alpha1.FitUser) { u.Spec.DeletionPolicy = v1alpha1.DeletionPolicyRetain })
			observed(s, u)
		},
		"leaving, with somebody's finalizer": func(s *scene, c cell) {
			u := persons(s, c, "admin")
			s.edit(u, func(u *v1alpha1.FitUser) { u.Finalizers = []string{"example.com/theirs"} })
			observed(s, u)
			s.remove(u.Name)
		},
		"person's and operator's": func(s *scene, c cell) { observed(s, operators(s, c)); persons(s, c, "trainer") },
		"two persons'":            func(s *scene, c cell) { persons(s, c, "trainer"); observed(s, persons(s, c, "admin")) },
	}
}

// rowStates make the row.
func rowStates() map[string]func(*scene, cell) {
	insert := func(s *scene, id, email, role string) {
		s.raw.Exec("INSERT INTO users (id, email, first_name, last_name, password, role, phone, created_at, updated_at)"+
			" VALUES ($1, $2, 'x', 'y', 'theirs', $3, NULL, 1, 1)", id, email, role)
	}
	return map[string]func(*scene, cell){
		"absent": func(*scene, cell) {},
		"right": func(s *scene, c cell) {
			insert(s, string(c.id), address(c.name()), "trainer")
			s.raw.Exec("UPDATE users SET first_name = $2, last_name = $3 WHERE id = $1", string(c.id), canary+c.name(), canary+"Doe")
		},
		"wrong":                   func(s *scene, c cell) { insert(s, string(c.id), "old."+address(c.name()), "owner") },
		"a stranger's in the way": func(s *scene, c cell) { insert(s, "legacy-"+c.name(), address(c.name()), "client") },
		"a gone user's in the way": func(s *scene, c cell) {
			insert(s, string(c.id), "old."+address(c.name()), "client")
			insert(s, string(c.id)+"x", address(c.name()), "client")
		},
	}
}

// cells are all combinations.
func cells() []cell {
	var all []cell
	for _, object := range slices.Sorted(maps.Keys(objectStates())) {
		for _, inClerk := range slices.Sorted(maps.Keys(accountStates())) {
			for _, row := range slices.Sorted(maps.Keys(rowStates())) {
				all = append(all, cell{user.ID(fmt.Sprintf("user_%03d", len(all))), object, inClerk, row})
			}
		}
	}
	return all
}

// enter puts a user into each combination of states with this FitUser.
func (s *scene) enter(object string) []cell {
	all := slices.DeleteFunc(cells(), func(c cell) bool { return c.object != object })
	for _, c := range all {
		accountStates()[c.inClerk](s, c)
		objectStates()[c.object](s, c)
		rowStates()[c.row](s, c)
	}
	return all
}

// Whatever the operator finds when it starts, each user ends in agreement or says in a documented condition why not; then
// nothing more is written, however often anybody looks.
func TestEveryStart(t *testing.T) {
	var starts, agreed atomic.Int64
	t.Cleanup(func() {
		t.Logf("states: %d starts, %d of them end in agreement and %d in a documented condition; then 0 writes",
			starts.Load(), agreed.Load(), starts.Load()-agreed.Load())
	})
	for object := range objectStates() {
		t.Run(object, func(t *testing.T) {
			t.Parallel()
			s := newStage(t).newScene(t)
			all := s.enter(object)
			s.maxLooks = 20 * len(all)
			s.restart() // it finds all of them at its start
			s.run()
			s.sweep()
			for _, c := range all {
				starts.Add(1)
				if s.judgeCell(c) {
					agreed.Add(1)
				}
			}
			s.wantSilence(10, all)
			s.secrets()
		})
	}
}

// judgeCell checks how a user ended, against the three places as they are, and reports whether they agree.
func (s *scene) judgeCell(c cell) (agrees bool) {
	s.Helper()
	m := s.modelOf(c.id)
	if problem := m.judge(); problem != "" {
		s.Errorf("%s: %s", c, problem)
	}
	if m.reason != v1alpha1.ReasonSynced {
		return false
	}
	want := map[string]string{"marked and changed since": "trainer"}[c.inClerk] // what was given is taken back
	if m.active.Spec.Role != "" {
		want = string(m.active.Spec.Role)
	}
	if got := string(m.active.Status.Role); got != cmp.Or(want, "client") {
		s.Errorf("%s: role %s is in force, want %s", c, got, cmp.Or(want, "client"))
	}
	return true
}

// wantSilence looks at every user again and again: nothing may be written anywhere.
func (s *scene) wantSilence(times int, all []cell) {
	s.Helper()
	before := s.versions()
	for range times {
		for _, c := range all {
			s.look(c.id)
		}
	}
	s.process.timers = nil
	if diff := gocmp.Diff(before, s.versions()); diff != "" {
		s.Errorf("something was written although nothing had happened (-before +after):\n%s", diff)
	}
}

// versions change with every write to any of the three places.
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
