package budget

import (
	"context"
	"sync"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"

	"github.com/fitai/fituser-operator/internal/state"
	"github.com/fitai/fituser-operator/internal/user"
)

// Config is what a [Budget] needs.
type Config struct {
	State  *state.Store
	Max    MaxDeletions
	Period time.Duration
	// Users returns how many users there are; the limit may be a share of them.
	Users    func() int
	Recorder events.EventRecorder
	Clock    clock.PassiveClock
	Log      logr.Logger
}

// Budget grants deletions. The operator state is written before a grant takes effect. Grants are reserved in small
// batches to save writes; grants that are reserved but unused are lost on restart.
type Budget struct {
	Config

	mu     sync.Mutex
	loaded bool
	period period
	// granted are the users that were granted a deletion in this period: a user counts once, however often it is tried.
	// Losing it with the process is safe: a retried deletion then counts twice.
	granted map[user.ID]bool
	// announced and reopened are per process: losing them repeats one event and one requeue.
	announced, reopened bool
	deferred            int
}

// New returns a Budget that goes on with the persisted period.
func New(config Config) *Budget { return &Budget{Config: config, granted: map[user.ID]bool{}} }

// Allow reports whether the deletion of id may happen now.
func (b *Budget) Allow(ctx context.Context, id user.ID) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.rollPeriod(ctx); err != nil {
		return false, err
	}
	if b.granted[id] || b.period.overridden {
		return true, nil
	}
	if !b.period.hasReserve() {
		s, err := b.persist(ctx, b.period.reserve())
		if err != nil {
			return false, err
		}
		if !b.period.hasReserve() {
			b.announce(s)
			return false, nil
		}
	}
	if !b.period.overridden { // without a limit nothing would bound the set
		b.period = b.period.consume()
		b.granted[id] = true
	}
	return true, nil
}

// Remaining returns how many more deletions may happen in this period.
func (b *Budget) Remaining(ctx context.Context) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.rollPeriod(ctx); err != nil {
		return 0, err
	}
	_, err := b.persist(ctx, b.period) // which also adopts a new override
	return b.period.remaining(), err
}

// SetDeferred persists how many users a sweep found missing beyond the budget. It does not check whether they are
// deleted in Clerk: checking more users than may be deleted would waste requests.
func (b *Budget) SetDeferred(ctx context.Context, users int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.rollPeriod(ctx); err != nil {
		return err
	}
	if _, err := b.persist(ctx, b.period); err != nil { // finds an override
		return err
	}
	s, err := b.State.Update(ctx, func(s *state.State) bool {
		changed := s.Deletions.Deferred != users // b.deferred may be older: the response of a write may have been lost
		s.Deletions.Deferred = users
		return changed
	})
	if err != nil {
		return err
	}
	b.deferred = users
	switch {
	case users == 0:
	case b.period.overridden: // the override came after the sweep had counted, so another sweep is to name these users
		b.reopened = true
	default:
		b.announce(s)
	}
	return nil
}

// Reopened reports, once, that the budget has room again: a new period began, or a person overrode the limit. Deferred
// users are to be retried then; sweep is true when the last sweep deferred some that it did not name.
func (b *Budget) Reopened(ctx context.Context) (reopened, sweep bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.rollPeriod(ctx); err != nil {
		return false, false, err
	}
	if _, err := b.persist(ctx, b.period); err != nil {
		return false, false, err
	}
	reopened, b.reopened = b.reopened, false
	return reopened, reopened && b.deferred > 0, nil
}

// rollPeriod starts a new period when the last one has ended. A new process goes on with the persisted one.
func (b *Budget) rollPeriod(ctx context.Context) error {
	if !b.loaded {
		s, err := b.State.Read(ctx)
		if err != nil {
			return err
		}
		b.period, b.deferred = persisted(s), s.Deletions.Deferred
		b.period.limit = b.Max.of(b.Users())
		b.reopened = b.period.overridden // the earlier process may have ended before it requeued the deferred users
		b.loaded = true
	}
	if !b.period.isOver(b.Clock.Now(), b.Period) {
		return nil
	}
	return b.startPeriod(ctx)
}

// startPeriod starts a period. The state is written only if it holds an override of the ended period; otherwise the first
// grant writes it. An annotation that the ended period did not use is for this one.
func (b *Budget) startPeriod(ctx context.Context) error {
	next := period{start: b.Clock.Now(), limit: b.Max.of(b.Users())}
	_, err := b.State.Update(ctx, func(s *state.State) bool {
		used := b.period.overridden && s.OverrideRequested
		if !used && s.Deletions.OverriddenPeriod.IsZero() {
			return false
		}
		if used {
			s.OverrideRequested = false
		}
		next.persist(s)
		return true
	})
	if err != nil {
		return err
	}
	b.period, b.granted, b.announced, b.reopened = next, map[user.ID]bool{}, false, true
	return nil
}

// persist writes the next state of the period, if it differs, and then adopts it. An override that it finds there comes
// first.
func (b *Budget) persist(ctx context.Context, next period) (state.State, error) {
	var decided period
	s, err := b.State.Update(ctx, func(s *state.State) bool {
		decided = next
		if s.OverrideRequested {
			decided = b.period.override()
		}
		return decided != b.period && decided.persist(s)
	})
	if err != nil {
		return state.State{}, err
	}
	overridden := decided.overridden && !b.period.overridden
	if b.period = decided; overridden {
		b.Log.Info("Deletion budget overridden", "until", b.period.start.Add(b.Period))
		b.reopened = true
	}
	return s, nil
}

// announce records, once in a period, that deletions are deferred.
func (b *Budget) announce(s state.State) {
	if b.announced {
		return
	}
	b.announced = true
	b.Log.Info("Deletions deferred", "limit", b.period.limit, "period", b.Period,
		"override", "kubectl annotate configmap "+state.ConfigMapName+" "+state.AnnotationAllowDeletions+"=true")
	b.Recorder.Eventf(s.Object, nil, corev1.EventTypeWarning, "DeletionsDeferred", "DeferDeletions",
		"more than %d deletions in %s; the rest is deferred to the next period. kubectl get fitusers shows them with reason "+
			"DeletionDeferred; the annotation %s: \"true\" overrides the limit for this period",
		b.period.limit, b.Period, state.AnnotationAllowDeletions)
}
