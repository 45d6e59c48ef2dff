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

// senders is how many requests are under way at once where as much as possible is sent.
const senders = 16

// pour does n things, as many at once as there are senders, and at most rate per second if rate is not 0. It gives how
// many per second were done and how long each took, in order.
func pour(n int, rate float64, do func(i int) error) (perSecond float64, took []time.Duration, err error) {
	took = make([]time.Duration, n)
	errs := make([]error, n)
	slots := make(chan struct{}, 512) // more are not under way, however slow the other side is
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
			took[i] = time.Since(due) // a request that has to wait for its turn is late, too
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

// signUps are n messages of users who have signed up.
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

// keepAlive is a transport that keeps a connection for each request under way, so that none pays for dialing.
func keepAlive() http.RoundTripper {
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	return &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 512}
}

// BenchmarkAccept measures how many new users' events the receiver takes, beside how many FitUsers a bare client makes on
// the same API server in the same run: accept-ratio compares the two at full load, and p99-ratio how long the slowest
// hundredth takes while each is given half of what the slower one can do.
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
			perSecond, took, err := pour(n, rate, do)
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

// BenchmarkEventToRow measures how long a new user waits for the row, from the moment the event is sent, at rising load,
// into PostgreSQL and with the default --clerk-rate-limit; and what a user costs in requests to Clerk.
func BenchmarkEventToRow(b *testing.B) {
	for _, rate := range []int{10, 50, 100, 150, 200, 300} {
		b.Run(fmt.Sprintf("%dPerSecond", rate), func(b *testing.B) {
			for b.Loop() {
				n := rate * 8
				s := newSystem(b, postgres.URL(b))
				s.table.Exec("ALTER TABLE users ADD COLUMN n bigserial") // tells which rows are new
				s.attach(keepAlive())
				s.start("FITUSER_CLERK_RATE_LIMIT=20")
				s.eventually("the first sweep is done", s.swept) // it would find them before their events do
				messages := s.signUps(n, "e")
				requests := s.clerk.RequestCount("GET /users")
				waits := s.watchRows(n)
				sent := make([]time.Time, n)
				_, _, err := pour(n, float64(rate), func(i int) error {
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

// requestsForUsers is how often Clerk was asked for users, one by one or many together.
func (s *system) requestsForUsers() int {
	return s.clerk.RequestCount("GET /users") + s.clerk.RequestCount("GET /users/{id}")
}

// watchRows notes when each row appears, until there are n.
func (s *system) watchRows(n int) <-chan map[string]time.Time {
	done := make(chan map[string]time.Time, 1)
	table := s.table.Begin() // for its connection: each statement in it sees what is committed by then
	go func() {
		defer table.Rollback()
		arrived, last := map[string]time.Time{}, int64(0)
		for len(arrived) < n {
			<-time.After(5 * time.Millisecond)
			for _, row := range table.Query("SELECT n, id FROM users WHERE n > $1", last-1000) { // they are not committed in order
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
