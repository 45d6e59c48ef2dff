package controllers_test

import (
	"context"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/testr"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/event"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
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

// world is the three places and a reconciler among them: a real API server, a real table, Clerk's stand-in. No manager
// runs; a test says when to reconcile.
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
	api := w.another()

	databaseURL := storetest.SQLite(t)
	w.table = storetest.OpenRaw(t, databaseURL)
	table, err := store.Open(databaseURL, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = table.Close() })

	operatorState := &state.Store{Client: w.live(), Namespace: w.namespace}
	w.Reconciler = fituser.New(fituser.Config{
		Client: w.client, Live: w.live(), Namespace: w.namespace, Clerk: api, Store: table, Recorder: w.recorder,
		Metrics: fituser.NewMetrics(w.registry), Profile: fituser.ProfileFull, Clock: w.clock,
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

// maxDeletions is a limit of the deletion budget.
func maxDeletions(t testing.TB, number int) budget.MaxDeletions {
	t.Helper()
	limit, err := budget.ParseMaxDeletions(strconv.Itoa(number))
	if err != nil {
		t.Fatal(err)
	}
	return limit
}

// limitDeletions gives the budget another limit, and starts it anew as a new process does.
func (w *world) limitDeletions(number int) {
	w.Helper()
	config := w.Budget.Config
	config.Max = maxDeletions(w.TB, number)
	w.Budget = budget.New(config)
}

// restartBudget starts the budget anew, as a new process does.
func (w *world) restartBudget() { w.Budget = budget.New(w.Budget.Config) }

// logOf logs into a test, and nowhere in a benchmark.
func logOf(t testing.TB) logr.Logger {
	if test, ok := t.(*testing.T); ok {
		return testr.New(test)
	}
	return logr.Discard()
}

func testKey() string { return clerktest.DefaultSecretKey }

// another is another client of Clerk's, with a budget of its own.
func (w *world) another() clerk.Client {
	return clerk.New(clerk.Config{URL: w.clerkURL, Key: testKey, RequestsPerSecond: 10_000, Timeout: 5 * time.Second})
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

// startClient is the client that the program gives the reconciler: cached, indexed, consistent with its own writes.
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
		t.Fatal("the cache did not fill")
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

// signUp makes a user in Clerk.
func (w *world) signUp(name string) user.ID {
	return user.ID(w.clerk.SignUp(clerktest.Person{
		Email: name + "@example.com", FirstName: name, LastName: "Doe", Phone: "",
	}))
}

// event does what the receiver does with an event about a user whose updated_at is as Clerk has it now.
func (w *world) event(id user.ID, eventType v1alpha1.EventType) {
	w.Helper()
	hint := v1alpha1.Hint{
		MessageID: "msg_" + unique(), Type: eventType, ReceivedAt: w.clock.Now().UnixMilli(), EventAt: w.clock.Now().UnixMilli(),
	}
	if u, ok := w.clerk.User(string(id)); ok {
		hint.UserUpdatedAt = u.UpdatedAt
	}
	w.hint(id, hint)
}

func (w *world) hint(id user.ID, hint v1alpha1.Hint) {
	w.Helper()
	objects, err := fitusers.Read(w.ctx, w.client, w.client, w.namespace, id)
	if err != nil {
		w.Fatal(err)
	}
	serving := fitusers.Select(objects).Active
	if serving == nil {
		made := fitusers.New(w.namespace, string(id), 0)
		setAnnotation(made, v1alpha1.AnnotationHint, hint.Encode())
		w.create(made)
		return
	}
	w.change(serving, func(u *v1alpha1.FitUser) {
		setAnnotation(u, v1alpha1.AnnotationHint, hint.Encode())
	})
}

// manifest makes a FitUser as a person does.
func (w *world) manifest(name string, id user.ID, spec v1alpha1.FitUserSpec) *v1alpha1.FitUser {
	w.Helper()
	spec.ClerkUserID = string(id)
	u := &v1alpha1.FitUser{Spec: spec}
	u.Namespace, u.Name = w.namespace, name
	w.create(u)
	return u
}

func (w *world) create(u *v1alpha1.FitUser) {
	w.Helper()
	if err := w.client.Create(w.ctx, u); err != nil {
		w.Fatal(err)
	}
	w.reload(u)
}

func (w *world) change(u *v1alpha1.FitUser, change func(*v1alpha1.FitUser)) {
	w.Helper()
	w.reload(u)
	w.patch(w.client, u, change)
	w.reload(u)
}

func (w *world) patch(with client.Client, u *v1alpha1.FitUser, change func(*v1alpha1.FitUser)) {
	w.Helper()
	before := u.DeepCopy()
	change(u)
	if err := with.Patch(w.ctx, u, client.MergeFrom(before)); err != nil {
		w.Fatal(err)
	}
}

// remove deletes a FitUser as a person does, and tells the reconciler as the watch does.
func (w *world) remove(u *v1alpha1.FitUser) {
	w.Helper()
	w.reload(u)
	if err := w.client.Delete(w.ctx, u); err != nil {
		w.Fatal(err)
	}
	w.EventHandler().Delete(w.ctx, event.TypedDeleteEvent[*v1alpha1.FitUser]{Object: u}, discardQueue{})
}

// reload waits until the cache has all that this client wrote to u.
func (w *world) reload(u *v1alpha1.FitUser) {
	w.Helper()
	if err := w.client.Get(w.ctx, client.ObjectKeyFromObject(u), u); err != nil {
		w.Fatal(err)
	}
}

// reconcile reconciles once. An error is a result like any other.
func (w *world) reconcile(id user.ID) (reconcile.Result, error) {
	w.Helper()
	return w.Reconcile(w.ctx, id)
}

// settle reconciles until nothing more is to be done at once, and fails if that does not come to an end.
func (w *world) settle(ids ...user.ID) {
	w.Helper()
	for _, id := range ids {
		for round := 0; ; round++ {
			result, err := w.reconcile(id)
			if err == nil && (result.RequeueAfter == 0 || result.RequeueAfter > conflictDelay) {
				break
			}
			if round == 5 {
				w.Fatalf("reconciling %s does not come to an end: %v, %v", id, result, err)
			}
		}
	}
}

// fitUser is the serving FitUser of a user, nil when there is none.
func (w *world) fitUser(id user.ID) *v1alpha1.FitUser {
	w.Helper()
	objects, err := fitusers.Read(w.ctx, w.client, w.client, w.namespace, id)
	if err != nil {
		w.Fatal(err)
	}
	return fitusers.Select(objects).Active
}

func (w *world) wantReady(id user.ID) {
	w.Helper()
	w.wantReason(id, v1alpha1.ReasonSynced)
}

// wantReason checks the reason of Ready, and that the other conditions fit.
func (w *world) wantReason(id user.ID, reason string) {
	w.Helper()
	u := w.fitUser(id)
	if u == nil {
		w.Fatalf("%s has no FitUser", id)
	}
	w.wantReasonOf(u, reason)
}

func (w *world) wantReasonOf(u *v1alpha1.FitUser, reason string) {
	w.Helper()
	w.reload(u)
	ready := meta.FindStatusCondition(u.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil {
		w.Fatalf("%s has no Ready condition", u.Name)
	}
	if ready.Reason != reason {
		w.Fatalf("%s: Ready is %s, %s (%s); want %s", u.Name, ready.Status, ready.Reason, ready.Message, reason)
	}
	synced := reason == v1alpha1.ReasonSynced
	for _, conditionType := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionClerkSynced, v1alpha1.ConditionDatabaseSynced} {
		if synced && !meta.IsStatusConditionTrue(u.Status.Conditions, conditionType) {
			w.Errorf("%s: %s is not True although all agrees", u.Name, conditionType)
		}
	}
	busy := meta.IsStatusConditionTrue(u.Status.Conditions, v1alpha1.ConditionReconciling)
	stalled := meta.IsStatusConditionTrue(u.Status.Conditions, v1alpha1.ConditionStalled)
	if synced == (busy || stalled) {
		w.Errorf("%s: Reconciling %v, Stalled %v with reason %s", u.Name, busy, stalled, reason)
	}
	if u.Status.ObservedGeneration != u.Generation {
		w.Errorf("%s: the status answers generation %d, not %d", u.Name, u.Status.ObservedGeneration, u.Generation)
	}
}

// wantRow checks the row against what Clerk has and the role in force.
func (w *world) wantRow(id user.ID, role user.Role) {
	w.Helper()
	u, ok := w.clerk.User(string(id))
	row := w.table.Row(id)
	if !ok || row == nil {
		w.Fatalf("%s: in Clerk %v, row %v", id, ok, row)
	}
	want := map[string]any{
		"email": u.PrimaryEmail(), "first_name": deref(u.FirstName), "last_name": deref(u.LastName), "role": string(role),
		"created_at": u.CreatedAt / 1000,
	}
	got := map[string]any{}
	for column := range want {
		got[column] = row[column]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.Fatalf("row of %s (-want +got):\n%s", id, diff)
	}
}

func (w *world) wantNoRow(id user.ID) {
	w.Helper()
	if row := w.table.Row(id); row != nil {
		w.Fatalf("there is a row of %s", id)
	}
}

// metadata is a user's public role and the mark beside it, as Clerk holds them; nil where there is none.
func (w *world) metadata(id user.ID) (role, mark any) {
	w.Helper()
	u, ok := w.clerk.User(string(id))
	if !ok {
		w.Fatalf("%s is not in Clerk", id)
	}
	return u.PublicMetadata["role"], u.PrivateMetadata["fituser"]
}

// wantWrites runs act and checks how many writes it made: to objects in the namespace, and to Clerk.
func (w *world) wantWrites(objects, clerkWrites int, act func()) {
	w.Helper()
	before, clerkBefore := len(w.writes()), len(w.clerk.Writes())
	act()
	if got := w.writes()[before:]; len(got) != objects {
		w.Errorf("%d writes to the API server, want %d; the last ones: %v", len(got), objects, got[max(0, len(got)-10):])
	}
	if got := w.clerk.Writes()[clerkBefore:]; len(got) != clerkWrites {
		w.Errorf("%d writes to Clerk, want %d; the last ones: %v", len(got), clerkWrites, got[max(0, len(got)-10):])
	}
}

func (w *world) writes() []testenv.Write {
	w.Helper()
	writes, err := w.env.Writes(w.namespace)
	if err != nil {
		w.Fatal(err)
	}
	return writes
}

// silent checks that reconciling again and again writes nothing anywhere.
func (w *world) silent(ids ...user.ID) {
	w.Helper()
	table := w.table.Query("SELECT * FROM users ORDER BY id")
	w.wantWrites(0, 0, func() {
		for range 3 {
			for _, id := range ids {
				if _, err := w.reconcile(id); err != nil {
					w.Errorf("reconciling %s again: %v", id, err)
				}
			}
		}
	})
	if diff := cmp.Diff(table, w.table.Query("SELECT * FROM users ORDER BY id")); diff != "" {
		w.Errorf("the table changed although all agreed:\n%s", diff)
	}
}
