package soak

import (
	"encoding/json"
	"sync"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
)

// acks records the events that a receiver acknowledged with a 2xx. Clerk does not send them again.
type acks struct {
	mu       sync.Mutex
	newest   map[string]int64 // by user: the time of the newest acknowledged event
	attempts int
	events   int
	rejected map[int]int // attempts without a 2xx, by status; 0 for no response
}

// record records an attempt to deliver a webhook.
func (a *acks) record(attempt clerktest.Attempt) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.attempts++
	if attempt.Err != nil || attempt.Status/100 != 2 {
		if a.rejected == nil {
			a.rejected = map[int]int{}
		}
		a.rejected[attempt.Status]++
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

// covers reports whether the event of a user's change was acknowledged. An event is later than its change.
func (a *acks) covers(id string, changed int64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.newest[id] > changed
}
