package scenes_test

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// fault is what goes wrong with one call.
type fault string

const (
	crashBefore fault = "crashes before"
	crashAfter  fault = "crashes after"
	callFails   fault = "fails"
	lostAnswer  fault = "is applied, and its response is lost"
)

// errFault is the error of a failed call, and of every call of a crashed process.
var errFault = errors.New("a fault of the test")

// backend is one of the three systems that the operator keeps in agreement.
type backend string

const (
	apiServer backend = "API server"
	clerkAPI  backend = "Clerk"
	database  backend = "database"
)

// call is one read or write of the operator.
type call struct {
	backend backend
	verb    string
	// on is the object, request or row that is read or written.
	on any
	// writes is true for a call that may change something.
	writes bool
}

// process marks a process as alive or dead. The goroutines of a dead process may still run, since a test cannot stop them.
// Its memory is dropped and the gate rejects its calls, so they have no effect.
type process struct{ dead atomic.Bool }

// gate passes every read and write of a process to its backend. It counts the calls and injects the test's faults.
type gate struct {
	// onWrite are called before each write.
	onWrite []func(call)

	mu            sync.Mutex
	writes, reads int           // since the last inject
	atWrite       map[int]fault // by the number of the write, from 1
	atRead        map[int]fault
	applied       []call // writes that took effect
}

// inject restarts the counts and sets the faults, by the number of the call.
func (g *gate) inject(atWrite, atRead map[int]fault) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.writes, g.reads, g.applied, g.atWrite, g.atRead = 0, 0, nil, atWrite, atRead
}

// pending reports whether a fault has not happened yet.
func (g *gate) pending() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	later := func(at map[int]fault, than int) bool {
		return slices.ContainsFunc(slices.Collect(maps.Keys(at)), func(n int) bool { return n > than })
	}
	return later(g.atWrite, g.writes) || later(g.atRead, g.reads)
}

// counts returns the reads and writes since the last inject.
func (g *gate) counts() (writes, reads int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.writes, g.reads
}

// countApplied counts the writes to a backend that took effect.
func (g *gate) countApplied(where backend) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.applied) - len(slices.DeleteFunc(slices.Clone(g.applied), func(c call) bool { return c.backend == where }))
}

func (g *gate) count(c call) fault {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c.writes {
		g.writes++
		return g.atWrite[g.writes]
	}
	g.reads++
	return g.atRead[g.reads]
}

// pass makes a call, unless its process is dead or its fault prevents it.
func (g *gate) pass(p *process, c call, do func() error) error {
	if p.dead.Load() {
		return errFault
	}
	what := g.count(c)
	switch what {
	case crashBefore:
		p.dead.Store(true)
		return errFault
	case callFails:
		return errFault
	}
	if c.writes {
		for _, check := range g.onWrite {
			check(c)
		}
	}
	err := do()
	if c.writes && err == nil {
		g.mu.Lock()
		g.applied = append(g.applied, c)
		g.mu.Unlock()
	}
	switch what {
	case crashAfter:
		p.dead.Store(true)
		return errFault
	case lostAnswer:
		return errFault
	}
	return err
}

// funcs returns the gate for the API server: every hook of the interceptor.
func (g *gate) funcs(p *process) interceptor.Funcs {
	read := func(verb string, on any, do func() error) error {
		return g.pass(p, call{apiServer, verb, on, false}, do)
	}
	write := func(verb string, on any, do func() error) error {
		return g.pass(p, call{apiServer, verb, on, true}, do)
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
	verbs := funcs // without the hook that is defined here
	funcs.SubResource = func(c client.WithWatch, sub string) client.SubResourceClient {
		return interceptor.NewClient(c, verbs).SubResource(sub)
	}
	return funcs
}

// client returns c behind the gate.
func (g *gate) client(p *process, c client.WithWatch) client.WithWatch {
	return interceptor.NewClient(c, g.funcs(p))
}

// A missing hook would let writes bypass the gate, and a release of controller-runtime may add hooks.
func TestGate_InterceptsEveryAPICall(t *testing.T) {
	t.Parallel()
	g := &gate{}
	hooks := reflect.ValueOf(g.funcs(&process{}))
	for i := range hooks.NumField() {
		if hooks.Field(i).IsNil() {
			t.Errorf("%s bypasses the gate", hooks.Type().Field(i).Name)
		}
	}
	dead := &process{}
	dead.dead.Store(true)
	through := reflect.ValueOf(g.funcs(dead))
	for i := range through.NumField() {
		hook := through.Field(i)
		if through.Type().Field(i).Name == "SubResource" {
			continue // makes no call itself; the hooks of the client that it returns are checked too
		}
		arguments := make([]reflect.Value, hook.Type().NumIn())
		for a := range arguments {
			arguments[a] = reflect.Zero(hook.Type().In(a))
		}
		results := hook.CallSlice(arguments)
		if err, _ := results[len(results)-1].Interface().(error); !errors.Is(err, errFault) {
			t.Errorf("%s bypasses the gate: %v", through.Type().Field(i).Name, err)
		}
	}
}
