package store

import (
	"context"
	"sync"

	"github.com/fitai/fituser-operator/internal/user"
)

// Swappable is a [Store] that delegates to the current [DB], so that a changed database URL or mapping does not need a restart.
type Swappable struct {
	mu      sync.Mutex
	current *lease
}

// lease counts the running calls of a DB, so that it is closed after the last one.
type lease struct {
	db    *DB
	calls sync.WaitGroup
}

// NewSwappable returns a Swappable that delegates to db. It closes db when db is replaced or the Swappable is closed.
func NewSwappable(db *DB) *Swappable { return &Swappable{current: &lease{db: db}} }

// Replace checks next first. If the check fails, Replace closes next, keeps the old DB and returns the error. Otherwise
// new calls go to next. The old DB is closed when its running calls have returned or ctx ends, whichever is first;
// calls that still run then return [ErrUnavailable].
func (s *Swappable) Replace(ctx context.Context, next *DB) error {
	if err := next.Check(ctx); err != nil {
		_ = next.Close() // nothing was written through it
		return err
	}
	s.mu.Lock()
	old := s.current
	s.current = &lease{db: next}
	s.mu.Unlock()
	old.drain(ctx)
	return nil
}

// drain waits for the running calls and closes the DB.
func (l *lease) drain(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		l.calls.Wait() // it ends: a closed pool accepts no new calls, and running statements have their timeout
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
	_ = l.db.Close() // its writes are finished or given up
}

func (s *Swappable) acquire() *lease {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current.calls.Add(1)
	return s.current
}

// Get implements [Store].
func (s *Swappable) Get(ctx context.Context, key user.ID) (user.Row, error) {
	l := s.acquire()
	defer l.calls.Done()
	return l.db.Get(ctx, key)
}

// Scan implements [Store].
func (s *Swappable) Scan(ctx context.Context, after user.ID, limit int) ([]user.Row, error) {
	l := s.acquire()
	defer l.calls.Done()
	return l.db.Scan(ctx, after, limit)
}

// Table implements [Store].
func (s *Swappable) Table() Table {
	l := s.acquire()
	defer l.calls.Done()
	return l.db.Table()
}

// FindUnclaimed implements [Store].
func (s *Swappable) FindUnclaimed(ctx context.Context, ownKey string, addresses []string) ([]Holder, error) {
	l := s.acquire()
	defer l.calls.Done()
	return l.db.FindUnclaimed(ctx, ownKey, addresses)
}

// Put implements [Store].
func (s *Swappable) Put(ctx context.Context, row user.Row, moves []Move) (user.Row, error) {
	l := s.acquire()
	defer l.calls.Done()
	return l.db.Put(ctx, row, moves)
}

// Update implements [Store].
func (s *Swappable) Update(ctx context.Context, row user.Row) (user.Row, error) {
	l := s.acquire()
	defer l.calls.Done()
	return l.db.Update(ctx, row)
}

// Rekey implements [Store].
func (s *Swappable) Rekey(ctx context.Context, holder Holder, key user.ID) error {
	l := s.acquire()
	defer l.calls.Done()
	return l.db.Rekey(ctx, holder, key)
}

// Delete implements [Store].
func (s *Swappable) Delete(ctx context.Context, key user.ID) (removed bool, err error) {
	l := s.acquire()
	defer l.calls.Done()
	return l.db.Delete(ctx, key)
}

// Check calls [DB.Check] of the current DB.
func (s *Swappable) Check(ctx context.Context) error {
	l := s.acquire()
	defer l.calls.Done()
	return l.db.Check(ctx)
}

// Close closes the current DB.
func (s *Swappable) Close() error {
	l := s.acquire()
	defer l.calls.Done()
	return l.db.Close()
}
