package main

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
)

// deliverUnreliably delivers many messages at a time: shuffled, every tenth twice. In the first round a third fails, half of
// those after they have arrived.
func (s *system) deliverUnreliably(messages []clerktest.Message) {
	s.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	for i := range messages {
		if i%10 == 0 {
			messages = append(messages, messages[i])
		}
	}
	random.Shuffle(len(messages), func(i, j int) { messages[i], messages[j] = messages[j], messages[i] })
	transport := &unreliableTransport{}
	s.attach(transport)
	s.clerk.Attach(nil)
	for round := 0; len(messages) > 0; round++ {
		if round == 5 {
			s.Fatalf("%d messages are still refused", len(messages))
		}
		transport.failing = round == 0
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

// unreliableTransport loses every third delivery while it is failing: alternately the request and the response.
type unreliableTransport struct {
	failing bool
	count   atomic.Int64
}

var errLost = errors.New("lost in transit")

// RoundTrip implements [http.RoundTripper].
func (u *unreliableTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	n := u.count.Add(1)
	if u.failing && n%6 == 0 {
		return nil, errLost
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err == nil && u.failing && n%6 == 3 {
		_ = response.Body.Close()
		return nil, errLost
	}
	return response, err
}
