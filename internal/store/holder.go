package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/fitai/fituser-operator/internal/user"
)

// findHolder returns an [*EmailTakenError] when a row outside the call holds an address that the call writes. It
// compares as the unique index compares. It runs only after an index refused the write.
func (db *DB) findHolder(ctx context.Context, row user.Row, moves []Move) error {
	wanted := append([]Move{{ID: row.ID, To: row.Email}}, moves...)
	inCall := map[user.ID]bool{}
	for _, move := range wanted {
		inCall[move.ID] = true
	}
	return db.do(ctx, func(ctx context.Context, s *statements) error {
		for _, move := range wanted {
			for _, query := range s.holders {
				var key, primary, address nullableText
				err := db.pool.QueryRowContext(ctx, query.text, query.args([]any{move.To})...).Scan(&key, &primary, &address)
				holder := Holder{Key: user.ID(key), PrimaryKey: string(primary)}
				switch {
				case err == nil && !inCall[holder.Key]:
					return &EmailTakenError{ID: move.ID, Holder: holder}
				case err != nil && !errors.Is(err, sql.ErrNoRows):
					return err
				}
			}
		}
		return nil
	})
}
