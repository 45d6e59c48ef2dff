package store

import (
	"context"
	"database/sql"
	"slices"
)

// Check reads the database's catalogs and reports whether the table can be used. [*SchemaError] lists all problems at
// once; [ErrReadOnly], [ErrForbidden] and [ErrUnavailable] mean that the check could not be completed. With
// [Options.CreateTable] it creates a missing table. It never alters a table.
func (db *DB) Check(ctx context.Context) error {
	db.statements.Store(nil)
	return db.do(ctx, func(context.Context, *statements) error { return nil })
}

// ready returns the statements for the checked table, and checks it before the first use. Concurrent callers share one
// check, which continues when the caller that started it is cancelled.
func (db *DB) ready(ctx context.Context) (*statements, error) {
	if ready := db.statements.Load(); ready != nil {
		return ready, nil
	}
	done := db.checks.DoChan("", func() (any, error) {
		shared, cancel := context.WithTimeout(context.WithoutCancel(ctx), db.timeout)
		defer cancel()
		return db.check(shared)
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case result := <-done:
		made, _ := result.Val.(*statements)
		return made, result.Err
	}
}

func (db *DB) check(ctx context.Context) (*statements, error) {
	table, err := db.inspectOrCreate(ctx)
	if err != nil {
		return nil, err
	}
	problems := table.problems(db.dialect)
	switch {
	case len(problems) > 0:
		return nil, &SchemaError{Problems: problems}
	case table.readOnly:
		return nil, &Error{Class: ErrReadOnly}
	}
	made := table.statements(db.dialect)
	db.statements.Store(made)
	return made, nil
}

func (db *DB) inspectOrCreate(ctx context.Context) (table tableSchema, err error) {
	err = db.inTx(ctx, func(tx *sql.Tx) error {
		if table, err = db.inspect(ctx, tx); err != nil || table.relation != "" || !db.createTable {
			return err
		}
		for _, statement := range db.dialect.create {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
		table, err = db.inspect(ctx, tx)
		return err
	})
	return table, err
}

// tableSchema describes the users table as the catalogs contain it.
type tableSchema struct {
	// relation is "table", empty when users does not exist, or the kind of relation that users is.
	relation  string
	deletable bool
	readOnly  bool
	// location is where the database looks for the table.
	location string
	columns  map[string]column
	// foreign are the names of the columns that the operator does not own, in the table's order.
	foreign []string
	// emailKeys are the SQL expressions that are unique in the table and depend on email alone, such as lower(email).
	emailKeys []string
	// idKey is true when a unique index over id alone can decide an ON CONFLICT (id).
	idKey bool
}

type column struct {
	// kind is one of the kind… constants, or else the engine's own name.
	kind, sqlType string
	// required is true for NOT NULL without a default.
	required                           bool
	selectable, insertable, updateable bool
}

func (db *DB) inspect(ctx context.Context, tx *sql.Tx) (tableSchema, error) {
	var table tableSchema
	relation := tx.QueryRowContext(ctx, db.dialect.relation)
	if err := relation.Scan(&table.relation, &table.deletable, &table.readOnly, &table.location); err != nil {
		return tableSchema{}, err
	}
	if table.relation != "table" {
		return table, nil
	}
	if err := table.readColumns(ctx, tx, db.dialect.columns); err != nil {
		return tableSchema{}, err
	}
	err := table.readKeys(ctx, tx, db.dialect.uniques)
	return table, err
}

func (t *tableSchema) readColumns(ctx context.Context, tx *sql.Tx, query string) error {
	t.columns = map[string]column{}
	return eachRow(ctx, tx, query, nil, func(rows *sql.Rows) error {
		var name string
		var c column
		err := rows.Scan(&name, &c.kind, &c.sqlType, &c.required, &c.selectable, &c.insertable, &c.updateable)
		t.columns[name] = c
		if !slices.Contains(ownedColumns(), name) {
			t.foreign = append(t.foreign, name)
		}
		return err
	})
}

func (t *tableSchema) readKeys(ctx context.Context, tx *sql.Tx, query string) error {
	var unknown []string
	err := eachRow(ctx, tx, query, nil, func(rows *sql.Rows) error {
		var name, expression string
		var decides bool
		err := rows.Scan(&name, &expression, &decides)
		switch name {
		case "id":
			t.idKey = t.idKey || decides
		case "email":
			t.emailKeys = append(t.emailKeys, expression)
		case "":
			unknown = append(unknown, expression)
		}
		return err
	})
	for _, expression := range unknown {
		if dependsOnEmailAlone(ctx, tx, expression) {
			t.emailKeys = append(t.emailKeys, expression)
		}
	}
	return err
}

// dependsOnEmailAlone evaluates the expression with no other column than email: if it needs another one, the query
// fails.
func dependsOnEmailAlone(ctx context.Context, tx *sql.Tx, expression string) bool {
	of := func(email string) string { return "(SELECT " + expression + " FROM (SELECT '" + email + "' AS email))" }
	var differs bool
	err := tx.QueryRowContext(ctx, "SELECT "+of("a")+" <> "+of("b")).Scan(&differs)
	return err == nil && differs
}

func eachRow(ctx context.Context, tx *sql.Tx, query string, args []any, scan func(*sql.Rows) error) error {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
