package soak

import (
	"encoding/json"
	"sync"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
)

// acks are the events that a receiver has answered with a 2xx: from then on nobody sends them again.
type acks struct {
	mu       sync.Mutex
	newest   map[string]int64 // by user, the time of the newest change whose event was acknowledged
	attempts int
	events   int
	refused  map[int]int // attempts by the status that was no 2xx; 0 is no answer
}

// attempted is told of every attempt to deliver a webhook.
func (a *acks) attempted(attempt clerktest.Attempt) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.attempts++
	if attempt.Err != nil || attempt.Status/100 != 2 {
		if a.refused == nil {
			a.refused = map[int]int{}
		}
		a.refused[attempt.Status]++
		return
	}
	a.events++
	var event struct {
		Data struct {
			ID string `json:"id"`
		} `json:"data"`
		Timestamp int64 `json:"timestamp"`
	}
	if json.Unmarshal(attempt.Message.Body, &event) != nil {
		return
	}
	if a.newest == nil {
		a.newest = map[string]int64{}
	}
	a.newest[event.Data.ID] = max(a.newest[event.Data.ID], event.Timestamp)
}

// covers tells whether the event of a user's change at that time was acknowledged. An event's time is later than its
// change's.
func (a *acks) covers(id string, changed int64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.newest[id] > changed
}
