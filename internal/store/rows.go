package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/fitai/fituser-operator/internal/user"
)

// Get implements [Store] with one statement.
func (db *DB) Get(ctx context.Context, id user.ID) (user.Row, error) {
	row := user.Row{ID: id}
	err := db.call(ctx, func(ctx context.Context, s *statements) error {
		var created sql.NullInt64
		targets := append(scanTargets(nil, &row), &created)
		if err := db.pool.QueryRowContext(ctx, s.get, string(id)).Scan(targets...); err != nil {
			return err
		}
		if created.Valid {
			row.CreatedAt = time.UnixMilli(created.Int64).UTC()
		}
		return nil
	})
	if err != nil {
		return user.Row{}, fmt.Errorf("reading row of %s: %w", id, err)
	}
	return row, nil
}

// Delete implements [Store] with one statement.
func (db *DB) Delete(ctx context.Context, id user.ID) (removed bool, err error) {
	err = db.call(ctx, func(ctx context.Context, s *statements) error {
		n, err := db.exec(ctx, s.remove, string(id))
		removed = n > 0
		return err
	})
	var refusal *Error
	if errors.As(err, &refusal) && errors.Is(refusal, errRefused) {
		err = refusal.as(ErrRowInUse)
	}
	if err != nil {
		return false, fmt.Errorf("removing row of %s: %w", id, err)
	}
	return removed, nil
}

// Put implements [Store]: with one statement where there are no moves, and one transaction where there are.
func (db *DB) Put(ctx context.Context, row user.Row, moves []Move) error {
	if err := db.put(ctx, row, moves); err != nil {
		return fmt.Errorf("writing row of %s: %w", row.ID, err)
	}
	return nil
}

func (db *DB) put(ctx context.Context, row user.Row, moves []Move) error {
	if err := validateText(row, moves); err != nil {
		return err
	}
	for range writeAttempts {
		err := db.write(ctx, row, moves)
		if !errors.Is(err, errUnique) {
			return settled(err)
		}
		if err := db.findHolder(ctx, row, moves); err != nil {
			return err
		}
		if err := db.rehearse(ctx, row); err != nil {
			return settled(err)
		}
		// The address was taken and is free again, or it was this very row, which the application was inserting: PostgreSQL's
		// ON CONFLICT (id) does not cover the moment in which id and address appear together.
	}
	return fmt.Errorf("an address changes hands: %w", ErrConflict)
}

// writeAttempts bounds how often a write is repeated while others write the same addresses.
const writeAttempts = 3

// settled says what a refusal that is about this row's values means for the caller.
func settled(err error) error {
	var refusal *Error
	if errors.As(err, &refusal) && (errors.Is(refusal, errUnique) || errors.Is(refusal, errRefused)) {
		return refusal.as(ErrInvalidData)
	}
	return err
}

func (db *DB) write(ctx context.Context, row user.Row, moves []Move) error {
	return db.call(ctx, func(ctx context.Context, s *statements) error {
		now := db.now().UnixMilli()
		if len(moves) == 0 {
			_, err := db.exec(ctx, s.put, values(row, now)...)
			return err
		}
		return db.inTx(ctx, func(tx *sql.Tx) error {
			if err := (exchange{tx: tx, statements: s, row: row, moves: moves, now: now}).do(ctx); err != nil {
				return err
			}
			return db.mayWrite() // the commit is next
		})
	})
}

// values are what [statements].put takes.
func values(row user.Row, now int64) []any {
	return append(append([]any{string(row.ID)}, columnValues(row)...), row.CreatedAt.UnixMilli(), now)
}

// rehearse puts the row under an address that nobody has, and takes it back. If a unique index refuses that too, the
// address was not the reason, whatever else happened meanwhile. SQLite's codes do not tell which index refused.
func (db *DB) rehearse(ctx context.Context, row user.Row) error {
	row.Email = aside(row.ID, 0)
	err := db.call(ctx, func(ctx context.Context, s *statements) error {
		return db.inTx(ctx, func(tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, s.put, values(row, db.now().UnixMilli())...); err != nil {
				return err
			}
			return errRehearsed
		})
	})
	if errors.Is(err, errRehearsed) {
		return nil
	}
	return err
}

var errRehearsed = errors.New("the statement was rehearsed and rolled back")

// aside is an address that nobody can have, for as long as a transaction lasts. RFC 2606 reserves the domain.
func aside(id user.ID, n int) string { return fmt.Sprintf("%s.%d@moved.invalid", id, n) }
