package fituser

import (
	"context"
	"fmt"
	"sync"

	"github.com/fitai/fituser-operator/internal/user"
)

// maxSwept is how many users that a sweep found may wait for their reconcile. The sweep waits beyond that, so that the
// queue stays small.
const maxSwept = 2000

// sweptSet holds the users that a sweep found and that are not reconciled yet. It bounds the queue and tells drift from
// changes that an event or a manifest caused; losing it loses only counts.
type sweptSet struct {
	slots chan struct{}

	mu    sync.Mutex
	users map[user.ID]struct{}
}

func newSweptSet() sweptSet {
	return sweptSet{slots: make(chan struct{}, maxSwept), users: map[user.ID]struct{}{}}
}

// add waits for a slot and adds id.
func (s *sweptSet) add(ctx context.Context, id user.ID) error {
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("requesting a reconcile of %s: %w", id, ctx.Err())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, waits := s.users[id]; waits {
		<-s.slots // it has a slot already
	}
	s.users[id] = struct{}{}
	return nil
}

// remove removes id and reports whether it was there.
func (s *sweptSet) remove(id user.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, found := s.users[id]
	if found {
		delete(s.users, id)
		<-s.slots
	}
	return found
}
