// Package store reads and writes users' rows in the application's users table, on SQLite and PostgreSQL. It owns the
// SQL, the connections, the schema check and the classification of drivers' errors. It does not own the table: it
// writes the columns of [user.Row] and updated_at, and nothing else. Callers decide what a row should contain and when
// to write it.
//
// Read store.go and errors.go first, the contract. Then db.go (connections, retries), columns.go and statements.go
// (from columns to SQL), rows.go, scan.go and swap.go (the calls), check.go and problems.go (the schema check). Each
// engine is one file, postgres.go and sqlite.go. [Swappable] and [Instrumented] are decorators.
package store

import (
	"context"

	"github.com/fitai/fituser-operator/internal/user"
)

// Store reads and writes rows. Every method may be repeated and is safe for concurrent use.
//
// A call first waits for a slot, limited by ctx alone. From then on [Options.StatementTimeout] limits every statement
// and every transaction. Callers distinguish errors with errors.Is and errors.As, see the Err… variables. A cancelled
// ctx returns ctx.Err(). No error text contains a value of a row.
type Store interface {
	// Get reads the owned columns. It returns [ErrNotFound] when the row does not exist.
	Get(ctx context.Context, id user.ID) (user.Row, error)

	// Scan reads up to limit rows in the order of their ids, starting after the id after; an empty after starts with the
	// first row. The order is the database's own. CreatedAt is not read. A page with fewer rows than limit is the last.
	Scan(ctx context.Context, after user.ID, limit int) ([]user.Row, error)

	// Put inserts the row, or updates its owned columns and updated_at. created_at is written on insert only. Moves give
	// other rows their new addresses in the same transaction, so that two users can exchange addresses. In those rows
	// only email and updated_at are written. Other connections never see an intermediate state.
	//
	// It returns [*EmailTakenError] when a row outside the call holds an address that the call writes, compared as the
	// unique index compares. It returns [ErrConflict] when a move's row no longer holds From, or when two rows of the
	// call want the same address, and [ErrInvalidData] when the database cannot hold a value. Nothing is written then.
	Put(ctx context.Context, row user.Row, moves []Move) error

	// Delete removes the row, and the rows that the application's schema cascades to. An absent row is not an error;
	// removed is false then. It returns [ErrRowInUse] when the schema does not allow the deletion.
	Delete(ctx context.Context, id user.ID) (removed bool, err error)
}

// Move gives the row of ID the address To, provided that it still holds From.
type Move struct {
	ID       user.ID
	From, To string
}

var (
	_ Store = (*DB)(nil)
	_ Store = (*Swappable)(nil)
	_ Store = instrumented{}
)
