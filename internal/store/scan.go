package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/fitai/fituser-operator/internal/user"
)

// Scan implements [Store] with one statement.
func (db *DB) Scan(ctx context.Context, after user.ID, limit int) (page []user.Row, err error) {
	err = db.do(ctx, func(ctx context.Context, s *statements) error {
		page = make([]user.Row, 0, limit) // discards the rows of a failed attempt
		statement, values := s.scan, []any{string(after), limit}
		if after == "" {
			statement, values = s.scanFirst, []any{limit}
		}
		rows, err := db.pool.QueryContext(ctx, statement.text, statement.args(values)...)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		var key nullableText
		var deleted sql.NullInt64
		scanner := s.rowScanner()
		targets := append(append([]any{&key}, scanner.targets...), &deleted)
		for rows.Next() {
			if err := rows.Scan(targets...); err != nil {
				return err
			}
			page = append(page, user.Row{ID: user.ID(key), DeletedAt: timeOf(deleted)})
			scanner.fill(&page[len(page)-1])
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("reading rows after %q: %w", after, err)
	}
	return page, nil
}

// timeOf returns milliseconds since 1970 as a time; zero for SQL NULL.
func timeOf(ms sql.NullInt64) time.Time {
	if !ms.Valid {
		return time.Time{}
	}
	return time.UnixMilli(ms.Int64).UTC()
}
