package budget

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/internal/state"
	"github.com/fitai/fituser-operator/internal/testenv"
	"github.com/fitai/fituser-operator/internal/user"
)

var cluster testenv.Shared

func TestMain(m *testing.M) { cluster.Main(m) }

// fixture is a Budget whose state is in a namespace of a real API server.
type fixture struct {
	testing.TB
	budget   *Budget
	state    *state.Store // reaches the API server without faults, as a person does
	api      *faultyClient
	clock    *clocktesting.FakeClock
	recorder *events.FakeRecorder
	env      *testenv.Environment
}

func newFixture(t *testing.T, limit int) *fixture {
	t.Helper()
	t.Parallel()
	env := cluster.Get(t)
	live, err := client.New(env.Config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{
		TB: t, env: env, api: &faultyClient{Client: live},
		state: &state.Store{Client: live, Namespace: env.Namespace(t)},
		clock: clocktesting.NewFakeClock(time.Now()), recorder: events.NewFakeRecorder(1000),
	}
	f.budget = New(Config{
		State: &state.Store{Client: f.api, Namespace: f.state.Namespace}, Max: MaxDeletions{number: limit}, Period: 10 * time.Minute,
		Users: func() int { return 0 }, Recorder: f.recorder, Clock: f.clock, Log: testr.New(t),
	})
	return f
}

// restart replaces the Budget by that of a new process.
func (f *fixture) restart() { f.budget = New(f.budget.Config) }

// nextPeriod lets the current period end.
func (f *fixture) nextPeriod() { f.clock.Step(f.budget.Period) }

// annotate sets the override annotation as a person does; an empty value removes it.
func (f *fixture) annotate(value string) {
	f.Helper()
	f.edit(func(configMap *corev1.ConfigMap) {
		delete(configMap.Annotations, state.AnnotationAllowDeletions)
		if value != "" {
			configMap.Annotations = map[string]string{state.AnnotationAllowDeletions: value}
		}
	})
}

// edit changes the ConfigMap, and creates it if it is missing.
func (f *fixture) edit(change func(*corev1.ConfigMap)) {
	f.Helper()
	configMap := f.read().Object
	change(configMap)
	err := f.state.Client.Update(f.Context(), configMap)
	if configMap.ResourceVersion == "" {
		err = f.state.Client.Create(f.Context(), configMap)
	}
	if err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) read() state.State {
	f.Helper()
	s, err := f.state.Read(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	return s
}

func (f *fixture) wantAllowed(id user.ID, want bool) {
	f.Helper()
	if allowed, err := f.budget.Allow(f.Context(), id); err != nil || allowed != want {
		f.Errorf("deletion of %s allowed: %v, %v; want %v", id, allowed, err, want)
	}
}

func (f *fixture) wantRemaining(want int) {
	f.Helper()
	if remaining, err := f.budget.Remaining(f.Context()); err != nil || remaining != want {
		f.Errorf("%d deletions remain, %v; want %d", remaining, err, want)
	}
}

func (f *fixture) wantReopened(reopened, sweep bool) {
	f.Helper()
	if r, s, err := f.budget.Reopened(f.Context()); err != nil || r != reopened || s != sweep {
		f.Errorf("reopened %v, sweep %v, %v; want %v, %v", r, s, err, reopened, sweep)
	}
}

// setDeferred records what a sweep deferred.
func (f *fixture) setDeferred(users int) {
	f.Helper()
	if err := f.budget.SetDeferred(f.Context(), users); err != nil {
		f.Errorf("recording %d deferred users: %v", users, err)
	}
}

func (f *fixture) wantDeferred(want int) {
	f.Helper()
	if got := f.read().Deletions.Deferred; got != want {
		f.Errorf("the ConfigMap records %d deferred users, want %d", got, want)
	}
}

// wantNoOverride checks that neither the annotation nor a record of an override is left.
func (f *fixture) wantNoOverride() {
	f.Helper()
	if s := f.read(); len(s.Object.Annotations) > 0 || s.Object.Data[state.OverriddenKey] != "" {
		f.Errorf("the override outlives its period: %v, %v", s.Object.Annotations, s.Object.Data)
	}
}

// wantEvents checks how many events were recorded since the last call.
func (f *fixture) wantEvents(want int) {
	f.Helper()
	for got := 0; ; got++ {
		select {
		case event := <-f.recorder.Events:
			if !strings.HasPrefix(event, "Warning DeletionsDeferred ") {
				f.Errorf("unexpected event: %s", event)
			}
		default:
			if got != want {
				f.Errorf("%d events, want %d", got, want)
			}
			return
		}
	}
}

// wantWrites checks how many writes act makes.
func (f *fixture) wantWrites(want int, act func()) {
	f.Helper()
	before := len(f.writes())
	act()
	if got := f.writes()[before:]; len(got) != want {
		f.Errorf("%d writes, want %d; the last ones: %v", len(got), want, got[max(0, len(got)-10):])
	}
}

func (f *fixture) writes() []testenv.Write {
	f.Helper()
	writes, err := f.env.Writes(f.state.Namespace)
	if err != nil {
		f.Fatal(err)
	}
	return writes
}

func numbered(i int) user.ID { return user.ID(fmt.Sprintf("user_%04d", i)) }

var errUnavailable = errors.New("the API server is unavailable")

type fault int

const (
	noFault      fault = iota
	refused            // the request does not reach the API server
	lostResponse       // the request succeeds and its response is lost
)

// faultyClient disturbs reads and writes.
type faultyClient struct {
	client.Client
	// onRead and onWrite return the fault of the next request; nil means none.
	onRead, onWrite func() fault
}

func always(f fault) func() fault { return func() fault { return f } }

// once returns a fault for the next request only.
func once(f fault) func() fault {
	return func() fault {
		next := f
		f = noFault
		return next
	}
}

func disturb(next func() fault, request func() error) error {
	if next == nil {
		return request()
	}
	fault := next()
	if fault == refused {
		return errUnavailable
	}
	if err := request(); err != nil || fault == noFault {
		return err
	}
	return errUnavailable
}

func (c *faultyClient) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	return disturb(c.onRead, func() error { return c.Client.Get(ctx, key, object, options...) })
}

func (c *faultyClient) Create(ctx context.Context, object client.Object, options ...client.CreateOption) error {
	return disturb(c.onWrite, func() error { return c.Client.Create(ctx, object, options...) })
}

func (c *faultyClient) Update(ctx context.Context, object client.Object, options ...client.UpdateOption) error {
	return disturb(c.onWrite, func() error { return c.Client.Update(ctx, object, options...) })
}
