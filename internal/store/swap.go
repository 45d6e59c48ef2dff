package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/fitai/fituser-operator/internal/user"
)

// emailSwap gives several rows new addresses inside one transaction.
type emailSwap struct {
	tx         *sql.Tx
	statements *statements
	row        user.Row
	moves      []Move
	now        int64
}

// run puts the row with write, in the moment in which its address is free.
func (s emailSwap) run(ctx context.Context, write func(querier) error) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	// The engines check uniqueness row by row, and no order of updates is right for a ring of addresses. So each moved
	// row gets a placeholder first.
	for i, move := range s.moves {
		if err := s.setEmail(ctx, move.ID, placeholderEmail(move.ID, i)); err != nil {
			return err
		}
	}
	if err := write(s.tx); err != nil {
		return err
	}
	for _, move := range s.moves {
		if err := s.setEmail(ctx, move.ID, move.To); err != nil {
			return err
		}
	}
	return nil
}

func (s emailSwap) setEmail(ctx context.Context, id user.ID, email string) error {
	var value any = email
	if email == "" { // an empty text would be unique, and NULL is not
		value = nil
	}
	n, err := exec(ctx, s.tx, s.statements.move, string(id), value, s.now)
	if err == nil && n == 0 {
		return errDropped // the row is there: this transaction has locked it
	}
	return err
}

// lock locks all rows of the call. It returns [ErrConflict] when a move's row is not as the caller read it.
func (s emailSwap) lock(ctx context.Context) error {
	ids := []any{string(s.row.ID)}
	for _, move := range s.moves {
		ids = append(ids, string(move.ID))
	}
	current := map[user.ID]string{}
	lock := s.statements.lock(len(ids))
	err := eachRow(ctx, s.tx, lock.text, lock.args(ids), func(rows *sql.Rows) error {
		var id, email nullableText
		err := rows.Scan(&id, &email)
		current[user.ID(id)] = string(email)
		return err
	})
	if err != nil {
		return err
	}
	for _, move := range s.moves {
		if email, exists := current[move.ID]; !exists || email != move.From {
			return fmt.Errorf("moving the address of %s: %w", move.ID, ErrConflict)
		}
	}
	return nil
}

// placeholderEmail returns an address that no user can have. It lasts as long as a transaction. RFC 2606 reserves the
// domain.
func placeholderEmail(id user.ID, n int) string { return fmt.Sprintf("%s.%d@moved.invalid", id, n) }
