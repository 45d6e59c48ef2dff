package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/fitai/fituser-operator/internal/user"
)

// LegacyRow is a row as an import reads it.
type LegacyRow struct {
	Holder Holder
	// Row has the key, the mapped columns and both times.
	Row user.Row
	// Password is what the password column holds: a hash; empty for SQL NULL, and when no column was named.
	Password string

	position string
}

// ownPrimary is the table's own primary key where that is one column and another one than the key column.
type ownPrimary struct {
	// column is the quoted name; empty where the table has no such key.
	column string
	kind   string
	codec  codec
}

// ScanLegacy reads up to limit rows, those without a key too, in the order of the table's primary key. It starts after the row
// after, and with nil at the first row. passwordColumn may be empty: no password is read then. A page with fewer rows than
// limit is the last.
func (db *DB) ScanLegacy(ctx context.Context, passwordColumn string, after *LegacyRow, limit int) (page []LegacyRow, err error) {
	err = db.do(ctx, func(ctx context.Context, s *statements) error {
		page = make([]LegacyRow, 0, limit) // discards the rows of a failed attempt
		query, values, err := s.legacy(passwordColumn, after, limit)
		if err != nil {
			return err
		}
		rows, err := db.pool.QueryContext(ctx, query.text, query.args(values)...)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		scan := s.legacyScanner()
		for rows.Next() {
			row, err := scan(rows)
			if err != nil {
				return err
			}
			page = append(page, row)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("reading rows from before Clerk: %w", err)
	}
	return page, nil
}

// legacy returns the query for a page, and its parameters.
func (s *statements) legacy(passwordColumn string, after *LegacyRow, limit int) (statement, []any, error) {
	if problem := s.checked.unscannable(passwordColumn); problem != "" {
		return statement{}, nil, &SchemaError{Problems: []string{problem}}
	}
	password := "''"
	if passwordColumn != "" {
		password = s.d.quote(s.checked.column(passwordColumn).name)
	}
	order, codec, primary := s.key, s.keyCodec, "''"
	if s.primary.column != "" {
		order, codec = s.primary.column, s.primary.codec
		primary = fmt.Sprintf(s.d.asText, order)
	}
	selected := strings.Join([]string{s.selected, s.created, primary, fmt.Sprintf(s.d.asText, order), password}, ", ")
	text, values := "SELECT "+selected+" FROM "+s.table, []any{limit}
	if after != nil {
		text += " WHERE " + order + " > " + fmt.Sprintf(codec.write, "$2")
		values = append(values, after.position)
	}
	return s.d.statement(text + " ORDER BY " + s.ordered(order) + " LIMIT $1"), values, nil
}

// unscannable returns why rows from before Clerk cannot be read; empty when they can.
func (t *tableSchema) unscannable(passwordColumn string) string {
	key, own := t.column(t.mapping.Key.Column), t.columns[t.primaryKey]
	password := t.column(passwordColumn)
	switch {
	case passwordColumn != "" && (password.name == "" || !password.selectable):
		return "there is no column " + passwordColumn + " that the database user may read: name the one that holds the hashed password"
	case own.name != "" && !own.selectable:
		return "the database user lacks the privilege SELECT on the primary key " + own.name
	case t.primaryKey != t.dialect.fold(key.name) && t.ownPrimary().column == "" && key.nullable:
		return "rows without " + key.name + " cannot be told apart: the table needs a primary key of one column, of text, uuid or integer"
	default:
		return ""
	}
}

// legacyScanner returns the function that scans a row of [statements.legacy].
func (s *statements) legacyScanner() func(*sql.Rows) (LegacyRow, error) {
	var key, primary, position, password nullableText
	var created, deleted sql.NullInt64
	scanner := s.rowScanner()
	targets := append(append([]any{&key}, scanner.targets...), &deleted, &created, &primary, &position, &password)
	return func(rows *sql.Rows) (LegacyRow, error) {
		if err := rows.Scan(targets...); err != nil {
			return LegacyRow{}, err
		}
		row := LegacyRow{
			Holder: Holder{Key: user.ID(key), PrimaryKey: string(primary)}, position: string(position), Password: string(password),
			Row: user.Row{ID: user.ID(key), CreatedAt: timeOf(created), DeletedAt: timeOf(deleted)},
		}
		scanner.fill(&row.Row)
		return row, nil
	}
}

// ownPrimary returns the table's own primary key.
func (t *tableSchema) ownPrimary() ownPrimary {
	if t.primaryKey == "" || t.primaryKey == t.dialect.fold(t.mapping.Key.Column) {
		return ownPrimary{}
	}
	kind := t.columns[t.primaryKey].kind
	made, known := t.dialect.codecs[useOwnKey][kind]
	if !known {
		return ownPrimary{}
	}
	return ownPrimary{column: t.dialect.quote(t.primaryName()), kind: kind, codec: made}
}
