package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/fitai/fituser-operator/internal/user"
)

// findHolder returns an [*EmailTakenError] when a row that is no part of the call holds an address that the call wants,
// by the comparison of the index that refused it. It is asked only after a refusal.
func (db *DB) findHolder(ctx context.Context, row user.Row, moves []Move) error {
	wanted := append([]Move{{ID: row.ID, To: row.Email}}, moves...)
	part := map[user.ID]bool{}
	for _, move := range wanted {
		part[move.ID] = true
	}
	return db.call(ctx, func(ctx context.Context, s *statements) error {
		for _, move := range wanted {
			for _, query := range s.holders {
				var holder user.ID
				err := db.pool.QueryRowContext(ctx, query, move.To).Scan(&holder)
				switch {
				case err == nil && !part[holder]:
					return &EmailTakenError{ID: move.ID, Holder: holder}
				case err != nil && !errors.Is(err, sql.ErrNoRows):
					return err
				}
			}
		}
		return nil
	})
}
