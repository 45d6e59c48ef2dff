package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/fitai/fituser-operator/internal/user"
)

// Rekey implements [Store] with one transaction. It changes the key column and nothing else. The tables that refer to the key
// follow, because all their foreign keys cascade; that is checked in the same transaction.
func (db *DB) Rekey(ctx context.Context, holder Holder, key user.ID) error {
	err := db.do(ctx, func(ctx context.Context, s *statements) error {
		if !fitsKey(s.keyKind, key) {
			return &Error{Class: ErrInvalidData, Cause: "the key column cannot hold it, because it is " + s.keyKind, Name: s.mapping.Key.Column}
		}
		return db.inTx(ctx, func(tx *sql.Tx) error {
			references, err := db.references(ctx, tx)
			if err != nil {
				return err
			}
			if tables := Keeping(references); len(tables) > 0 {
				return &CannotRekeyError{Tables: tables}
			}
			if err := s.rekey(ctx, tx, holder, key); err != nil {
				return err
			}
			return db.checkFence() // the commit is next
		})
	})
	var refusal *Error
	switch {
	case errors.As(err, &refusal) && errors.Is(refusal, errUnique):
		err = ErrKeyTaken
	case errors.As(err, &refusal) && errors.Is(refusal, errRefused):
		err = refusal.as(ErrRowInUse)
	}
	if err != nil {
		return fmt.Errorf("changing the key of the row of %s: %w", key, err) // the former key may be an address
	}
	return nil
}

// rekey changes the key of the row, provided that it has the holder's keys.
func (s *statements) rekey(ctx context.Context, on querier, holder Holder, key user.ID) error {
	condition, values, possible := s.isRow(holder)
	if !possible {
		return fmt.Errorf("no row has the keys: %w", ErrConflict)
	}
	text := "UPDATE " + s.table + " SET " + s.key + " = " + fmt.Sprintf(s.keyCodec.write, "$1") + " WHERE " + condition
	n, err := exec(ctx, on, s.d.statement(text), append([]any{string(key)}, values...)...)
	if err == nil && n == 0 {
		return fmt.Errorf("the row has other keys now: %w", ErrConflict)
	}
	return err
}

// isRow returns the condition that selects a holder's row, with the values of its placeholders from $2 on. It is not possible
// where no row can have such keys.
func (s *statements) isRow(holder Holder) (condition string, values []any, possible bool) {
	hasKey := s.key + " IS NULL"
	if holder.Key != "" {
		hasKey = s.sameKey(fmt.Sprintf(s.keyCodec.write, "$2"))
		values = append(values, string(holder.Key))
		possible = fitsKey(s.keyKind, holder.Key)
	}
	if holder.PrimaryKey == "" || s.primary.column == "" {
		return hasKey, values, possible
	}
	values = append(values, holder.PrimaryKey)
	own := fmt.Sprintf(s.primary.codec.write, fmt.Sprintf("$%d", len(values)+1))
	possible = (holder.Key == "" || possible) && fitsKey(s.primary.kind, user.ID(holder.PrimaryKey))
	return s.d.isKey(s.primary.column, own) + " AND " + hasKey, values, possible
}
