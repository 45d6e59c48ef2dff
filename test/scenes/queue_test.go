package scenes_test

import (
	"cmp"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/controllers/sweep"
	"github.com/fitai/fituser-operator/internal/user"
)

// request asks for a reconcile of a user or, where it has an address, for the search of the address's holder.
type request struct {
	id      user.ID
	address string
}

func (r request) compare(other request) int {
	return cmp.Or(cmp.Compare(r.id, other.id), cmp.Compare(r.address, other.address))
}

// deliverWatchEvents delivers creations, updates and deletions of FitUsers to the operator, as its informer does. Several
// changes of one object since the last delivery become one event.
func (s *scene) deliverWatchEvents() {
	p := s.operator
	if p.started && (s.watchPaused || p.watched == s.writes.fitUsers.Load()) {
		return
	}
	p.watched = s.writes.fitUsers.Load()
	users, userQueue := p.EventHandler(), &recordingQueue[user.ID]{add: p.enqueue}
	addresses, addressQueue := p.AddressHandler(), &recordingQueue[string]{add: p.enqueueAddress}
	there := map[types.UID]bool{}
	objects := s.objects()
	s.record()
	for _, object := range objects {
		before, known := p.observed[object.UID]
		there[object.UID] = true
		p.observed[object.UID] = object
		switch {
		case !known:
			e := event.TypedCreateEvent[*v1alpha1.FitUser]{Object: object, IsInInitialList: !p.started}
			users.Create(s.ctx, e, userQueue)
			addresses.Create(s.ctx, e, addressQueue)
		case before.ResourceVersion != object.ResourceVersion:
			e := event.TypedUpdateEvent[*v1alpha1.FitUser]{ObjectOld: before, ObjectNew: object}
			users.Update(s.ctx, e, userQueue)
			addresses.Update(s.ctx, e, addressQueue)
		}
	}
	for uid, object := range p.observed {
		if !there[uid] {
			delete(p.observed, uid)
			users.Delete(s.ctx, event.TypedDeleteEvent[*v1alpha1.FitUser]{Object: object}, userQueue)
		}
	}
	p.started = true
}

// recordingQueue passes on what is added.
type recordingQueue[T comparable] struct {
	workqueue.TypedRateLimitingInterface[T]
	add func(T)
}

func (q *recordingQueue[T]) Add(item T) { q.add(item) }

func (p *operator) enqueue(id user.ID) { p.add(request{id: id}) }

func (p *operator) enqueueAddress(address string) { p.add(request{address: address}) }

func (p *operator) add(r request) {
	if !slices.Contains(p.queue, r) {
		p.queue = append(p.queue, r)
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

// searchDue searches for expired roles and for rows to delete, as the operator does each second.
func (s *scene) searchDue() {
	p := s.operator
	dated := func(u *v1alpha1.FitUser) bool { return u.Spec.RoleExpiresAt != nil || u.Status.RowDeletionAt != nil }
	if !slices.ContainsFunc(s.current(), dated) {
		return
	}
	next, err := p.EnqueueDue(s.logs, p.searched)
	if err != nil {
		s.output.write(err.Error())
		next, err = p.EnqueueDue(s.logs, p.searched) // a second later
	}
	if err == nil {
		p.searched = next
	}
}

// maxRequeue is the longest delay that a scene waits for. A user with a longer delay waits for an event or a sweep.
const maxRequeue = 55 * time.Second

// dequeue returns the next request. If the queue is empty, it advances the clock to the next timer.
func (s *scene) dequeue() (r request, ok bool) {
	p := s.operator
	if len(p.queue) == 0 {
		var due time.Time
		for candidate, at := range p.timers {
			if due.IsZero() || at.Before(due) || at.Equal(due) && candidate.compare(r) < 0 {
				r, due = candidate, at
			}
		}
		if due.IsZero() {
			return request{}, false
		}
		if due.After(s.clock.Now()) {
			s.clock.SetTime(due)
		}
		delete(p.timers, r)
		return r, true
	}
	r, p.queue = p.queue[0], p.queue[1:]
	delete(p.timers, r)
	return r, true
}

// reconcileUntilIdle reconciles until queue and timers are empty. It restarts an operator that crashes.
func (s *scene) reconcileUntilIdle() {
	s.Helper()
	for rounds := 0; ; rounds++ {
		s.restartIfDead()
		s.deliverWatchEvents()
		s.searchDue()
		s.operator.drainRequests()
		r, ok := s.dequeue()
		if !ok {
			if s.operator.process.dead.Load() {
				continue
			}
			return
		}
		if rounds == s.maxReconciles {
			s.Fatalf("reconciling %v does not end: %d reconciles\n%s", r, rounds, s.output.tail())
		}
		s.handle(r)
	}
}

// reconcile reconciles a user once.
func (s *scene) reconcile(id user.ID) { s.handle(request{id: id}) }

// handle handles a request once, and sets a timer if it is to be handled again.
func (s *scene) handle(r request) {
	p := s.operator
	var requeue fituser.Requeue
	var err error
	if r.address != "" {
		requeue, err = p.ReconcileAddress(s.logs, r.address)
	} else {
		s.reconciles[r.id]++
		requeue, err = p.ReconcileUser(s.logs, r.id)
	}
	switch {
	case p.process.dead.Load():
	case err != nil:
		s.output.write(err.Error())
		p.fails[r]++
		p.timers[r] = s.clock.Now().Add(fituser.MinBackoff << min(p.fails[r], 8))
	default:
		delete(p.fails, r)
		if requeue.After > 0 && requeue.After < maxRequeue {
			p.timers[r] = s.clock.Now().Add(requeue.After)
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
