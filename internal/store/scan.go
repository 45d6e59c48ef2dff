package store

import (
	"context"
	"fmt"

	"github.com/fitai/fituser-operator/internal/user"
)

// Scan implements [Store] with one statement.
func (db *DB) Scan(ctx context.Context, after user.ID, limit int) (page []user.Row, err error) {
	err = db.do(ctx, func(ctx context.Context, s *statements) error {
		page = make([]user.Row, 0, limit) // discards the rows of a failed attempt
		rows, err := db.pool.QueryContext(ctx, s.scan, string(after), limit)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		var targets []any
		for rows.Next() {
			page = append(page, user.Row{})
			row := &page[len(page)-1]
			targets = scanTargets(append(targets[:0], (*string)(&row.ID)), row)
			if err := rows.Scan(targets...); err != nil {
				return err
			}
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("reading rows after %q: %w", after, err)
	}
	return page, nil
}
