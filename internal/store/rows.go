package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/fitai/fituser-operator/internal/user"
)

// Get implements [Store] with one statement.
func (db *DB) Get(ctx context.Context, key user.ID) (row user.Row, err error) {
	err = db.do(ctx, func(ctx context.Context, s *statements) error {
		row, err = s.read(ctx, db.pool, key)
		return err
	})
	if err != nil {
		return user.Row{}, fmt.Errorf("reading row of %s: %w", key, err)
	}
	return row, nil
}

// querier is a connection, a pool of them, or a transaction.
type querier interface {
	ExecContext(ctx context.Context, statement string, values ...any) (sql.Result, error)
	QueryRowContext(ctx context.Context, statement string, values ...any) *sql.Row
}

// read reads one row.
func (s *statements) read(ctx context.Context, from querier, key user.ID) (user.Row, error) {
	if !fitsKey(s.keyKind, key) {
		return user.Row{}, ErrNotFound
	}
	var created, deleted sql.NullInt64
	scanner := s.rowScanner()
	targets := append(slices.Clone(scanner.targets), &created, &deleted)
	if err := from.QueryRowContext(ctx, s.get.text, s.get.args([]any{string(key)})...).Scan(targets...); err != nil {
		return user.Row{}, err
	}
	row := user.Row{ID: key, CreatedAt: timeOf(created), DeletedAt: timeOf(deleted)}
	scanner.fill(&row)
	return row, nil
}

// Delete implements [Store]: one statement, and one that reads the row again if that deleted nothing.
func (db *DB) Delete(ctx context.Context, key user.ID) (removed bool, err error) {
	err = db.do(ctx, func(ctx context.Context, s *statements) error {
		if !fitsKey(s.keyKind, key) {
			return nil
		}
		for range deleteAttempts {
			err := db.write(ctx, func(on querier) error {
				removed, err = s.removeRow(ctx, on, key)
				return err
			})
			if !errors.Is(err, errKept) {
				return err
			}
		}
		return errKept
	})
	if err != nil {
		return false, fmt.Errorf("deleting row of %s: %w", key, db.asRowInUse(ctx, key, err))
	}
	return removed, nil
}

// Update implements [Store]: one statement, and one that reads what is stored.
func (db *DB) Update(ctx context.Context, row user.Row) (stored user.Row, err error) {
	err = db.do(ctx, func(ctx context.Context, s *statements) error {
		if err := s.validateText(&row, nil); err != nil {
			return err
		}
		values, err := s.putValues(&row, db.now().UnixMilli())
		if err != nil {
			return err
		}
		if s.mapping.CreatedAt != "" && !s.d.positional {
			values = values[:len(values)-1] // the statement does not take the creation time
		}
		return db.write(ctx, func(on querier) error {
			n, err := exec(ctx, on, s.update, values...)
			if err != nil {
				return err
			}
			if stored, err = s.read(ctx, on, row.ID); err == nil && n == 0 {
				return errDropped
			}
			return err
		})
	})
	if err != nil {
		return user.Row{}, fmt.Errorf("updating row of %s: %w", row.ID, asInvalidData(err))
	}
	return stored, nil
}

// Put implements [Store] with one statement, and one that reads what is stored. With moves it uses a transaction.
func (db *DB) Put(ctx context.Context, row user.Row, moves []Move) (stored user.Row, err error) {
	if stored, err = db.put(ctx, row, moves); err != nil {
		return user.Row{}, fmt.Errorf("writing row of %s: %w", row.ID, err)
	}
	return stored, nil
}

// writeAttempts limits how often Put repeats a write while others write the same addresses.
const writeAttempts = 3

func (db *DB) put(ctx context.Context, row user.Row, moves []Move) (user.Row, error) {
	inTx := len(moves) > 0
	for range writeAttempts {
		stored, err := db.tryPut(ctx, row, moves, inTx)
		switch {
		case errors.Is(err, ErrNotFound) && inTx:
			return user.Row{}, errVanished
		case errors.Is(err, ErrNotFound):
			// Somebody deleted the row after the write, or the table itself removes it. In a transaction nobody else can.
			inTx = true
			continue
		case !errors.Is(err, errUnique):
			return stored, asInvalidData(err)
		}
		if err := db.findHolder(ctx, row, moves); err != nil {
			return user.Row{}, err
		}
		if err := db.probeWrite(ctx, row); err != nil {
			return user.Row{}, asInvalidData(err)
		}
		// Either the holder has released the address meanwhile, or the application was inserting this very row:
		// PostgreSQL's ON CONFLICT does not cover the moment in which key and address appear together.
	}
	return user.Row{}, fmt.Errorf("the address is changing hands: %w", ErrConflict)
}

// asInvalidData returns [ErrInvalidData] for a refusal that concerns this row's values.
func asInvalidData(err error) error {
	var refusal *Error
	if errors.As(err, &refusal) && (errors.Is(refusal, errUnique) || errors.Is(refusal, errRefused)) {
		return refusal.as(ErrInvalidData)
	}
	return err
}

// errOtherMapping means that the row was made for another mapping than the one in force.
var errOtherMapping = fmt.Errorf("the mapping of the table has changed: %w", ErrConflict)

// tryPut writes the row once. It returns [ErrNotFound] when the row is not there after the write.
func (db *DB) tryPut(ctx context.Context, row user.Row, moves []Move, inTx bool) (stored user.Row, err error) {
	err = db.do(ctx, func(ctx context.Context, s *statements) error {
		if err := s.validateText(&row, moves); err != nil {
			return err
		}
		now := db.now().UnixMilli()
		values, err := s.putValues(&row, now)
		if err != nil {
			return err
		}
		write := func(on querier) error {
			if err := s.putRow(ctx, on, values); err != nil {
				return err
			}
			stored, err = s.read(ctx, on, row.ID)
			return err
		}
		if !inTx {
			return db.write(ctx, write)
		}
		return db.inTx(ctx, func(tx *sql.Tx) error {
			if len(moves) > 0 {
				err = emailSwap{tx: tx, statements: s, row: row, moves: moves, now: now}.run(ctx, write)
			} else {
				err = write(tx)
			}
			if err != nil {
				return err
			}
			return db.checkFence() // the commit is next
		})
	})
	return stored, err
}

// putRow inserts the row, or updates it.
func (s *statements) putRow(ctx context.Context, on querier, values []any) error {
	for _, statement := range s.put {
		if n, err := exec(ctx, on, statement, values...); err != nil || n > 0 {
			return err
		}
	}
	return errDropped
}

// probeWrite puts the row under an address that no row has, and rolls back. If a unique index refuses that write too,
// the address was not the reason, even if others wrote meanwhile. SQLite's codes do not identify the index that
// refused.
func (db *DB) probeWrite(ctx context.Context, row user.Row) error {
	row.Email = placeholderEmail(row.ID, 0)
	err := db.do(ctx, func(ctx context.Context, s *statements) error {
		values, err := s.putValues(&row, db.now().UnixMilli())
		if err != nil {
			return err
		}
		return db.inTx(ctx, func(tx *sql.Tx) error {
			if err := s.putRow(ctx, tx, values); err != nil {
				return err
			}
			if err := db.checkDeferred(ctx, tx); err != nil {
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
