package controllers

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// mishap is what happens at a write.
type mishap string

const (
	diesBefore mishap = "dies before"
	diesAfter  mishap = "dies after"
	fails      mishap = "fails"
	ambiguous  mishap = "is applied, and fails" // the answer was lost
)

// errMishap is the failure of a write, and what a process says that dies.
var errMishap = errors.New("a mishap of the test")

// gate counts the writes of a reconciler to all three places, and lets one of them go wrong.
type gate struct {
	count, at int // at is the write that goes wrong, from 1; 0 is none
	mode      mishap
}

// pass makes a write through the gate. A process that dies panics.
func (g *gate) pass(write func() error) error {
	g.count++
	if g.count != g.at {
		return write()
	}
	switch g.mode {
	case diesBefore:
		panic(errMishap)
	case diesAfter:
		_ = write()
		panic(errMishap)
	case ambiguous:
		_ = write()
	}
	return errMishap
}

type gatedClerk struct {
	clerk.Client
	gate *gate
}

func (c gatedClerk) WriteRole(ctx context.Context, id user.ID, change user.RoleChange, role user.Role) (u user.User, err error) {
	err = c.gate.pass(func() error {
		u, err = c.Client.WriteRole(ctx, id, change, role)
		return err
	})
	return u, err
}

type gatedStore struct {
	store.Store
	gate *gate
}

func (s gatedStore) Put(ctx context.Context, row user.Row, moves []store.Move) error {
	return s.gate.pass(func() error { return s.Store.Put(ctx, row, moves) })
}

func (s gatedStore) Delete(ctx context.Context, id user.ID) (removed bool, err error) {
	err = s.gate.pass(func() error {
		removed, err = s.Store.Delete(ctx, id)
		return err
	})
	return removed, err
}

// gated is a FitUser client whose writes, as far as the reconciler makes any, go through the gate.
func gated(c client.Client, g *gate) client.Client {
	return interceptor.NewClient(unwatched{c}, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, object client.Object, opts ...client.CreateOption) error {
			return g.pass(func() error { return c.Create(ctx, object, opts...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, object client.Object, opts ...client.DeleteOption) error {
			return g.pass(func() error { return c.Delete(ctx, object, opts...) })
		},
		SubResourcePatch: func(
			ctx context.Context, c client.Client, sub string, object client.Object, patch client.Patch, opts ...client.SubResourcePatchOption,
		) error {
			return g.pass(func() error { return c.SubResource(sub).Patch(ctx, object, patch, opts...) })
		},
	})
}

// unwatched makes a client into what the interceptor wants.
type unwatched struct{ client.Client }

func (unwatched) Watch(context.Context, client.ObjectList, ...client.ListOption) (watch.Interface, error) {
	return nil, errors.ErrUnsupported
}

// through makes all writes of the reconciler go through the gate while act runs.
func (w *world) through(g *gate, act func()) {
	objects, api, table := w.Client, w.Clerk, w.Store
	w.Client, w.Clerk, w.Store = gated(objects, g), gatedClerk{api, g}, gatedStore{table, g}
	defer func() { w.Client, w.Clerk, w.Store = objects, api, table }()
	act()
}

// survive reconciles until nothing more is to be done. A process that dies is followed by another one without any memory.
func (w *world) survive(id user.ID) {
	w.Helper()
	for range 8 {
		if w.reconcileOrDie(id) {
			return
		}
	}
	w.Errorf("%s does not come to rest", id)
}

func (w *world) reconcileOrDie(id user.ID) (done bool) {
	defer func() {
		if died := recover(); died != nil {
			if died != error(errMishap) {
				panic(died)
			}
			w.removals.start(w.clock.Now())
			w.clock.Step(DefaultTakeBackGrace)
		}
	}()
	result, err := w.Reconcile(w.ctx, id)
	return err == nil && result.RequeueAfter == 0
}

// outcome is all that counts in the end for one user, without what differs from user to user.
type outcome struct {
	FitUsers, ClerkWrites int
	MadeByOperator        bool
	Role                  v1alpha1.Role
	Source                v1alpha1.RoleSource
	Reason                string
	Public, Private       clerktest.Metadata
	Row                   any
}

func (w *world) outcome(id user.ID) outcome {
	w.Helper()
	objects, err := w.fitUsersOf(w.ctx, id)
	if err != nil || len(objects) == 0 {
		w.Fatalf("%s has %d FitUsers: %v", id, len(objects), err)
	}
	serving := choose(objects).serving
	ready := meta.FindStatusCondition(serving.Status.Conditions, v1alpha1.ConditionReady)
	inClerk, _ := w.clerk.User(string(id))
	o := outcome{
		FitUsers: len(objects), MadeByOperator: serving.MadeByOperator(), Role: serving.Status.Role,
		Source: serving.Status.RoleSource, Reason: ready.Reason, Public: inClerk.PublicMetadata,
		Private: inClerk.PrivateMetadata, Row: w.table.Column(id, "role"),
	}
	for _, write := range w.clerk.Writes() {
		if write.ID == string(id) {
			o.ClerkWrites++
		}
	}
	return o
}

// rightChanges are the changes of a right that a process may die in. Each prepares a user, and then lets people do
// something.
var rightChanges = map[string]struct {
	prepare func(*world, user.ID) *v1alpha1.FitUser
	happens func(*world, user.ID, *v1alpha1.FitUser)
}{
	"given": {
		prepare: func(*world, user.ID) *v1alpha1.FitUser { return nil },
		happens: func(w *world, id user.ID, _ *v1alpha1.FitUser) {
			w.manifest("coach-"+unique(), id, v1alpha1.FitUserSpec{Role: "trainer"})
		},
	},
	"taken back by clearing": {
		prepare: givenRole,
		happens: func(w *world, _ user.ID, u *v1alpha1.FitUser) { w.setRole(u, "", "kubectl-edit") },
	},
	"taken back by deleting": {
		prepare: givenRole,
		happens: func(w *world, _ user.ID, u *v1alpha1.FitUser) {
			w.remove(u)
			w.clock.Step(DefaultTakeBackGrace)
		},
	},
	"taken back by deleting while the operator is down": {
		prepare: givenRole,
		happens: func(w *world, _ user.ID, u *v1alpha1.FitUser) {
			if err := w.client.Delete(w.ctx, u); err != nil {
				w.Fatal(err)
			}
			w.removals.start(w.clock.Now())
			w.clock.Step(DefaultTakeBackGrace)
		},
	},
	"given up to Clerk": {
		prepare: givenRole,
		happens: func(w *world, id user.ID, u *v1alpha1.FitUser) {
			w.clerk.SetPublicMetadata(string(id), clerktest.Metadata{"role": "trainer"})
			w.setRole(u, "", "kubectl-edit")
		},
	},
}

func givenRole(w *world, id user.ID) *v1alpha1.FitUser {
	u := w.manifest("coach-"+unique(), id, v1alpha1.FitUserSpec{Role: "admin"})
	w.settle(id)
	return u
}

// Whatever write a process dies in, and whatever write fails, the end is the same, and Clerk is written once.
func TestMishapAtEveryWriteOfARight(t *testing.T) {
	for name, change := range rightChanges {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.Deletions.Max = MaxDeletions{number: 1000} // many users lose their right here
			run := func(at int, mode mishap) (outcome, *gate, user.ID) {
				t.Helper()
				id := w.signUp("user" + unique())
				w.settle(id)
				u := change.prepare(w, id)
				change.happens(w, id, u)
				g := &gate{at: at, mode: mode}
				w.through(g, func() { w.survive(id) })
				w.told()
				return w.outcome(id), g, id
			}
			want, g, _ := run(0, "")
			writes := g.count
			if writes < 3 {
				t.Fatalf("only %d writes: Clerk, row and status are changed", writes)
			}
			var everybody []user.ID
			for at := 1; at <= writes; at++ {
				for _, mode := range []mishap{diesBefore, diesAfter, fails, ambiguous} {
					got, g, id := run(at, mode)
					if g.count < at {
						t.Errorf("write %d %s: there were only %d", at, mode, g.count)
					}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("write %d %s: another end (-want +got):\n%s", at, mode, diff)
					}
					everybody = append(everybody, id)
				}
			}
			w.silent(everybody...)
		})
	}
}
