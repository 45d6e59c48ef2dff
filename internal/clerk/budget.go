package clerk

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/fitai/fituser-operator/internal/user"
)

// maxQueue is the longest time that a request queues for budget. A request that would queue longer fails at once and
// does not occupy a worker.
const maxQueue = 30 * time.Second

// budget is the share of Clerk's rate limit that all calls of this process consume.
type budget struct {
	limiter *rate.Limiter

	mu          sync.Mutex
	pausedUntil time.Time
	// pauseStarted is closed and replaced when a pause starts. That wakes the queued requests.
	pauseStarted chan struct{}
}

func newBudget(requestsPerSecond float64) *budget {
	// A burst of a quarter second serves a single event at once and still lets queued users share requests.
	burst := max(1, int(requestsPerSecond/4))
	return &budget{
		limiter:      rate.NewLimiter(rate.Limit(requestsPerSecond), burst),
		pauseStarted: make(chan struct{}),
	}
}

// acquire waits until one request may be sent. It fails at once during a pause. When a pause starts, all queued requests
// fail, so that none occupies a worker for the duration of the pause.
func (b *budget) acquire(ctx context.Context) error {
	pauseStarted := b.nextPause()
	if err := b.paused(); err != nil {
		return err
	}
	reservation := b.limiter.Reserve()
	wait := reservation.Delay()
	if wait > maxQueue {
		reservation.Cancel()
		return throttled(min(wait, maxPause), "the operator's share of Clerk's rate limit is used up")
	}
	select {
	case <-time.After(wait):
		return b.paused()
	case <-pauseStarted:
		reservation.Cancel()
		return b.acquire(ctx)
	case <-ctx.Done():
		reservation.Cancel()
		return classify(ctx.Err())
	}
}

// pause stops all requests for d. A shorter pause does not end a longer one.
func (b *budget) pause(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if until := time.Now().Add(d); until.After(b.pausedUntil) {
		b.pausedUntil = until
		close(b.pauseStarted)
		b.pauseStarted = make(chan struct{})
	}
}

// paused returns a [Throttled] error during a pause.
func (b *budget) paused() error {
	if remaining := b.pauseRemaining(); remaining > 0 {
		return throttled(remaining, "paused by Clerk's Retry-After")
	}
	return nil
}

// pauseRemaining returns the rest of the pause, or 0 without one.
func (b *budget) pauseRemaining() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return max(0, time.Until(b.pausedUntil))
}

// nextPause returns the channel that the next pause closes.
func (b *budget) nextPause() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pauseStarted
}

// Clerk's limit for metadata writes per user, since 2026-05-12 (Clerk's documentation, system limits).
const (
	writesPerWindow = 10
	windowLength    = 10 * time.Second
)

// writeWindow keeps the writes per user within Clerk's limit. A flapping manifest therefore delays only its own user,
// and a 429 from Clerk concerns all requests.
type writeWindow struct {
	mu     sync.Mutex
	recent map[user.ID][]time.Time
}

func newWriteWindow() *writeWindow { return &writeWindow{recent: map[user.ID][]time.Time{}} }

// admit counts a write to id at now, or returns how long the write must wait.
func (w *writeWindow) admit(id user.ID, now time.Time) (wait time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for other, times := range w.recent {
		for len(times) > 0 && now.Sub(times[0]) >= windowLength {
			times = times[1:]
		}
		if w.recent[other] = times; len(times) == 0 {
			delete(w.recent, other)
		}
	}
	times := w.recent[id]
	if len(times) >= writesPerWindow {
		return windowLength - now.Sub(times[0])
	}
	w.recent[id] = append(times, now)
	return 0
}
