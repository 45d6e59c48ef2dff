// Package store reads and writes users' rows in the application's users table, on PostgreSQL, SQLite, MySQL, MariaDB and
// libSQL. It owns the SQL, the connections, the schema check and the classification of drivers' errors. It does not own the
// table: it writes the columns of the [user.Mapping], and nothing else. Callers decide what a row should contain and when
// to write it.
//
// Read store.go and errors.go first, the contract. Then db.go (connections, retries), columns.go and statements.go
// (from columns to SQL), rows.go, scan.go, swap.go, rekey.go and legacy.go (the calls), check.go and problems.go (the schema
// check). Each engine begins with its name: postgres.go, sqlite.go, mysql.go, libsql.go. [Swappable] and [Instrumented] are
// decorators.
package store

import (
	"context"
	"strings"

	"github.com/fitai/fituser-operator/internal/user"
)

// Store reads and writes rows. Every method may be repeated and is safe for concurrent use.
//
// A call first waits for a slot, limited by ctx alone. From then on [Options.StatementTimeout] limits every statement
// and every transaction. Callers distinguish errors with errors.Is and errors.As, see the Err… variables. A cancelled
// ctx returns ctx.Err(). No error text contains a value of a row.
type Store interface {
	Reader
	Writer
}

// Reader reads rows.
type Reader interface {
	// Table describes the table in force. A changed mapping or URL puts another one in force at any time.
	Table() Table

	// Get reads the mapped columns. It returns [ErrNotFound] when no row has this key.
	Get(ctx context.Context, key user.ID) (user.Row, error)

	// Scan reads up to limit rows in the order of their keys, starting after the key after; an empty after starts with the
	// first row. The order is the database's own. CreatedAt is not read. A page with fewer rows than limit is the last.
	// Rows without a key are left out.
	Scan(ctx context.Context, after user.ID, limit int) ([]user.Row, error)

	// FindUnclaimed returns the rows whose key is no Clerk id, and which are not softly deleted: first the one that has the application's own key ownKey, then
	// those that hold one of the addresses, in their order. Addresses in another case are the same address. An empty ownKey
	// names no row. An address that several rows hold in different cases names none.
	FindUnclaimed(ctx context.Context, ownKey string, addresses []string) ([]Holder, error)
}

// Writer writes rows.
type Writer interface {
	// Put inserts the row, or updates its mapped columns and the time of the update. The creation time is written on insert
	// only. It returns the row as the database has stored it, which the application's triggers may have changed. Moves give
	// other rows their new addresses in the same transaction, so that two users can exchange addresses. In those rows
	// only the address and the time of the update are written. Other connections never see an intermediate state.
	//
	// It returns [*EmailTakenError] when a row outside the call holds an address that the call writes, compared as the
	// unique index compares. It returns [ErrConflict] when a move's row no longer holds From, when two rows of the
	// call want the same address, or when the mapping in force needs a field that the row lacks, and [ErrInvalidData] when
	// the database cannot hold a value. Nothing is written then.
	Put(ctx context.Context, row user.Row, moves []Move) (stored user.Row, err error)

	// Update is [Writer.Put] without moves for a row that exists. It returns [ErrNotFound] when no row has this key. It also
	// writes DeletedAt as it is.
	Update(ctx context.Context, row user.Row) (stored user.Row, err error)

	// Delete removes the row, and the rows that the application's schema cascades to. An absent row is not an error;
	// removed is false then. It returns [ErrRowInUse] when the schema does not allow the deletion, or when the row is still
	// there.
	Delete(ctx context.Context, key user.ID) (removed bool, err error)

	// Rekey gives a row that belongs to no Clerk user the key of one. It returns [ErrConflict] when the row is not as the
	// caller read it, and [*CannotRekeyError] when other tables refer to the key and do not follow.
	Rekey(ctx context.Context, holder Holder, key user.ID) error
}

// Table describes the users table.
type Table struct {
	Mapping *user.Mapping
	// EmailRequired is true when a row needs an address. It is known after the first check of the table, and true before.
	EmailRequired bool
}

// Move gives the row of ID the address To, provided that it still holds From.
type Move struct {
	ID       user.ID
	From, To string
}

// Holder identifies a row by more than its key, which rows from before Clerk may not have.
type Holder struct {
	// Key is empty for SQL NULL.
	Key user.ID
	// PrimaryKey is the text of the table's own primary key; empty where the key is that one, or where it has several
	// columns.
	PrimaryKey string
}

// String names the row in texts for people. A key from before Clerk may be an address, which does not belong there.
func (h Holder) String() string {
	for _, key := range []string{string(h.Key), h.PrimaryKey} {
		if key != "" && !strings.Contains(key, "@") {
			return key
		}
	}
	return "(a row with an address as its key)"
}

var (
	_ Store = (*DB)(nil)
	_ Store = (*Swappable)(nil)
	_ Store = instrumented{}
)
