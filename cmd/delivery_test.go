package main

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
)

// deliverBadly delivers messages as a bad day does: shuffled, every tenth twice, a third of them failing at first, half
// of those only after they have arrived; many at a time.
func (s *system) deliverBadly(messages []clerktest.Message) {
	s.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	for i := range messages {
		if i%10 == 0 {
			messages = append(messages, messages[i])
		}
	}
	random.Shuffle(len(messages), func(i, j int) { messages[i], messages[j] = messages[j], messages[i] })
	line := &badLine{}
	s.attach(line)
	s.clerk.Attach(nil)
	for round := 0; len(messages) > 0; round++ {
		if round == 5 {
			s.Fatalf("%d messages are refused for good", len(messages))
		}
		line.bad = round == 0
		messages = s.attempt(messages)
		random.Shuffle(len(messages), func(i, j int) { messages[i], messages[j] = messages[j], messages[i] })
	}
}

// attempt delivers each message once and returns those that failed.
func (s *system) attempt(messages []clerktest.Message) (failed []clerktest.Message) {
	var mu sync.Mutex
	var workers sync.WaitGroup
	work := make(chan clerktest.Message)
	for range 16 {
		workers.Go(func() {
			for message := range work {
				status, err := s.sender.Deliver(s.Context(), message)
				if err == nil && status < 300 {
					continue
				}
				mu.Lock()
				failed = append(failed, message)
				mu.Unlock()
			}
		})
	}
	for _, message := range messages {
		work <- message
	}
	close(work)
	workers.Wait()
	return failed
}

// badLine loses, while bad, every third delivery: by turns on the way there and on the way back.
type badLine struct {
	bad   bool
	count atomic.Int64
}

var errLost = errors.New("lost on the way")

func (l *badLine) RoundTrip(request *http.Request) (*http.Response, error) {
	n := l.count.Add(1)
	if l.bad && n%6 == 0 {
		return nil, errLost
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err == nil && l.bad && n%6 == 3 {
		_ = response.Body.Close()
		return nil, errLost
	}
	return response, err
}
