// Package store keeps users' rows in the application's users table, on SQLite and on PostgreSQL. It owns the SQL, the
// connections, the check that the table fits, and what a driver's error means. It does not own the table: it writes
// the columns that [user.Row] names and updated_at, and touches nothing else. What a row should hold, and when to
// write it, is decided by its callers.
package store

import (
	"context"

	"github.com/fitai/fituser-operator/internal/user"
)

// Store reads and writes rows. Every method may be repeated and is safe for concurrent use. Every statement and every
// transaction is bounded by [Options.StatementTimeout] once it has its turn, and the wait for a turn by ctx alone. Errors
// are told apart with errors.Is and errors.As, see the Err… variables; a cancelled ctx comes back as ctx.Err(). No error's
// text holds a value of a row.
type Store interface {
	// Get reads the columns we own. [ErrNotFound] when there is no row.
	Get(ctx context.Context, id user.ID) (user.Row, error)

	// Scan reads up to limit rows in the order of their ids, from the one that follows after; an empty after begins with
	// the first. The order is the database's own. CreatedAt is not read. Fewer rows than limit: there are no more.
	Scan(ctx context.Context, after user.ID, limit int) ([]user.Row, error)

	// Put inserts the row, or updates the columns we own and updated_at. created_at is written with the row and never
	// again. Moves give other rows their new addresses in the same transaction, so that two users can exchange
	// addresses; of those rows only email and updated_at are written. Nobody sees a state in between.
	//
	// [*EmailTakenError] when a row that is no part of the call holds an address that the call wants, by the
	// comparison of the unique index; [ErrConflict] when a move's row no longer holds From, or rows of the call want
	// the same address; [ErrInvalidData] when the database cannot hold a value. Nothing is written then.
	Put(ctx context.Context, row user.Row, moves []Move) error

	// Delete removes the row, and what the application's schema says goes with it. An absent row is no error:
	// removed tells. [ErrRowInUse] when the schema says that the row has to stay.
	Delete(ctx context.Context, id user.ID) (removed bool, err error)
}

// Move gives the row of ID the address To, provided that it still holds From.
type Move struct {
	ID       user.ID
	From, To string
}

var (
	_ Store = (*DB)(nil)
	_ Store = (*Switch)(nil)
)
