package clerk

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/fitai/fituser-operator/internal/user"
)

// maxQueue is the longest that a request waits for its turn. What would wait longer fails at once instead of holding a
// worker.
const maxQueue = 30 * time.Second

// budget is the share of Clerk's rate limit that all calls of this process live on.
type budget struct {
	limiter *rate.Limiter

	mu          sync.Mutex
	pausedUntil time.Time
	// pauseBegins is closed, and replaced, by every pause: it wakes those who wait for their turn.
	pauseBegins chan struct{}
}

func newBudget(requestsPerSecond float64) *budget {
	// A burst of a quarter second serves a lone event at once and still lets waiting users share requests.
	burst := max(1, int(requestsPerSecond/4))
	return &budget{
		limiter:     rate.NewLimiter(rate.Limit(requestsPerSecond), burst),
		pauseBegins: make(chan struct{}),
	}
}

// acquire waits for the right to send one request. While Clerk has asked for a pause it fails at once, and when a pause
// begins everybody who waits fails, so that nobody holds a worker through the pause.
func (b *budget) acquire(ctx context.Context) error {
	pauseBegins := b.pauses()
	if err := b.paused(); err != nil {
		return err
	}
	turn := b.limiter.Reserve()
	wait := turn.Delay()
	if wait > maxQueue {
		turn.Cancel()
		return throttled(min(wait, maxPause), "our share of Clerk's rate limit is used up")
	}
	select {
	case <-time.After(wait):
		return b.paused()
	case <-pauseBegins:
		turn.Cancel()
		return b.acquire(ctx)
	case <-ctx.Done():
		turn.Cancel()
		return classify(ctx.Err())
	}
}

// pause stops all requests for d. A shorter pause does not end a longer one.
func (b *budget) pause(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if until := time.Now().Add(d); until.After(b.pausedUntil) {
		b.pausedUntil = until
		close(b.pauseBegins)
		b.pauseBegins = make(chan struct{})
	}
}

// paused is a [Throttled] error while Clerk has asked for a pause.
func (b *budget) paused() error {
	if left := b.pauseLeft(); left > 0 {
		return throttled(left, "waiting as Clerk asked")
	}
	return nil
}

// pauseLeft is how long Clerk has asked to send nothing, from now; 0 when it has not.
func (b *budget) pauseLeft() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return max(0, time.Until(b.pausedUntil))
}

func (b *budget) pauses() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pauseBegins
}

// Clerk's limit for metadata writes of one user, since 2026-05-12 (Clerk's documentation, system limits).
const (
	writesPerWindow = 10
	windowLength    = 10 * time.Second
)

// writeWindow keeps the writes to one user below Clerk's limit. So a manifest that flaps waits by itself, and a 429 that
// still comes concerns everybody.
type writeWindow struct {
	mu     sync.Mutex
	recent map[user.ID][]time.Time
}

func newWriteWindow() *writeWindow { return &writeWindow{recent: map[user.ID][]time.Time{}} }

// admit counts a write to id at now, or says how long to wait with it.
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
