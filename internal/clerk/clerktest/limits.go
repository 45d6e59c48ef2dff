package clerktest

import (
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

// defaultWindow is the window that Clerk's rate limits are stated for.
const defaultWindow = 10 * time.Second

// maxWriters is how many users' windows are kept before those that have passed are looked for.
const maxWriters = 10_000

// Limits are Clerk's rate limits (docs: guides/how-clerk-works/system-limits). What is beyond them is answered 429
// with Retry-After. A zero number means no limit.
type Limits struct {
	// Requests is how many requests the instance takes in a window: Clerk's is 1000 in production, 100 in
	// development.
	Requests int
	// UserWrites is how many PATCHes and PUTs of one user and its metadata a window takes: Clerk's is 10.
	UserWrites int
	// Window is 10 s when zero.
	Window time.Duration
}

// limiter counts in sliding windows. Clerk does not document the kind of its windows.
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

// request takes a place in the instance's window.
func (l *limiter) request() *apiError {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.limits.Requests == 0 {
		return nil
	}
	kept, err := l.take(l.requests, l.limits.Requests)
	l.requests = kept
	return err
}

// write takes a place in the window of one user's writes.
func (l *limiter) write(user string) *apiError {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.limits.UserWrites == 0 {
		return nil
	}
	if len(l.writes) >= maxWriters {
		l.forget()
	}
	kept, err := l.take(l.writes[user], l.limits.UserWrites)
	l.writes[user] = kept
	return err
}

// forget drops the users whose last write is out of the window.
func (l *limiter) forget() {
	now := l.now()
	maps.DeleteFunc(l.writes, func(_ string, times []time.Time) bool {
		return now.Sub(times[len(times)-1]) >= l.limits.Window
	})
}

func (l *limiter) take(times []time.Time, limit int) ([]time.Time, *apiError) {
	now := l.now()
	times = slices.DeleteFunc(times, func(t time.Time) bool { return now.Sub(t) >= l.limits.Window })
	if len(times) >= limit {
		return times, tooManyRequests(times[0].Add(l.limits.Window).Sub(now))
	}
	return append(times, now), nil
}

// limited puts Clerk's limit of writes per user before an endpoint.
func (s *Server) limited(next endpoint) endpoint {
	return func(r *http.Request) (any, error) {
		if err := s.limiter.write(r.PathValue("id")); err != nil {
			return nil, err
		}
		return next(r)
	}
}
