package instance_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/instance"
	"github.com/fitai/fituser-operator/internal/state"
	"github.com/fitai/fituser-operator/internal/testenv"
)

var cluster testenv.Shared

func TestMain(m *testing.M) { cluster.Main(m) }

// The keys of two Clerk instances.
const (
	ourKey     = "sk_test_ours"
	rotatedKey = "sk_test_ours_rotated"
	otherKey   = "sk_test_other"

	ours  = "ins_ours"
	other = "ins_other"
)

// fixture is a Guard, two Clerk instances, and the state in a namespace of a real API server.
type fixture struct {
	testing.TB
	config instance.Config
	guard  *instance.Guard
	key    *secret
	state  *state.Store // reaches the API server although the Guard may not
	clock  *clocktesting.FakeClock
	clerk  map[string]*clerktest.Server // by instance
}

// secret is the secret key as it is now.
type secret struct {
	mu  sync.Mutex
	key string
}

func (s *secret) get() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.key
}

func (s *secret) set(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.key = key
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	t.Parallel()
	env := cluster.Get(t)
	live, err := client.New(env.Config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{
		TB: t, key: &secret{key: ourKey}, clock: clocktesting.NewFakeClock(time.Now()),
		state: &state.Store{Client: live, Namespace: env.Namespace(t)},
		clerk: map[string]*clerktest.Server{
			ours:  clerktest.NewServer(clerktest.Config{InstanceID: ours, SecretKeys: []string{ourKey, rotatedKey}}),
			other: clerktest.NewServer(clerktest.Config{InstanceID: other, SecretKeys: []string{otherKey}}),
		},
	}
	server := httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(server.Close)
	f.config = instance.Config{
		State: f.state, Key: f.key.get, Clock: f.clock,
		Clerk: clerk.New(clerk.Config{URL: server.URL + "/v1", Key: f.key.get, RequestsPerSecond: 10_000}),
	}
	f.restart()
	return f
}

// serve answers as the instance to which the key belongs.
func (f *fixture) serve(w http.ResponseWriter, r *http.Request) {
	if strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ") == otherKey {
		f.clerk[other].ServeHTTP(w, r)
		return
	}
	f.clerk[ours].ServeHTTP(w, r)
}

// restart replaces the Guard by that of a new process.
func (f *fixture) restart() { f.guard = instance.New(f.config) }

func (f *fixture) requests() int {
	return f.clerk[ours].RequestCount("GET /instance") + f.clerk[other].RequestCount("GET /instance")
}

// wantRequests checks how many requests to Clerk act makes.
func (f *fixture) wantRequests(want int, act func()) {
	f.Helper()
	before := f.requests()
	act()
	if got := f.requests() - before; got != want {
		f.Errorf("%d requests to Clerk, want %d", got, want)
	}
}

func (f *fixture) wantAccepted() {
	f.Helper()
	if err := f.guard.Check(f.Context()); err != nil {
		f.Errorf("key %s: %v", f.key.get(), err)
	}
}

func (f *fixture) wantMismatch(actual, expected string) {
	f.Helper()
	_ = f.mismatch(actual, expected)
}

// mismatch returns the mismatch that Check reports, and fails the test when it is another one.
func (f *fixture) mismatch(actual, expected string) *instance.MismatchError {
	f.Helper()
	err := f.guard.Check(f.Context())
	mismatch, ok := errors.AsType[*instance.MismatchError](err)
	if !ok || mismatch.Actual != actual || mismatch.Expected != expected {
		f.Fatalf("key %s: %v; want instance %s instead of %s", f.key.get(), err, actual, expected)
	}
	return mismatch
}

func (f *fixture) wantRecorded(want string) {
	f.Helper()
	s, err := f.state.Read(f.Context())
	if err != nil || s.InstanceID != want {
		f.Errorf("the ConfigMap records instance %q, %v; want %q", s.InstanceID, err, want)
	}
}

// record changes the recorded instance as a person does.
func (f *fixture) record(id string) {
	f.Helper()
	_, err := f.state.Update(f.Context(), func(s *state.State) bool {
		s.InstanceID = id
		return true
	})
	if err != nil {
		f.Fatal(err)
	}
}

var errUnavailable = errors.New("the API server is unavailable")

// faultyClient refuses reads or writes.
type faultyClient struct {
	client.Client
	reads, writes bool
}

func (c faultyClient) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	if c.reads {
		return errUnavailable
	}
	return c.Client.Get(ctx, key, object, options...)
}

func (c faultyClient) Create(ctx context.Context, object client.Object, options ...client.CreateOption) error {
	if c.writes {
		return errUnavailable
	}
	return c.Client.Create(ctx, object, options...)
}

// interceptedClerk runs a function before each request for the instance.
type interceptedClerk struct {
	clerk.Client
	before func(ctx context.Context) error
}

func (c interceptedClerk) Instance(ctx context.Context) (string, error) {
	if err := c.before(ctx); err != nil {
		return "", err
	}
	return c.Client.Instance(ctx)
}
