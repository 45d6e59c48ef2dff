package scenes_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// mishap is what happens to a call.
type mishap string

const (
	diesBefore mishap = "dies before"
	diesAfter  mishap = "dies after"
	fails      mishap = "fails"
	inDoubt    mishap = "is applied, and fails" // the answer was lost
)

// errMishap is the failure of a call. A process that is dead gets it for every call.
var errMishap = errors.New("a mishap of the test")

// place is one of the three places that the operator keeps in agreement.
type place string

const (
	apiServer place = "API server"
	clerkAPI  place = "Clerk"
	database  place = "database"
)

// call is one read or write of the operator on its way to a place.
type call struct {
	place place
	verb  string
	// on is what is read or written: an object, a path, a row.
	on any
	// writes is true for a call that may change something.
	writes bool
}

// life is one process. Once it is over, nothing that the process still does has any effect: its goroutines may go on, as
// no panic could make them stop, but its memory is thrown away and the gate lets none of its calls pass.
type life struct{ over atomic.Bool }

// gate is what every read and write of a process passes, to whichever place. It counts them, and lets those go wrong
// that a test chose.
type gate struct {
	// judge, if set, is shown every write before it is made.
	judge func(call)

	mu            sync.Mutex
	writes, reads int            // since the last arm
	atWrite       map[int]mishap // by the number of the write, from 1
	atRead        map[int]mishap
	applied       []call // the writes that were made
}

// arm counts from now, and lets these calls go wrong.
func (g *gate) arm(atWrite, atRead map[int]mishap) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.writes, g.reads, g.applied, g.atWrite, g.atRead = 0, 0, nil, atWrite, atRead
}

// waits reports whether a call that is to go wrong has not come yet.
func (g *gate) waits() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	later := func(at map[int]mishap, than int) bool {
		return slices.ContainsFunc(slices.Collect(maps.Keys(at)), func(n int) bool { return n > than })
	}
	return later(g.atWrite, g.writes) || later(g.atRead, g.reads)
}

// counts are the reads and writes since the last arm.
func (g *gate) counts() (writes, reads int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.writes, g.reads
}

// made counts the writes to a place that took effect.
func (g *gate) made(where place) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.applied) - len(slices.DeleteFunc(slices.Clone(g.applied), func(c call) bool { return c.place == where }))
}

func (g *gate) count(c call) mishap {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c.writes {
		g.writes++
		return g.atWrite[g.writes]
	}
	g.reads++
	return g.atRead[g.reads]
}

// pass makes a call through the gate.
func (g *gate) pass(l *life, c call, do func() error) error {
	if l.over.Load() {
		return errMishap
	}
	what := g.count(c)
	switch what {
	case diesBefore:
		l.over.Store(true)
		return errMishap
	case fails:
		return errMishap
	}
	if c.writes && g.judge != nil {
		g.judge(c)
	}
	err := do()
	if c.writes && err == nil {
		g.mu.Lock()
		g.applied = append(g.applied, c)
		g.mu.Unlock()
	}
	switch what {
	case diesAfter:
		l.over.Store(true)
		return errMishap
	case inDoubt:
		return errMishap
	}
	return err
}

// funcs are the gate for the API server: all that the interceptor can hold up.
func (g *gate) funcs(l *life) interceptor.Funcs {
	read := func(verb string, on any, do func() error) error {
		return g.pass(l, call{apiServer, verb, on, false}, do)
	}
	write := func(verb string, on any, do func() error) error {
		return g.pass(l, call{apiServer, verb, on, true}, do)
	}
	funcs := interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			return read("get", o, func() error { return c.Get(ctx, key, o, opts...) })
		},
		List: func(ctx context.Context, c client.WithWatch, o client.ObjectList, opts ...client.ListOption) error {
			return read("list", o, func() error { return c.List(ctx, o, opts...) })
		},
		Watch: func(ctx context.Context, c client.WithWatch, o client.ObjectList, opts ...client.ListOption) (w watch.Interface, err error) {
			err = read("watch", o, func() error { w, err = c.Watch(ctx, o, opts...); return err })
			return w, err
		},
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			return write("create", o, func() error { return c.Create(ctx, o, opts...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			return write("delete", o, func() error { return c.Delete(ctx, o, opts...) })
		},
		DeleteAllOf: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteAllOfOption) error {
			return write("deletecollection", o, func() error { return c.DeleteAllOf(ctx, o, opts...) })
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			return write("update", o, func() error { return c.Update(ctx, o, opts...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			return write("patch", o, func() error { return c.Patch(ctx, o, p, opts...) })
		},
		Apply: func(ctx context.Context, c client.WithWatch, o runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			return write("apply", o, func() error { return c.Apply(ctx, o, opts...) })
		},
		SubResourceGet: func(ctx context.Context, c client.Client, sub string, o, s client.Object, opts ...client.SubResourceGetOption) error {
			return read("get "+sub, o, func() error { return c.SubResource(sub).Get(ctx, o, s, opts...) })
		},
		SubResourceCreate: func(ctx context.Context, c client.Client, sub string, o, s client.Object, opts ...client.SubResourceCreateOption) error {
			return write("create "+sub, o, func() error { return c.SubResource(sub).Create(ctx, o, s, opts...) })
		},
		SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, o client.Object, opts ...client.SubResourceUpdateOption) error {
			return write("update "+sub, o, func() error { return c.SubResource(sub).Update(ctx, o, opts...) })
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			return write("patch "+sub, o, func() error { return c.SubResource(sub).Patch(ctx, o, p, opts...) })
		},
		SubResourceApply: func(ctx context.Context, c client.Client, sub string, o runtime.ApplyConfiguration, opts ...client.SubResourceApplyOption) error {
			return write("apply "+sub, o, func() error { return c.SubResource(sub).Apply(ctx, o, opts...) })
		},
	}
	verbs := funcs // without the hook that is being made
	funcs.SubResource = func(c client.WithWatch, sub string) client.SubResourceClient {
		return interceptor.NewClient(c, verbs).SubResource(sub)
	}
	return funcs
}

// client is c behind the gate.
func (g *gate) client(l *life, c client.WithWatch) client.WithWatch {
	return interceptor.NewClient(c, g.funcs(l))
}

// gatedClerk is the gate for Clerk.
type gatedClerk struct {
	gate *gate
	life *life
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper. A write that Clerk refuses took no effect.
func (c gatedClerk) RoundTrip(request *http.Request) (response *http.Response, err error) {
	err = c.gate.pass(c.life, call{clerkAPI, request.Method, request, request.Method != http.MethodGet}, func() error {
		if response, err = c.next.RoundTrip(request); err == nil && response.StatusCode != http.StatusOK { //nolint:bodyclose // the caller does
			return errRefused
		}
		return err
	})
	if err != nil && !errors.Is(err, errRefused) {
		if response != nil {
			_ = response.Body.Close()
		}
		return nil, err
	}
	return response, nil
}

var errRefused = errors.New("the answer is no 200")

// gatedStore is the gate for the database. A call of the store is one statement or one transaction, so that there is no
// moment between a statement and its commit in which a process could leave anything behind.
type gatedStore struct {
	gate *gate
	life *life
	next store.Store
}

func (s gatedStore) Get(ctx context.Context, id user.ID) (row user.Row, err error) {
	err = s.gate.pass(s.life, call{database, "get", id, false}, func() error { row, err = s.next.Get(ctx, id); return err })
	return row, err
}

func (s gatedStore) Scan(ctx context.Context, after user.ID, limit int) (rows []user.Row, err error) {
	err = s.gate.pass(s.life, call{database, "scan", after, false}, func() error {
		rows, err = s.next.Scan(ctx, after, limit)
		return err
	})
	return rows, err
}

// put is what a call of Put writes.
type put struct {
	row   user.Row
	moves []store.Move
}

func (s gatedStore) Put(ctx context.Context, row user.Row, moves []store.Move) error {
	return s.gate.pass(s.life, call{database, "put", put{row, moves}, true}, func() error { return s.next.Put(ctx, row, moves) })
}

func (s gatedStore) Delete(ctx context.Context, id user.ID) (removed bool, err error) {
	err = s.gate.pass(s.life, call{database, "delete", id, true}, func() error { removed, err = s.next.Delete(ctx, id); return err })
	return removed, err
}

// A hook that is missing would let writes past the gate, and a release of controller-runtime may bring new ones.
func TestTheGateHoldsUpEveryCallToTheAPIServer(t *testing.T) {
	t.Parallel()
	g := &gate{}
	hooks := reflect.ValueOf(g.funcs(&life{}))
	for i := range hooks.NumField() {
		if hooks.Field(i).IsNil() {
			t.Errorf("%s passes by the gate", hooks.Type().Field(i).Name)
		}
	}
	dead := &life{}
	dead.over.Store(true)
	through := reflect.ValueOf(g.funcs(dead))
	for i := range through.NumField() {
		hook := through.Field(i)
		if through.Type().Field(i).Name == "SubResource" {
			continue // it makes no call; those of what it returns are among the others
		}
		arguments := make([]reflect.Value, hook.Type().NumIn())
		for a := range arguments {
			arguments[a] = reflect.Zero(hook.Type().In(a))
		}
		results := hook.CallSlice(arguments)
		if err, _ := results[len(results)-1].Interface().(error); !errors.Is(err, errMishap) {
			t.Errorf("%s passes by the gate: %v", through.Type().Field(i).Name, err)
		}
	}
}
