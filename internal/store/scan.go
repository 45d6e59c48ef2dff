package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/fitai/fituser-operator/internal/user"
)

// Scan implements [Store] with one statement.
func (db *DB) Scan(ctx context.Context, after user.ID, limit int) (page []user.Row, err error) {
	err = db.call(ctx, func(ctx context.Context, s *statements) error {
		page = make([]user.Row, 0, limit) // anew: the call may be repeated
		rows, err := db.pool.QueryContext(ctx, s.scan, string(after), limit)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var id string
			var email, first, last, phone, role sql.NullString
			if err := rows.Scan(&id, &email, &first, &last, &phone, &role); err != nil {
				return err
			}
			page = append(page, user.Row{
				ID: user.ID(id), Email: email.String, FirstName: first.String, LastName: last.String,
				Phone: phone.String, Role: user.Role(role.String),
			})
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("reading rows after %q: %w", after, err)
	}
	return page, nil
}
