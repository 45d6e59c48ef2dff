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
	err := db.do(ctx, func(ctx context.Context, s *statements) error {
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
	err = db.do(ctx, func(ctx context.Context, s *statements) error {
		n, err := db.exec(ctx, s.remove, string(id))
		removed = n > 0
		return err
	})
	var refusal *Error
	if errors.As(err, &refusal) && errors.Is(refusal, errRefused) {
		err = refusal.as(ErrRowInUse)
	}
	if err != nil {
		return false, fmt.Errorf("deleting row of %s: %w", id, err)
	}
	return removed, nil
}

// Put implements [Store] with one statement. With moves it uses a transaction.
func (db *DB) Put(ctx context.Context, row user.Row, moves []Move) error {
	if err := db.put(ctx, row, moves); err != nil {
		return fmt.Errorf("writing row of %s: %w", row.ID, err)
	}
	return nil
}

// writeAttempts limits how often Put repeats a write while others write the same addresses.
const writeAttempts = 3

func (db *DB) put(ctx context.Context, row user.Row, moves []Move) error {
	if err := validateText(row, moves); err != nil {
		return err
	}
	for range writeAttempts {
		err := db.write(ctx, row, moves)
		if !errors.Is(err, errUnique) {
			return asInvalidData(err)
		}
		if err := db.findHolder(ctx, row, moves); err != nil {
			return err
		}
		if err := db.probeWrite(ctx, row); err != nil {
			return asInvalidData(err)
		}
		// Either the holder has released the address meanwhile, or the application was inserting this very row:
		// PostgreSQL's ON CONFLICT (id) does not cover the moment in which id and address appear together.
	}
	return fmt.Errorf("the address is changing hands: %w", ErrConflict)
}

// asInvalidData returns [ErrInvalidData] for a refusal that concerns this row's values.
func asInvalidData(err error) error {
	var refusal *Error
	if errors.As(err, &refusal) && (errors.Is(refusal, errUnique) || errors.Is(refusal, errRefused)) {
		return refusal.as(ErrInvalidData)
	}
	return err
}

func (db *DB) write(ctx context.Context, row user.Row, moves []Move) error {
	return db.do(ctx, func(ctx context.Context, s *statements) error {
		now := db.now().UnixMilli()
		if len(moves) == 0 {
			_, err := db.exec(ctx, s.put, putValues(row, now)...)
			return err
		}
		return db.inTx(ctx, func(tx *sql.Tx) error {
			if err := (emailSwap{tx: tx, statements: s, row: row, moves: moves, now: now}).run(ctx); err != nil {
				return err
			}
			return db.checkFence() // the commit is next
		})
	})
}

// putValues returns the parameters of [statements].put.
func putValues(row user.Row, now int64) []any {
	return append(append([]any{string(row.ID)}, columnValues(row)...), row.CreatedAt.UnixMilli(), now)
}

// probeWrite puts the row under an address that no row has, and rolls back. If a unique index refuses that write too,
// the address was not the reason, even if others wrote meanwhile. SQLite's codes do not identify the index that
// refused.
func (db *DB) probeWrite(ctx context.Context, row user.Row) error {
	row.Email = placeholderEmail(row.ID, 0)
	err := db.do(ctx, func(ctx context.Context, s *statements) error {
		return db.inTx(ctx, func(tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, s.put, putValues(row, db.now().UnixMilli())...); err != nil {
				return err
			}
			return errProbe
		})
	})
	if errors.Is(err, errProbe) {
		return nil
	}
	return err
}

var errProbe = errors.New("the write was a probe and is rolled back")
