package clerktest

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
)

// SvixSchedule returns Svix's delay before each retry (docs.svix.com/retries): eight attempts in 27.5 hours.
func SvixSchedule() []time.Duration {
	return []time.Duration{
		5 * time.Second, 5 * time.Minute, 30 * time.Minute,
		2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 10 * time.Hour,
	}
}

// busyDelay is Svix's minimum delay after a 429 or a timeout.
const busyDelay = time.Minute

// jitter is the fraction by which Svix varies a delay in either direction.
const jitter = 0.2

// Attempt is one delivery attempt of [Sender.Run].
type Attempt struct {
	Message Message
	Number  int           // starts at 1
	Status  int           // 0 without a response, see Err
	Err     error         // nil with a response
	Retry   time.Duration // until the next attempt; 0 if the message is delivered or abandoned
}

// delivery is a queued message.
type delivery struct {
	Message
	number   int // order of sending
	attempts int // so far
	due      time.Time
}

// Run delivers messages as Svix does until ctx ends, then waits for the running attempts. It uses the real clock. Only
// one Run may be active.
func (s *Sender) Run(ctx context.Context) error {
	var workers errgroup.Group
	workers.SetLimit(max(s.config.Workers, 1))
	for ctx.Err() == nil {
		d, wait := s.nextDelivery()
		if d == nil {
			s.sleep(ctx, wait)
			continue
		}
		workers.Go(func() error {
			s.runAttempt(ctx, d)
			return nil
		})
	}
	return workers.Wait()
}

// nextDelivery dequeues the next message that is due. If there is none, it returns the time until the next one.
func (s *Sender) nextDelivery() (*delivery, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return nil, time.Hour
	}
	if wait := s.queue[0].due.Sub(s.config.Now()); wait > 0 {
		return nil, wait
	}
	d, _ := heap.Pop(&s.queue).(*delivery)
	return d, 0
}

// sleep waits for the given time, a new message or the end of ctx.
func (s *Sender) sleep(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-s.wake:
	}
}

// runAttempt makes one attempt and queues the next one if the schedule has one.
func (s *Sender) runAttempt(ctx context.Context, d *delivery) {
	got, err := s.attempt(ctx, d.Message)
	if ctx.Err() != nil {
		s.requeue(d) // Run was stopped; the attempt does not count
		return
	}
	d.attempts++
	var retry time.Duration
	if (err != nil || !got.delivered()) && d.attempts <= len(s.config.Schedule) {
		retry = retryDelay(s.config.Schedule[d.attempts-1], got, err, rand.Float64())
		d.due = s.config.Now().Add(retry)
		s.requeue(d)
	}
	if s.config.OnAttempt != nil {
		s.config.OnAttempt(Attempt{Message: d.Message, Number: d.attempts, Status: got.status, Err: err, Retry: retry})
	}
}

func (s *Sender) requeue(d *delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.push(d)
}

// push queues d and wakes Run. The caller holds s.mu.
func (s *Sender) push(d *delivery) {
	heap.Push(&s.queue, d)
	select {
	case s.wake <- struct{}{}:
	default: // a wake-up is pending already
	}
}

// retryDelay returns the delay before a retry (Svix's worker, calculate_retry_delay). It is the scheduled delay, varied
// by random (0 to 1). After a 429 or a timeout it is at least a minute. The endpoint's Retry-After can extend it, up to
// twice the scheduled delay.
func retryDelay(scheduled time.Duration, got endpointResponse, err error, random float64) time.Duration {
	delay := time.Duration(float64(scheduled) * (1 - jitter + 2*jitter*random))
	if got.status == http.StatusTooManyRequests || errors.Is(err, context.DeadlineExceeded) {
		delay = max(delay, busyDelay)
	}
	return max(delay, min(got.retryAfter, 2*scheduled))
}

// deliveries is a heap ordered by due time, then by order of sending. See [container/heap].
type deliveries []*delivery

// Len implements [heap.Interface].
func (q deliveries) Len() int { return len(q) }

// Less implements [heap.Interface].
func (q deliveries) Less(i, j int) bool {
	return cmp.Or(q[i].due.Compare(q[j].due), cmp.Compare(q[i].number, q[j].number)) < 0
}

// Swap implements [heap.Interface].
func (q deliveries) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push implements [heap.Interface].
func (q *deliveries) Push(x any) {
	if d, ok := x.(*delivery); ok {
		*q = append(*q, d)
	}
}

// Pop implements [heap.Interface].
func (q *deliveries) Pop() any {
	old := *q
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return last
}
