package scenes_test

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/controllers/sweep"
	"github.com/fitai/fituser-operator/internal/budget"
	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/instance"
	"github.com/fitai/fituser-operator/internal/state"
	"github.com/fitai/fituser-operator/internal/user"
)

// operator is one process of the operator without its manager. The test holds the queue and the timers, so it observes what
// requests a reconcile and what does not.
type operator struct {
	*fituser.Reconciler
	process *process
	sweeper *sweep.Sweeper
	metrics *prometheus.Registry

	started  bool
	watched  int64                           // the number of writes that the watch has delivered
	observed map[types.UID]*v1alpha1.FitUser // as the watch delivered them last
	queue    []user.ID
	timers   map[user.ID]time.Time
	fails    map[user.ID]int
}

// start starts a process, which has no state from before.
func (s *scene) start() {
	p := &operator{
		process: &process{}, metrics: prometheus.NewRegistry(), observed: map[types.UID]*v1alpha1.FitUser{},
		timers: map[user.ID]time.Time{}, fails: map[user.ID]int{},
	}
	live := s.gate.client(p.process, s.direct)
	cached := s.gate.client(p.process, s.cache(s.direct))
	api := clerk.New(clerk.Config{
		URL: s.clerkURL, Key: testKey, RequestsPerSecond: 100_000, Timeout: 10 * time.Second,
		Transport: gatedClerk{s.gate, p.process, s.transport}, Registerer: p.metrics,
	})
	operatorState := &state.Store{Client: live, Namespace: s.namespace}
	p.Reconciler = fituser.New(fituser.Config{
		Client: cached, Live: live, Namespace: s.namespace, Clerk: api, Store: gatedStore{s.gate, p.process, s.table},
		Recorder: s.output, Metrics: fituser.NewMetrics(p.metrics), Profile: fituser.ProfileFull, Clock: s.clock,
		LagTolerance: fituser.DefaultLagTolerance, RevocationGrace: fituser.DefaultRevocationGrace,
		Instance: instance.New(instance.Config{State: operatorState, Clerk: api, Key: testKey, Clock: s.clock}),
		Budget: budget.New(budget.Config{
			State: operatorState, Max: unlimited(s.harness.TB), Period: 10 * time.Minute, Users: func() int { return 0 },
			Recorder: s.output, Clock: s.clock, Log: logf.FromContext(s.logs),
		}),
	})
	p.sweeper = sweep.New(sweep.Config{
		Reconciler: p.Reconciler, Cache: cached, Pages: rate.NewLimiter(rate.Inf, 1), Clock: s.clock, RetryDelay: time.Nanosecond,
		Metrics: sweep.NewMetrics(p.metrics),
	})
	s.operator = p
}

// restart ends the process and starts another.
func (s *scene) restart() {
	s.operator.process.dead.Store(true)
	s.output.metrics(s.operator.metrics)
	s.start()
}

// restartIfDead starts another process if this one crashed, and reports whether it had.
func (s *scene) restartIfDead() bool {
	if !s.operator.process.dead.Load() {
		return false
	}
	s.restart()
	return true
}

// deliverWatchEvents delivers creations, updates and deletions of FitUsers to the operator, as its informer does. Several
// changes of one object since the last delivery become one event.
func (s *scene) deliverWatchEvents() {
	p := s.operator
	if p.started && (s.watchPaused || p.watched == s.writes.fitUsers.Load()) {
		return
	}
	p.watched = s.writes.fitUsers.Load()
	handler, queue := p.EventHandler(), &recordingQueue{operator: p}
	there := map[types.UID]bool{}
	objects := s.objects()
	s.record()
	for _, object := range objects {
		before, known := p.observed[object.UID]
		there[object.UID] = true
		p.observed[object.UID] = object
		switch {
		case !known:
			handler.Create(s.ctx, event.TypedCreateEvent[*v1alpha1.FitUser]{Object: object, IsInInitialList: !p.started}, queue)
		case before.ResourceVersion != object.ResourceVersion:
			handler.Update(s.ctx, event.TypedUpdateEvent[*v1alpha1.FitUser]{ObjectOld: before, ObjectNew: object}, queue)
		}
	}
	for uid, object := range p.observed {
		if !there[uid] {
			delete(p.observed, uid)
			handler.Delete(s.ctx, event.TypedDeleteEvent[*v1alpha1.FitUser]{Object: object}, queue)
		}
	}
	p.started = true
}

type recordingQueue struct {
	workqueue.TypedRateLimitingInterface[user.ID]
	operator *operator
}

func (q *recordingQueue) Add(id user.ID) { q.operator.enqueue(id) }

func (p *operator) enqueue(id user.ID) {
	if !slices.Contains(p.queue, id) {
		p.queue = append(p.queue, id)
	}
}

// drainRequests enqueues the users that the operator requested itself.
func (p *operator) drainRequests() {
	for {
		select {
		case request := <-p.Requests():
			p.enqueue(request.Object.ID)
		default:
			return
		}
	}
}

// maxRequeue is the longest delay that a scene waits for. A user with a longer delay waits for an event or a sweep.
const maxRequeue = 2 * time.Minute

// dequeue returns the next user to reconcile. If the queue is empty, it advances the clock to the next timer.
func (s *scene) dequeue() (id user.ID, ok bool) {
	p := s.operator
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

// reconcileUntilIdle reconciles until queue and timers are empty. It restarts an operator that crashes.
func (s *scene) reconcileUntilIdle() {
	s.Helper()
	for rounds := 0; ; rounds++ {
		s.restartIfDead()
		s.deliverWatchEvents()
		s.operator.drainRequests()
		id, ok := s.dequeue()
		if !ok {
			return
		}
		if rounds == s.maxReconciles {
			s.Fatalf("reconciling %s does not end: %d reconciles\n%s", id, rounds, s.output.tail())
		}
		s.reconcile(id)
	}
}

// reconcile reconciles a user once.
func (s *scene) reconcile(id user.ID) {
	p := s.operator
	s.reconciles[id]++
	result, err := p.Reconcile(s.logs, id)
	switch {
	case p.process.dead.Load():
	case err != nil:
		s.output.write(err.Error())
		p.fails[id]++
		p.timers[id] = s.clock.Now().Add(fituser.MinBackoff << min(p.fails[id], 8))
	default:
		delete(p.fails, id)
		if result.RequeueAfter > 0 && result.RequeueAfter < maxRequeue {
			p.timers[id] = s.clock.Now().Add(result.RequeueAfter)
		}
	}
}

// sweep sweeps and reconciles what the sweep requested. It repeats that if the sweep fails or the operator crashes.
func (s *scene) sweep() sweep.Report {
	s.Helper()
	s.watchPaused = false
	for range 8 {
		s.restartIfDead()
		s.deliverWatchEvents()
		before := s.operator
		report, err := before.sweeper.RunOnce(s.logs)
		if err != nil {
			s.output.write(err.Error())
		}
		s.reconcileUntilIdle()
		if err == nil && s.operator == before {
			return report
		}
	}
	s.Fatalf("no sweep succeeds\n%s", s.output.tail())
	return sweep.Report{}
}
