package scenes_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/controllers/sweep"
	"github.com/fitai/fituser-operator/internal/budget"
	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/instance"
	"github.com/fitai/fituser-operator/internal/state"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/store/storetest"
	"github.com/fitai/fituser-operator/internal/user"
)

// stage is what is too slow to be made anew for each of thousands of runs: the API server, the database, the listener in
// front of Clerk's stand-in. A [scene] is one run on it; there is one at a time.
type stage struct {
	testing.TB
	api       client.WithWatch
	writes    writeCounts // of api
	raw       *storetest.Raw
	table     store.Store
	transport http.RoundTripper
	clerkURL  string
	// databaseURL is the address of table and raw.
	databaseURL string
	clerk       atomic.Pointer[clerktest.Server]
	base        time.Time

	// calm is how an undisturbed run of the workload ends.
	calm *ending

	scenes, logBytes int
}

func newStage(t testing.TB) *stage {
	t.Helper()
	st := &stage{TB: t, base: time.Now().Truncate(time.Second), transport: http.DefaultTransport.(*http.Transport).Clone()}
	st.api = newClient(t, &st.writes)
	st.databaseURL = storetest.SQLite(t)
	st.raw = storetest.OpenRaw(t, st.databaseURL)
	st.raw.Query("PRAGMA journal_mode = WAL") // of the file; it costs fewer flushes
	table, err := store.Open(st.databaseURL, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = table.Close() })
	st.table = table
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { st.clerk.Load().ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	st.clerkURL = server.URL + "/v1"
	return st
}

// debugVerbosity is the highest verbosity that the program can be set to.
const debugVerbosity = 1

// tester is what a scene needs of a test; a property test has it too.
type tester interface {
	Helper()
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// scene is the three places, new and empty, and the process that works on them. Its users have ids that are the same in
// every scene, so that two scenes can end alike.
type scene struct {
	tester
	*stage
	gate      *gate
	namespace string
	clerk     *clerktest.Server
	clock     *clocktesting.FakeClock
	ctx, logs context.Context // what the test does, and what the operator does
	process   *process
	said      *said
	messages  int
	// blind makes the watch tell nothing until the next sweep.
	blind bool
	direct client.WithWatch // past the gate, as people and Git write
	mirror mirror
	// view, if set, is what the process's cache holds, however old it is.
	view *[]*v1alpha1.FitUser
	// history are the FitUsers as they were after each change that somebody saw, if recording.
	history   [][]*v1alpha1.FitUser
	recording bool
	// looks counts reconciles by user.
	looks map[user.ID]int
	// maxLooks is how many reconciles may follow upon one thing that happens.
	maxLooks int
}

func (st *stage) newScene(t tester) *scene {
	t.Helper()
	st.raw.Exec("DELETE FROM users")
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "scene-"}}
	if err := st.api.Create(context.Background(), namespace); err != nil {
		t.Fatalf("%v", err)
	}
	s := &scene{
		tester: t, stage: st, gate: &gate{}, namespace: namespace.Name,
		clock: clocktesting.NewFakeClock(st.base), said: &said{}, looks: map[user.ID]int{}, maxLooks: 60,
	}
	s.clerk = clerktest.NewServer(clerktest.Config{Now: s.clock.Now})
	s.mirror.fitUserWrites, s.mirror.configMapWrites = -1, -1 // nothing is read yet
	s.direct = s.mirrored(st.api)
	st.clerk.Store(s.clerk)
	st.scenes++
	s.ctx = context.Background()
	s.logs = logf.IntoContext(s.ctx, funcr.New(s.said.log, funcr.Options{Verbosity: debugVerbosity}))
	s.start()
	return s
}

// process is one process of the operator, without the manager: its queue is here, so that a test sees what asks for a
// reconcile and what does not.
type process struct {
	*fituser.Reconciler
	life    *life
	sweeper *sweep.Sweeper
	metrics *prometheus.Registry

	started bool
	watched int64                           // the number of writes that the watch has delivered
	told    map[types.UID]*v1alpha1.FitUser // what the watch has told of
	queue   []user.ID
	timers  map[user.ID]time.Time
	fails   map[user.ID]int
}

// start starts a process: it has no memory.
func (s *scene) start() {
	p := &process{
		life: &life{}, metrics: prometheus.NewRegistry(), told: map[types.UID]*v1alpha1.FitUser{},
		timers: map[user.ID]time.Time{}, fails: map[user.ID]int{},
	}
	live := s.gate.client(p.life, s.direct)
	cached := s.gate.client(p.life, s.cache(s.direct))
	api := clerk.New(clerk.Config{
		URL: s.clerkURL, Key: testKey, RequestsPerSecond: 100_000, Timeout: 10 * time.Second,
		Transport: gatedClerk{s.gate, p.life, s.transport}, Registerer: p.metrics,
	})
	operatorState := &state.Store{Client: live, Namespace: s.namespace}
	p.Reconciler = fituser.New(fituser.Config{
		Client: cached, Live: live, Namespace: s.namespace, Clerk: api, Store: gatedStore{s.gate, p.life, s.table},
		Recorder: s.said, Metrics: fituser.NewMetrics(p.metrics), Profile: fituser.ProfileFull, Clock: s.clock,
		LagTolerance: fituser.DefaultLagTolerance, RevocationGrace: fituser.DefaultRevocationGrace,
		Instance: instance.New(instance.Config{State: operatorState, Clerk: api, Key: testKey, Clock: s.clock}),
		Budget: budget.New(budget.Config{
			State: operatorState, Max: unlimited(s.stage.TB), Period: 10 * time.Minute, Users: func() int { return 0 },
			Recorder: s.said, Clock: s.clock, Log: logf.FromContext(s.logs),
		}),
	})
	p.sweeper = sweep.New(sweep.Config{
		Reconciler: p.Reconciler, Cache: cached, Pages: rate.NewLimiter(rate.Inf, 1), Clock: s.clock, RetryDelay: time.Nanosecond,
		Metrics: sweep.NewMetrics(p.metrics),
	})
	s.process = p
}

// restart ends the process and starts another.
func (s *scene) restart() {
	s.process.life.over.Store(true)
	s.said.metrics(s.process.metrics)
	s.start()
}

// revive starts another process if this one has died, and reports whether it had.
func (s *scene) revive() bool {
	if !s.process.life.over.Load() {
		return false
	}
	s.restart()
	return true
}

// watch tells the process what has happened to FitUsers, as its informer does: of an object that is new to it, changed,
// or gone. What nobody looked at in between is seen as one change.
func (s *scene) watch() {
	p := s.process
	if p.started && (s.blind || p.watched == s.writes.fitUsers.Load()) {
		return
	}
	p.watched = s.writes.fitUsers.Load()
	handler, queue := p.EventHandler(), &recordingQueue{process: p}
	there := map[types.UID]bool{}
	objects := s.objects()
	s.record()
	for _, object := range objects {
		before, known := p.told[object.UID]
		there[object.UID] = true
		p.told[object.UID] = object
		switch {
		case !known:
			handler.Create(s.ctx, event.TypedCreateEvent[*v1alpha1.FitUser]{Object: object, IsInInitialList: !p.started}, queue)
		case before.ResourceVersion != object.ResourceVersion:
			handler.Update(s.ctx, event.TypedUpdateEvent[*v1alpha1.FitUser]{ObjectOld: before, ObjectNew: object}, queue)
		}
	}
	for uid, object := range p.told {
		if !there[uid] {
			delete(p.told, uid)
			handler.Delete(s.ctx, event.TypedDeleteEvent[*v1alpha1.FitUser]{Object: object}, queue)
		}
	}
	p.started = true
}

type recordingQueue struct {
	workqueue.TypedRateLimitingInterface[user.ID]
	process *process
}

func (q *recordingQueue) Add(id user.ID) { q.process.add(id) }

func (p *process) add(id user.ID) {
	if !slices.Contains(p.queue, id) {
		p.queue = append(p.queue, id)
	}
}

// hear takes over what the process asks itself for.
func (p *process) hear() {
	for {
		select {
		case wish := <-p.Requests():
			p.add(wish.Object.ID)
		default:
			return
		}
	}
}

// soon is the longest pause that a scene waits out. What is tried again more slowly waits for somebody else.
const soon = 2 * time.Minute

// next is the next user to look at. When nobody is, time passes until somebody is.
func (s *scene) next() (id user.ID, ok bool) {
	p := s.process
	if len(p.queue) == 0 {
		var due time.Time
		for candidate, at := range p.timers {
			if due.IsZero() || at.Before(due) || at.Equal(due) && candidate < id {
				id, due = candidate, at
			}
		}
		if due.IsZero() {
			return "", false
		}
		if due.After(s.clock.Now()) {
			s.clock.SetTime(due)
		}
		delete(p.timers, id)
		return id, true
	}
	id, p.queue = p.queue[0], p.queue[1:]
	delete(p.timers, id)
	return id, true
}

// run lets the process work until it has nothing more to do. One that dies is followed by another.
func (s *scene) run() {
	s.Helper()
	for looks := 0; ; looks++ {
		s.revive()
		s.watch()
		s.process.hear()
		id, ok := s.next()
		if !ok {
			return
		}
		if looks == s.maxLooks {
			s.Fatalf("the operator does not come to rest: %s after %d reconciles\n%s", id, looks, s.said.tail())
		}
		s.look(id)
	}
}

// look reconciles a user once.
func (s *scene) look(id user.ID) {
	p := s.process
	s.looks[id]++
	result, err := p.Reconcile(s.logs, id)
	switch {
	case p.life.over.Load():
	case err != nil:
		s.said.write(err.Error())
		p.fails[id]++
		p.timers[id] = s.clock.Now().Add(fituser.MinBackoff << min(p.fails[id], 8))
	default:
		delete(p.fails, id)
		if result.RequeueAfter > 0 && result.RequeueAfter < soon {
			p.timers[id] = s.clock.Now().Add(result.RequeueAfter)
		}
	}
}

// sweep makes a pass and lets the process work off what it finds: again if the pass fails, and if the process dies of it.
func (s *scene) sweep() sweep.Report {
	s.Helper()
	s.blind = false
	for range 8 {
		s.revive()
		s.watch()
		before := s.process
		report, err := before.sweeper.RunOnce(s.logs)
		if err != nil {
			s.said.write(err.Error())
		}
		s.run()
		if err == nil && s.process == before {
			return report
		}
	}
	s.Fatalf("no sweep succeeds\n%s", s.said.tail())
	return sweep.Report{}
}
