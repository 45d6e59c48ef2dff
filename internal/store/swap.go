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

func (s emailSwap) run(ctx context.Context) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	// Both engines check uniqueness row by row, and no order of updates is right for a ring of addresses. So each moved
	// row gets a placeholder first.
	for i, move := range s.moves {
		if err := s.setEmail(ctx, move.ID, placeholderEmail(move.ID, i)); err != nil {
			return err
		}
	}
	if _, err := s.tx.ExecContext(ctx, s.statements.put, putValues(s.row, s.now)...); err != nil {
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
	_, err := s.tx.ExecContext(ctx, s.statements.move, string(id), email, s.now)
	return err
}

// lock locks all rows of the call. It returns [ErrConflict] when a move's row is not as the caller read it.
func (s emailSwap) lock(ctx context.Context) error {
	ids := []any{string(s.row.ID)}
	for _, move := range s.moves {
		ids = append(ids, string(move.ID))
	}
	current := map[user.ID]string{}
	err := eachRow(ctx, s.tx, s.statements.lock(len(ids)), ids, func(rows *sql.Rows) error {
		var id, email string
		err := rows.Scan(&id, &email)
		current[user.ID(id)] = email
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
