package store

import (
	"context"
	"database/sql"
	"slices"
)

// Reference is a foreign key of a table to the key column of the users table.
type Reference struct {
	Table string
	// Cascades is true for a foreign key with ON UPDATE CASCADE: it follows when a row gets another key.
	Cascades bool
}

// References returns the foreign keys to the key column. Columns that hold the key without a foreign key are not known.
func (db *DB) References(ctx context.Context) (references []Reference, err error) {
	err = db.do(ctx, func(ctx context.Context, _ *statements) error {
		return db.inTx(ctx, func(tx *sql.Tx) error {
			references, err = db.references(ctx, tx)
			return err
		})
	})
	return references, err
}

func (db *DB) references(ctx context.Context, tx *sql.Tx) (references []Reference, err error) {
	query := db.dialect.statement(db.dialect.references)
	args := append(slices.Clone(db.dialect.tableArgs(db.mapping)), db.mapping.Key.Column)
	err = eachRow(ctx, tx, query.text, query.args(args), func(rows *sql.Rows) error {
		var found Reference
		err := rows.Scan(&found.Table, &found.Cascades)
		references = append(references, found)
		return err
	})
	return references, err
}

// Keeping returns the tables that would not follow when a row gets another key, each once and sorted.
func Keeping(references []Reference) []string {
	var tables []string
	for _, r := range references {
		if !r.Cascades {
			tables = append(tables, r.Table)
		}
	}
	slices.Sort(tables)
	return slices.Compact(tables)
}
