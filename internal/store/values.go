package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/fitai/fituser-operator/internal/user"
)

// storable refuses text that PostgreSQL cannot hold and SQLite only seems to: both engines then hold the same, and the
// column is named.
func storable(row user.Row, moves []Move) error {
	values := []struct {
		column user.Column
		text   string
	}{
		{user.ColumnEmail, row.Email}, {user.ColumnFirstName, row.FirstName}, {user.ColumnLastName, row.LastName},
		{user.ColumnPhone, row.Phone}, {user.ColumnRole, string(row.Role)},
	}
	for _, value := range values {
		if !isText(value.text) {
			return notText(value.column)
		}
	}
	for _, move := range moves {
		if !isText(move.To) {
			return notText(user.ColumnEmail)
		}
	}
	return nil
}

func isText(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

func notText(column user.Column) error {
	return &Error{Class: ErrInvalidData, Cause: "no UTF-8 text, or a NUL in it", Name: string(column)}
}

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
