package controllers_test

import (
	"context"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/testr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/controllers/rolerule"
	"github.com/fitai/fituser-operator/internal/budget"
	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/instance"
	"github.com/fitai/fituser-operator/internal/state"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/store/storetest"
	"github.com/fitai/fituser-operator/internal/testenv"
	"github.com/fitai/fituser-operator/internal/user"
)

var controlPlane testenv.Shared

func TestMain(m *testing.M) {
	logf.SetLogger(logr.Discard())
	controlPlane.Main(m)
}

// world is a reconciler with a real API server, a real table and Clerk's stand-in. No manager runs: the test reconciles by
// itself.
type world struct {
	testing.TB
	*fituser.Reconciler
	registry  *prometheus.Registry
	clock     *clocktesting.FakeClock
	clerk     *clerktest.Server
	clerkURL  string
	table     *storetest.Raw
	recorder  *events.FakeRecorder
	env       *testenv.Environment
	ctx       context.Context
	client    client.Client // reads its own writes
	cache     client.Reader
	namespace string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	if test, ok := t.(*testing.T); ok { // benchmarks run one by one
		test.Parallel()
	}
	return newWorldOn(t, controlPlane.Get(t))
}

func newWorldOn(t testing.TB, env *testenv.Environment) *world {
	t.Helper()
	w := &world{
		TB: t, env: env, namespace: env.Namespace(t),
		clock:    clocktesting.NewFakeClock(time.Now()),
		clerk:    clerktest.NewServer(clerktest.Config{}),
		recorder: events.NewFakeRecorder(100), registry: prometheus.NewRegistry(),
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	w.ctx = logf.IntoContext(ctx, logOf(t))
	w.client, w.cache = startClient(ctx, t, env, w.namespace)

	server := httptest.NewServer(w.clerk)
	t.Cleanup(server.Close)
	w.clerkURL = server.URL + "/v1"
	api := w.newClerkClient()

	databaseURL := storetest.SQLite(t)
	w.table = storetest.OpenRaw(t, databaseURL)
	table, err := store.Open(databaseURL, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = table.Close() })

	operatorState := &state.Store{Client: w.live(), Namespace: w.namespace}
	w.Reconciler = fituser.New(fituser.Config{
		Client: w.client, Live: w.live(), Namespace: w.namespace, Clerk: api, ExternalIDs: api, Store: table, Recorder: w.recorder,
		RoleConfig: fituser.RoleConfig{
			Roles: user.DefaultRoles(), Owner: func(context.Context) (string, error) { return testOwner, nil },
			Rules: rolerule.Lister{Reader: w.client, Namespace: w.namespace, Roles: user.DefaultRoles()}.Rules,
		},
		Log: logOf(t), Metrics: fituser.NewMetrics(w.registry, user.DefaultRoles(), user.DefaultMapping()), Profile: fituser.ProfileFull, Clock: w.clock,
		LagTolerance: fituser.DefaultLagTolerance, RevocationGrace: fituser.DefaultRevocationGrace,
		Instance: instance.New(instance.Config{State: operatorState, Clerk: api, Key: testKey, Clock: w.clock}),
		Budget: budget.New(budget.Config{
			State: operatorState, Max: maxDeletions(t, 10), Period: 10 * time.Minute, Users: func() int { return 0 },
			Recorder: w.recorder, Clock: w.clock, Log: logOf(t),
		}),
	})
	if err := w.Instance.Check(w.ctx); err != nil {
		t.Fatalf("verifying the instance: %v", err)
	}
	return w
}

// maxDeletions returns a limit of the deletion budget.
func maxDeletions(t testing.TB, number int) budget.MaxDeletions {
	t.Helper()
	limit, err := budget.ParseMaxDeletions(strconv.Itoa(number))
	if err != nil {
		t.Fatal(err)
	}
	return limit
}

// limitDeletions sets the budget's limit and restarts the budget, as a new process does.
func (w *world) limitDeletions(number int) {
	w.Helper()
	config := w.Budget.Config
	config.Max = maxDeletions(w.TB, number)
	w.Budget = budget.New(config)
}

// restartBudget creates the budget again, as a new process does.
func (w *world) restartBudget() { w.Budget = budget.New(w.Budget.Config) }

// logOf returns a logger that logs into a test, and drops the log of a benchmark.
func logOf(t testing.TB) logr.Logger {
	if test, ok := t.(*testing.T); ok {
		return testr.New(test)
	}
	return logr.Discard()
}

// testOwner is the owner id of the installation under test.
const testOwner = "owner-test"

func testKey() string { return clerktest.DefaultSecretKey }

// newClerkClient returns another client of Clerk, with its own rate limit.
func (w *world) newClerkClient() clerk.API {
	extra := func() []user.Field {
		if w.Reconciler == nil {
			return nil
		}
		return user.Decoded(w.Store.Table().Mapping.Fields())
	}
	return clerk.New(clerk.Config{
		URL: w.clerkURL, Key: testKey, RequestsPerSecond: 10_000, Timeout: 5 * time.Second, Extra: extra,
	})
}

func testScheme(t testing.TB) *runtime.Scheme {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	return scheme
}

// startClient returns a client as the program configures it: cached, indexed, consistent with its own writes.
func startClient(ctx context.Context, t testing.TB, env *testenv.Environment, namespace string) (client.Client, client.Reader) {
	t.Helper()
	yes := true
	c, err := cluster.New(env.Config, func(o *cluster.Options) {
		o.Scheme = testScheme(t)
		o.Cache = fituser.CacheOptions(namespace)
		o.Client.Cache = &client.CacheOptions{EnableReadYourWritesConsistency: &yes}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := fitusers.AddIndex(ctx, c.GetFieldIndexer()); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- c.Start(ctx) }()
	if !c.GetCache().WaitForCacheSync(ctx) {
		t.Fatal("the cache did not sync")
	}
	return c.GetClient(), c.GetCache()
}

func (w *world) live() client.Client {
	w.Helper()
	c, err := client.New(w.env.Config, client.Options{Scheme: testScheme(w.TB)})
	if err != nil {
		w.Fatal(err)
	}
	return c
}
