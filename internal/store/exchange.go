package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/fitai/fituser-operator/internal/user"
)

// exchange gives several rows new addresses inside one transaction.
type exchange struct {
	tx         *sql.Tx
	statements *statements
	row        user.Row
	moves      []Move
	now        int64
}

func (e exchange) do(ctx context.Context) error {
	if err := e.lock(ctx); err != nil {
		return err
	}
	// Both engines check uniqueness row by row, and in a ring no order is right: so the movers step aside first.
	for i, move := range e.moves {
		if err := e.set(ctx, move.ID, aside(move.ID, i)); err != nil {
			return err
		}
	}
	if _, err := e.tx.ExecContext(ctx, e.statements.put, values(e.row, e.now)...); err != nil {
		return err
	}
	for _, move := range e.moves {
		if err := e.set(ctx, move.ID, move.To); err != nil {
			return err
		}
	}
	return nil
}

func (e exchange) set(ctx context.Context, id user.ID, email string) error {
	_, err := e.tx.ExecContext(ctx, e.statements.move, string(id), email, e.now)
	return err
}

// lock takes all rows of the call and fails with [ErrConflict] when a move's row is not as the caller read it.
func (e exchange) lock(ctx context.Context) error {
	ids := []any{string(e.row.ID)}
	for _, move := range e.moves {
		ids = append(ids, string(move.ID))
	}
	held := map[user.ID]string{}
	err := eachRow(ctx, e.tx, e.statements.lock(len(ids)), ids, func(rows *sql.Rows) error {
		var id, email string
		err := rows.Scan(&id, &email)
		held[user.ID(id)] = email
		return err
	})
	if err != nil {
		return err
	}
	for _, move := range e.moves {
		if email, there := held[move.ID]; !there || email != move.From {
			return fmt.Errorf("moving the address of %s: %w", move.ID, ErrConflict)
		}
	}
	return nil
}
