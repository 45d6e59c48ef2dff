package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/store/storetest"
)

// senders is how many requests are in progress at full load.
const senders = 16

// runLoad calls do n times: at most rate per second, or with rate 0 as many at once as there are senders. It returns how many
// calls per second were done, and the sorted durations.
func runLoad(n int, rate float64, do func(i int) error) (perSecond float64, took []time.Duration, err error) {
	took = make([]time.Duration, n)
	errs := make([]error, n)
	slots := make(chan struct{}, 512) // no more are in progress, however slow the other side is
	if rate == 0 {
		slots = make(chan struct{}, senders)
	}
	start := time.Now()
	var all sync.WaitGroup
	for i := range n {
		due := start
		if rate > 0 {
			due = start.Add(time.Duration(float64(i) / rate * float64(time.Second)))
			<-time.After(time.Until(due))
		}
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			if rate == 0 {
				due = time.Now()
			}
			errs[i] = do(i)
			took[i] = time.Since(due) // a request that waits for a slot is late, too
		})
	}
	all.Wait()
	perSecond = float64(n) / time.Since(start).Seconds()
	slices.Sort(took)
	for _, e := range errs {
		if e != nil {
			return perSecond, took, e
		}
	}
	return perSecond, took, nil
}

func percentile(sorted []time.Duration, percent int) time.Duration {
	return sorted[min(len(sorted)-1, len(sorted)*percent/100)]
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// signUps returns the messages of n users who sign up.
func (s *system) signUps(n int, prefix string) []clerktest.Message {
	s.Helper()
	for i := range n {
		s.clerk.SignUp(clerktest.Person{ID: fmt.Sprintf("user_%s%d", prefix, i), Email: fmt.Sprintf("%s%d@example.com", prefix, i), FirstName: "One"})
	}
	messages := s.sender.Pending()
	for _, m := range messages {
		s.sender.Drop(m.ID)
	}
	return messages
}

func (s *system) send(m clerktest.Message) error {
	status, err := s.sender.Deliver(context.Background(), m)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("status %d", status)
	}
	return err
}

// keepAlive returns a transport that keeps a connection for each request in progress, so that no request dials.
func keepAlive() http.RoundTripper {
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	return &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 512}
}

// BenchmarkAccept measures how many events of new users the receiver accepts. A plain client that creates FitUsers on the same
// API server is the reference: accept-ratio compares the two at full load. p99-ratio compares the slowest hundredth of each
// at half the load that the slower one can carry.
func BenchmarkAccept(b *testing.B) {
	const n = 2000
	for b.Loop() {
		s := newSystem(b, storetest.SQLite(b))
		s.attach(keepAlive())
		s.start("FITUSER_CONTROLLER=false")
		create := func(prefix string) func(int) error {
			return func(i int) error {
				return s.objects.Create(context.Background(), fitusers.New(s.namespace, fmt.Sprintf("user_%s%d", prefix, i), 0))
			}
		}
		deliver := func(messages []clerktest.Message) func(int) error {
			return func(i int) error { return s.send(messages[i]) }
		}
		measure := func(rate float64, do func(int) error) (float64, []time.Duration) {
			perSecond, took, err := runLoad(n, rate, do)
			if err != nil {
				b.Fatal(err)
			}
			return perSecond, took
		}
		_, _ = measure(0, create("warm"))
		bare, _ := measure(0, create("bare"))
		accepted, _ := measure(0, deliver(s.signUps(n, "full")))
		half := min(bare, accepted) / 2
		_, bareTook := measure(half, create("half"))
		_, took := measure(half, deliver(s.signUps(n, "calm")))
		b.ReportMetric(accepted, "accepted/s")
		b.ReportMetric(bare, "bare-creates/s")
		b.ReportMetric(accepted/bare, "accept-ratio")
		b.ReportMetric(milliseconds(percentile(took, 50)), "p50-ms")
		b.ReportMetric(milliseconds(percentile(took, 99)), "p99-ms")
		b.ReportMetric(milliseconds(percentile(bareTook, 99)), "bare-p99-ms")
		b.ReportMetric(milliseconds(percentile(took, 99))/milliseconds(percentile(bareTook, 99)), "p99-ratio")
		s.stop()
	}
}

// BenchmarkEventToRow measures the time from the sending of a new user's event to the row, at rising load, with PostgreSQL and
// the default --clerk-rate-limit. It also measures the requests to Clerk for each user.
func BenchmarkEventToRow(b *testing.B) {
	for _, rate := range []int{10, 50, 100, 150, 200, 300} {
		b.Run(fmt.Sprintf("%dPerSecond", rate), func(b *testing.B) {
			for b.Loop() {
				n := rate * 8
				s := newSystem(b, postgres.URL(b))
				s.table.Exec("ALTER TABLE users ADD COLUMN n bigserial") // to find the new rows
				s.attach(keepAlive())
				s.start("FITUSER_CLERK_RATE_LIMIT=20")
				s.eventually("the first sweep is done", s.swept) // it would find the users before their events do
				messages := s.signUps(n, "e")
				requests := s.clerk.RequestCount("GET /users")
				waits := s.watchRows(n)
				sent := make([]time.Time, n)
				_, _, err := runLoad(n, float64(rate), func(i int) error {
					sent[i] = time.Now()
					return s.send(messages[i])
				})
				if err != nil {
					b.Fatal(err)
				}
				arrived := <-waits
				took := make([]time.Duration, n)
				for i := range n {
					took[i] = arrived[fmt.Sprintf("user_e%d", i)].Sub(sent[i])
				}
				slices.Sort(took)
				b.ReportMetric(milliseconds(percentile(took, 50)), "p50-ms")
				b.ReportMetric(milliseconds(percentile(took, 99)), "p99-ms")
				b.ReportMetric(float64(s.requestsForUsers()-requests)/float64(n), "clerk-requests/user")
				s.stop()
			}
		})
	}
}

// requestsForUsers counts the requests to Clerk for one user or for several.
func (s *system) requestsForUsers() int {
	return s.clerk.RequestCount("GET /users") + s.clerk.RequestCount("GET /users/{id}")
}

// watchRows records when each row appears, until there are n.
func (s *system) watchRows(n int) <-chan map[string]time.Time {
	done := make(chan map[string]time.Time, 1)
	table := s.table.Begin() // for its connection: each statement in it sees the rows that are committed
	go func() {
		defer table.Rollback()
		arrived, last := map[string]time.Time{}, int64(0)
		for len(arrived) < n {
			<-time.After(5 * time.Millisecond)
			for _, row := range table.Query("SELECT n, id FROM users WHERE n > $1", last-1000) { // rows are not committed in order
				id, _ := row["id"].(string)
				if _, known := arrived[id]; !known {
					arrived[id] = time.Now()
				}
				if at, ok := row["n"].(int64); ok {
					last = max(last, at)
				}
			}
		}
		done <- arrived
	}()
	return done
}
