package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fitai/fituser-operator/internal/user"
)

// A database can take a statement and do nothing, without any error: a policy of row level security hides the row from the
// statement, a trigger drops the write, or a rule puts another one in its place.
var (
	errKept    = &Error{Class: ErrRowInUse, Cause: "a trigger, a rule or a policy of row level security keeps it"}
	errDropped = &Error{Class: ErrTrigger, Cause: "a trigger, a rule or a policy of row level security drops it without an error"}
	// errVanished means that the row is not there after its write, in the same transaction.
	errVanished = &Error{Class: ErrTrigger, Cause: "the row is not there after its write: a trigger removes it, or a policy hides it"}
)

// deleteAttempts is how often a deletion that deletes nothing is repeated: the application may insert the row just after the
// first.
const deleteAttempts = 2

// removeRow deletes the row. It returns errKept when the row is still there.
func (s *statements) removeRow(ctx context.Context, on querier, key user.ID) (removed bool, err error) {
	n, err := exec(ctx, on, s.remove, string(key))
	if err != nil || n > 0 {
		return n > 0, err
	}
	switch _, err := s.read(ctx, on, key); {
	case errors.Is(err, sql.ErrNoRows):
		return false, nil
	case err != nil:
		return false, err
	default:
		return false, errKept
	}
}

// asRowInUse returns [ErrRowInUse] for a deletion that the application's schema refuses, with what keeps the row.
func (db *DB) asRowInUse(ctx context.Context, key user.ID, err error) error {
	var refusal *Error
	if !errors.As(err, &refusal) || !errors.Is(refusal, errRefused) && !refusal.raised {
		return err
	}
	inUse := refusal.as(ErrRowInUse)
	tables := []string{refusal.Table}
	if refusal.Table == "" {
		tables = db.referringTables(ctx, key)
	}
	switch {
	case len(tables) > 0:
		inUse.Cause = "rows of the table " + strings.Join(tables, ", ") + " refer to it"
	case refusal.raised:
		inUse.Cause = "a trigger or function of the application refuses the deletion"
	default:
		inUse.Cause = "other rows refer to it"
	}
	return inUse
}

// referringTables returns the tables with rows that refer to the row and keep it, for an engine whose errors do not name
// the table. Without an answer there are none: the refusal itself is known.
func (db *DB) referringTables(ctx context.Context, key user.ID) []string {
	if db.dialect.referring == "" {
		return nil
	}
	var tables []string
	_ = db.do(ctx, func(ctx context.Context, s *statements) error {
		return db.inTx(ctx, func(tx *sql.Tx) error {
			references, err := db.deletionKeepers(ctx, tx)
			for _, r := range references {
				var found bool
				query := s.d.statement("SELECT EXISTS (SELECT 1 FROM " + s.d.quote(r.table) + " WHERE " + s.d.quote(r.from) +
					" IN (SELECT " + s.d.quote(r.to) + " FROM " + s.table + " WHERE " + s.sameKey(fmt.Sprintf(s.keyCodec.write, "$1")) + "))")
				if tx.QueryRowContext(ctx, query.text, query.args([]any{string(key)})...).Scan(&found) == nil && found {
					tables = append(tables, r.table)
				}
			}
			return err
		})
	})
	slices.Sort(tables)
	return slices.Compact(tables)
}

// reference is a foreign key to the users table that keeps the row that it refers to from being deleted.
type reference struct{ table, from, to string }

func (db *DB) deletionKeepers(ctx context.Context, tx *sql.Tx) ([]reference, error) {
	var all []reference
	query := db.dialect.statement(db.dialect.referring)
	err := eachRow(ctx, tx, query.text, query.args(db.dialect.tableArgs(db.mapping)), func(rows *sql.Rows) error {
		var r reference
		err := rows.Scan(&r.table, &r.from, &r.to)
		all = append(all, r)
		return err
	})
	return all, err
}

// checkDeferred checks the constraints that the application defers to the commit. A transaction that is rolled back would
// not find out that they refuse the write.
func (db *DB) checkDeferred(ctx context.Context, tx *sql.Tx) error {
	if db.dialect.checkDeferred == "" {
		return nil
	}
	_, err := tx.ExecContext(ctx, db.dialect.checkDeferred)
	return err
}

// triggers returns the names of the application's triggers on the table.
func (db *DB) triggers(ctx context.Context) (names []string) {
	if db.dialect.triggers == "" {
		return nil
	}
	_ = db.inTx(ctx, func(tx *sql.Tx) error { // without an answer there are none: the caller has its own error
		query := db.dialect.statement(db.dialect.triggers)
		return eachRow(ctx, tx, query.text, query.args(db.dialect.tableArgs(db.mapping)), func(rows *sql.Rows) error {
			var name string
			err := rows.Scan(&name)
			names = append(names, name)
			return err
		})
	})
	return names
}

// refersToNothing returns the error of a statement that refers to something that the database does not have, although a new
// check finds everything that the statement itself needs. Then it is a trigger that refers to it.
func (db *DB) refersToNothing(ctx context.Context, refusal *Error) error {
	names := db.triggers(ctx)
	if len(names) == 0 {
		return &SchemaError{Problems: []string{"a statement refers to something that the database does not have (" + refusal.Code + ")"}}
	}
	failed := refusal.as(ErrTrigger)
	failed.Cause, failed.Name = "a trigger refers to something that the database does not have", strings.Join(names, " or ")
	return failed
}
