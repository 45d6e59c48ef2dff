package clerktest

import (
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

// defaultWindow is the window of Clerk's documented rate limits.
const defaultWindow = 10 * time.Second

// pruneThreshold is how many users' windows are kept before the expired ones are removed.
const pruneThreshold = 10_000

// Limits are Clerk's rate limits (docs: guides/how-clerk-works/system-limits). Requests beyond them get a 429 with
// Retry-After. Zero means no limit.
type Limits struct {
	// Requests bounds the requests of the instance per window. Clerk's limit is 1000 in production, 100 in development.
	Requests int
	// UserWrites bounds the PATCH and PUT requests for one user and its metadata per window. Clerk's limit is 10.
	UserWrites int
	// Window defaults to 10 s.
	Window time.Duration
}

// limiter uses sliding windows. That is a choice, as Clerk does not document the kind of its windows.
type limiter struct {
	now func() time.Time

	mu       sync.Mutex
	limits   Limits
	requests []time.Time
	writes   map[string][]time.Time
}

func newLimiter(limits Limits, now func() time.Time) *limiter {
	l := &limiter{now: now}
	l.reset(limits)
	return l
}

func (l *limiter) reset(limits Limits) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if limits.Window == 0 {
		limits.Window = defaultWindow
	}
	l.limits, l.requests, l.writes = limits, nil, map[string][]time.Time{}
}

// admitRequest counts a request in the instance's window.
func (l *limiter) admitRequest() *apiError {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.limits.Requests == 0 {
		return nil
	}
	kept, err := l.admit(l.requests, l.limits.Requests)
	l.requests = kept
	return err
}

// admitWrite counts a write in the user's window.
func (l *limiter) admitWrite(user string) *apiError {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.limits.UserWrites == 0 {
		return nil
	}
	if len(l.writes) >= pruneThreshold {
		l.prune()
	}
	kept, err := l.admit(l.writes[user], l.limits.UserWrites)
	l.writes[user] = kept
	return err
}

// prune removes users whose last write is outside the window.
func (l *limiter) prune() {
	now := l.now()
	maps.DeleteFunc(l.writes, func(_ string, times []time.Time) bool {
		return now.Sub(times[len(times)-1]) >= l.limits.Window
	})
}

func (l *limiter) admit(times []time.Time, limit int) ([]time.Time, *apiError) {
	now := l.now()
	times = slices.DeleteFunc(times, func(t time.Time) bool { return now.Sub(t) >= l.limits.Window })
	if len(times) >= limit {
		return times, tooManyRequests(times[0].Add(l.limits.Window).Sub(now))
	}
	return append(times, now), nil
}

// limitWrites applies the limit of writes per user to an endpoint.
func (s *Server) limitWrites(next endpoint) endpoint {
	return func(r *http.Request) (any, error) {
		if err := s.limiter.admitWrite(r.PathValue("id")); err != nil {
			return nil, err
		}
		return next(r)
	}
}
