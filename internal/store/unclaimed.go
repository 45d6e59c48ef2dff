package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/fitai/fituser-operator/internal/user"
)

// FindUnclaimed implements [Store] with a statement for each key and address, and another one for an address that the unique
// index does not find.
func (db *DB) FindUnclaimed(ctx context.Context, ownKey string, addresses []string) (found []Holder, err error) {
	err = db.do(ctx, func(ctx context.Context, s *statements) error {
		found = nil // discards the rows of a failed attempt
		if ownKey != "" {
			rows, err := db.holdersOf(ctx, s.byOwnKey(ownKey))
			if err != nil {
				return err
			}
			for _, row := range rows {
				found = appendUnclaimed(found, row.Holder)
			}
		}
		for _, address := range addresses {
			rows, err := db.holdersOfAddress(ctx, s, address)
			if err != nil {
				return err
			}
			found = appendUnclaimed(found, rows...)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("finding rows from before Clerk: %w", err)
	}
	return found, nil
}

// appendUnclaimed appends those of the rows whose key is no Clerk id, each once.
func appendUnclaimed(found []Holder, rows ...Holder) []Holder {
	for _, row := range rows {
		if _, err := user.ParseID(string(row.Key)); err == nil || slices.Contains(found, row) {
			continue
		}
		found = append(found, row)
	}
	return found
}

// holdersOfAddress returns the row that holds an address as a unique index compares it, else the one that holds it in
// another case.
func (db *DB) holdersOfAddress(ctx context.Context, s *statements, address string) ([]Holder, error) {
	for _, query := range s.liveHolders {
		rows, err := db.holdersOf(ctx, boundQuery{query, []any{address}})
		if same := withAddress(rows, address); err != nil || len(same) > 0 {
			return same, err
		}
	}
	if s.email == "" {
		return nil, nil
	}
	rows, err := db.holdersOf(ctx, boundQuery{s.anyCase, []any{address}})
	if len(rows) > 1 {
		return nil, err
	}
	return withAddress(rows, address), err
}

// heldRow is a row with the address that it holds.
type heldRow struct {
	Holder
	address string
}

// withAddress returns the rows that hold the address in any case. Databases also take other addresses for the same, such as
// one with an accent in the domain, which is somebody else's.
func withAddress(rows []heldRow, address string) (same []Holder) {
	for _, row := range rows {
		if user.NormalizeEmail(row.address) == user.NormalizeEmail(address) {
			same = append(same, row.Holder)
		}
	}
	return same
}

// boundQuery is a query for key, primary key and address, with its parameters.
type boundQuery struct {
	statement statement
	values    []any
}

// byOwnKey returns the query for the row that has the application's own key.
func (s *statements) byOwnKey(key string) boundQuery {
	column, kind, codec := s.primary.column, s.primary.kind, s.primary.codec
	if column == "" {
		column, kind, codec = s.key, s.keyKind, s.keyCodec
	}
	if !fitsKey(kind, user.ID(key)) {
		return boundQuery{}
	}
	return boundQuery{s.d.statement(s.selectHolder + " WHERE " + s.d.isKey(column, fmt.Sprintf(codec.write, "$1")) + s.live), []any{key}}
}

func (db *DB) holdersOf(ctx context.Context, query boundQuery) (held []heldRow, err error) {
	if query.statement.text == "" {
		return nil, nil
	}
	err = eachRow(ctx, db.pool, query.statement.text, query.statement.args(query.values), func(rows *sql.Rows) error {
		var key, primary, address nullableText
		err := rows.Scan(&key, &primary, &address)
		held = append(held, heldRow{Holder{Key: user.ID(key), PrimaryKey: string(primary)}, string(address)})
		return err
	})
	return held, err
}
