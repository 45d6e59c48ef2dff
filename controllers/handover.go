package controllers

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

// maxHandovers bounds the users that the sweep has handed over and the reconciler has not taken: the sweep waits then.
const maxHandovers = 2000

// handover is what the sweep hands over with a user who differs.
type handover struct {
	// read is the user as Clerk listed them; nil for a user who was not in the listing, which proves nothing.
	read *user.User
	// seen is the newest resourceVersion of any FitUser when the page was asked for. A FitUser that has changed since may
	// have got a hint since, of something that the page does not contain yet.
	seen uint64
}

// handovers are the users on their way from the sweep to the reconciler.
type handovers struct {
	places chan struct{}

	mu      sync.Mutex
	waiting map[user.ID]handover
	// used is Clerk's updated_at of the users that were read one by one since the pass began: nothing older counts.
	used map[user.ID]time.Time
	// gone are those of whom Clerk said since then that they are no more: no page counts.
	gone map[user.ID]bool
}

func newHandovers() *handovers {
	h := &handovers{places: make(chan struct{}, maxHandovers), waiting: map[user.ID]handover{}}
	h.begin()
	return h
}

// begin begins a pass. Who is left of the last one is read anew: what is known to be newer than its pages is forgotten.
func (h *handovers) begin() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.used, h.gone = map[user.ID]time.Time{}, map[user.ID]bool{}
	for id := range h.waiting {
		h.waiting[id] = handover{}
	}
}

// put leaves a user for the reconciler, and waits while too many are left already.
func (h *handovers) put(ctx context.Context, id user.ID, what handover) error {
	select {
	case h.places <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("handing over %s: %w", id, ctx.Err())
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, waits := h.waiting[id]; waits {
		<-h.places // it keeps the place it has
	}
	h.waiting[id] = what
	return nil
}

// take takes what was left for a user. It is gone then: whatever is tried again reads Clerk anew.
func (h *handovers) take(id user.ID) (handover, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	what, ok := h.waiting[id]
	if ok {
		delete(h.waiting, id)
		<-h.places
	}
	return what, ok
}

// use notes that u is acted on.
func (h *handovers) use(u user.User) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.used[u.ID] = u.UpdatedAt
	delete(h.gone, u.ID) // somebody came back under the same id
}

// useGone notes that Clerk has no such user any more.
func (h *handovers) useGone(id user.ID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gone[id] = true
}

// usable is what was handed over if it is not older than anything known: no FitUser of the user has changed since the
// page was asked for, and nothing newer was acted on.
func (h *handovers) usable(what handover, objects []*v1alpha1.FitUser) *user.User {
	if what.read == nil {
		return nil
	}
	for _, object := range objects {
		if version, err := strconv.ParseUint(object.ResourceVersion, 10, 64); err != nil || version > what.seen {
			return nil
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.gone[what.read.ID] || what.read.UpdatedAt.Before(h.used[what.read.ID]) {
		return nil
	}
	return what.read
}
