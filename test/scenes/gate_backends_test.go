package scenes_test

import (
	"context"
	"errors"
	"net/http"

	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// gatedClerk is the gate for Clerk.
type gatedClerk struct {
	gate    *gate
	process *process
	next    http.RoundTripper
}

// RoundTrip implements http.RoundTripper. A write that Clerk rejects has no effect.
func (c gatedClerk) RoundTrip(request *http.Request) (response *http.Response, err error) {
	err = c.gate.pass(c.process, call{clerkAPI, request.Method, request, request.Method != http.MethodGet}, func() error {
		if response, err = c.next.RoundTrip(request); err == nil && response.StatusCode != http.StatusOK { //nolint:bodyclose // the caller does
			return errRefused
		}
		return err
	})
	if err != nil && !errors.Is(err, errRefused) {
		if response != nil {
			_ = response.Body.Close()
		}
		return nil, err
	}
	return response, nil
}

var errRefused = errors.New("the response is not 200")

// gatedStore is the gate for the database. Each call of the store is one statement or one transaction, so a process cannot
// crash between a statement and its commit.
type gatedStore struct {
	gate    *gate
	process *process
	next    store.Store
}

func (s gatedStore) Get(ctx context.Context, id user.ID) (row user.Row, err error) {
	err = s.gate.pass(s.process, call{database, "get", id, false}, func() error { row, err = s.next.Get(ctx, id); return err })
	return row, err
}

func (s gatedStore) Scan(ctx context.Context, after user.ID, limit int) (rows []user.Row, err error) {
	err = s.gate.pass(s.process, call{database, "scan", after, false}, func() error {
		rows, err = s.next.Scan(ctx, after, limit)
		return err
	})
	return rows, err
}

// put has the arguments of a call of Put.
type put struct {
	row   user.Row
	moves []store.Move
}

func (s gatedStore) Put(ctx context.Context, row user.Row, moves []store.Move) (stored user.Row, err error) {
	err = s.gate.pass(s.process, call{database, "put", put{row, moves}, true}, func() error {
		stored, err = s.next.Put(ctx, row, moves)
		return err
	})
	return stored, err
}

func (s gatedStore) Update(ctx context.Context, row user.Row) (stored user.Row, err error) {
	err = s.gate.pass(s.process, call{database, "update", row, true}, func() error {
		stored, err = s.next.Update(ctx, row)
		return err
	})
	return stored, err
}

func (s gatedStore) Rekey(ctx context.Context, holder store.Holder, key user.ID) error {
	return s.gate.pass(s.process, call{database, "rekey", holder, true}, func() error { return s.next.Rekey(ctx, holder, key) })
}

func (s gatedStore) FindUnclaimed(ctx context.Context, ownKey string, addresses []string) (found []store.Holder, err error) {
	err = s.gate.pass(s.process, call{database, "find", addresses, false}, func() error {
		found, err = s.next.FindUnclaimed(ctx, ownKey, addresses)
		return err
	})
	return found, err
}

func (s gatedStore) Table() store.Table { return s.next.Table() }

func (s gatedStore) Delete(ctx context.Context, id user.ID) (removed bool, err error) {
	err = s.gate.pass(s.process, call{database, "delete", id, true}, func() error { removed, err = s.next.Delete(ctx, id); return err })
	return removed, err
}
