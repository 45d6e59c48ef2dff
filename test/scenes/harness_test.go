package scenes_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/store/storetest"
	"github.com/fitai/fituser-operator/internal/user"
)

// harness holds what is too slow to start for each of thousands of scenes: the API server's client, the database and the
// listener in front of Clerk's stand-in. Scenes use it one after the other.
type harness struct {
	testing.TB
	api       client.WithWatch
	writes    writeCounts // made with api
	raw       *storetest.Raw
	table     store.Store
	transport http.RoundTripper
	clerkURL  string
	// databaseURL is the address of table and raw.
	databaseURL string
	clerk       atomic.Pointer[clerktest.Server]
	base        time.Time

	// baseline is the final state of the workload without a fault.
	baseline *finalState

	scenes, logBytes int
}

func newHarness(t testing.TB) *harness {
	t.Helper()
	h := &harness{TB: t, base: time.Now().Truncate(time.Second), transport: http.DefaultTransport.(*http.Transport).Clone()}
	h.api = newClient(t, &h.writes)
	h.databaseURL = storetest.SQLite(t)
	h.raw = storetest.OpenRaw(t, h.databaseURL)
	h.raw.Query("PRAGMA journal_mode = WAL") // persists in the file; needs fewer flushes
	table, err := store.Open(h.databaseURL, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = table.Close() })
	h.table = table
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.clerk.Load().ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	h.clerkURL = server.URL + "/v1"
	return h
}

// debugVerbosity is the highest verbosity that --log-level allows.
const debugVerbosity = 1

// tester is the part of testing.TB that a scene needs. A rapid.T implements it too.
type tester interface {
	Helper()
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// scene is one run: a new namespace, an empty table, a new Clerk instance, and the operator that reconciles them. User ids
// are the same in every scene, so that the final states of two scenes can be compared.
type scene struct {
	tester
	*harness
	installation
	gate      *gate
	namespace string
	clerk     *clerktest.Server
	clock     *clocktesting.FakeClock
	ctx, logs context.Context // of the test, and of the operator
	operator  *operator
	output    *output
	messages  int
	// watchPaused drops watch events until the next sweep.
	watchPaused bool
	direct      client.WithWatch // bypasses the gate, as people and GitOps tools do
	mirror      mirror
	// view, if set, is what the operator's cache contains, however old.
	view *[]*v1alpha1.FitUser
	// history has the FitUsers after each observed change, if recording.
	history   [][]*v1alpha1.FitUser
	recording bool
	// reconciles counts reconciles by user.
	reconciles map[user.ID]int
	// maxReconciles bounds the reconciles that one change may cause.
	maxReconciles int
}

func (h *harness) newScene(t tester, configure ...func(*installation)) *scene {
	t.Helper()
	h.raw.Exec("DELETE FROM users")
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "scene-"}}
	if err := h.api.Create(context.Background(), namespace); err != nil {
		t.Fatalf("%v", err)
	}
	s := &scene{
		tester: t, harness: h, gate: &gate{}, namespace: namespace.Name,
		clock: clocktesting.NewFakeClock(h.base), output: &output{}, reconciles: map[user.ID]int{}, maxReconciles: 60,
		installation: defaultInstallation(),
	}
	for _, change := range configure {
		change(&s.installation)
	}
	s.clerk = clerktest.NewServer(clerktest.Config{Now: s.clock.Now})
	s.mirror.fitUserWrites, s.mirror.configMapWrites = -1, -1 // nothing is read yet
	s.direct = s.mirrored(h.api)
	s.checkInvariants()
	h.clerk.Store(s.clerk)
	h.scenes++
	s.ctx = context.Background()
	s.logs = logf.IntoContext(s.ctx, funcr.New(s.output.log, funcr.Options{Verbosity: debugVerbosity}))
	s.start()
	return s
}
