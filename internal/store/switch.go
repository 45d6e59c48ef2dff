package store

import (
	"context"
	"sync"

	"github.com/fitai/fituser-operator/internal/user"
)

// Switch is a [Store] that delegates to the current [DB], so that a changed database URL needs no restart.
type Switch struct {
	mu      sync.Mutex
	current *tenure
}

// tenure is a DB for as long as it is the current one, and the calls that it still has to answer.
type tenure struct {
	db    *DB
	calls sync.WaitGroup
}

// NewSwitch starts with db, which it closes when it is replaced or closed.
func NewSwitch(db *DB) *Switch { return &Switch{current: &tenure{db: db}} }

// Replace checks next first. If that fails, next is closed and the old one stays. Otherwise calls go to next from now
// on, and the old one is closed once it has answered those that it has, or when ctx ends: who is still waiting then hears
// [ErrUnavailable]. An error says that the old one stays, and nothing else.
func (s *Switch) Replace(ctx context.Context, next *DB) error {
	if err := next.Check(ctx); err != nil {
		_ = next.Close() // nothing was written through it
		return err
	}
	s.mu.Lock()
	old := s.current
	s.current = &tenure{db: next}
	s.mu.Unlock()
	old.retire(ctx)
	return nil
}

func (t *tenure) retire(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		t.calls.Wait() // it ends: a closed pool takes nothing new, and a statement that runs has its timeout
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
	_ = t.db.Close() // nobody relies on it any more
}

func (s *Switch) join() *tenure {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current.calls.Add(1)
	return s.current
}

// Get implements [Store].
func (s *Switch) Get(ctx context.Context, id user.ID) (user.Row, error) {
	t := s.join()
	defer t.calls.Done()
	return t.db.Get(ctx, id)
}

// Scan implements [Store].
func (s *Switch) Scan(ctx context.Context, after user.ID, limit int) ([]user.Row, error) {
	t := s.join()
	defer t.calls.Done()
	return t.db.Scan(ctx, after, limit)
}

// Put implements [Store].
func (s *Switch) Put(ctx context.Context, row user.Row, moves []Move) error {
	t := s.join()
	defer t.calls.Done()
	return t.db.Put(ctx, row, moves)
}

// Delete implements [Store].
func (s *Switch) Delete(ctx context.Context, id user.ID) (removed bool, err error) {
	t := s.join()
	defer t.calls.Done()
	return t.db.Delete(ctx, id)
}

// Check is [DB.Check] of the current one.
func (s *Switch) Check(ctx context.Context) error {
	t := s.join()
	defer t.calls.Done()
	return t.db.Check(ctx)
}

// Close closes the current one.
func (s *Switch) Close() error {
	t := s.join()
	defer t.calls.Done()
	return t.db.Close()
}
