package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fitai/fituser-operator/internal/user"
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
	problems := table.problems()
	switch {
	case len(problems) > 0:
		return nil, &SchemaError{Problems: problems, Missing: table.relation == "", NextStep: table.nextStep()}
	case table.readOnly:
		return nil, &Error{Class: ErrReadOnly}
	}
	made := table.statements()
	db.statements.Store(made)
	return made, nil
}

func (db *DB) inspectOrCreate(ctx context.Context) (table tableSchema, err error) {
	err = db.inTx(ctx, func(tx *sql.Tx) error {
		if table, err = db.inspect(ctx, tx); err != nil || table.relation != "" || !db.createTable || !table.isDefault() {
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
	mapping *user.Mapping
	dialect *dialect

	// relation is "table", empty when it does not exist, or the kind of relation that it is.
	relation  string
	deletable bool
	readOnly  bool
	// location is where the database looks for the table.
	location string
	// columns are the columns by their folded names.
	columns map[string]column
	// foreign are the names of the columns that the operator does not own, in the table's order.
	foreign []string
	// emailKeys are the unique indexes that depend on the address alone.
	emailKeys []emailKey
	// uniqueKey is true when a unique index over the key column alone can decide an ON CONFLICT.
	uniqueKey bool
	// primaryKey is the folded name of the one column of the table's primary key; empty when it has none or several.
	primaryKey string
	// times are the units of the columns that hold a time as an integer.
	times map[string]foundUnit
	// unwritable is why nothing can be written to a column, by its folded name.
	unwritable map[string]string
	// obstacles are problems that only this engine has.
	obstacles []string
	roles     roleJudgement
}

type column struct {
	name string
	// kind is one of the kind… constants, or else the engine's own name.
	kind, sqlType string
	// standard is the SQL of the column's default; empty without one.
	standard string
	// nullable is true for a column that can hold SQL NULL.
	nullable bool
	// length is how many characters the column holds at most; 0 for any number.
	length int
	// required is true for NOT NULL without a default.
	required                           bool
	selectable, insertable, updateable bool
}

// emailKey is a unique index that depends on the address alone.
type emailKey struct {
	// expression is what is unique, such as lower(email).
	expression string
	// liveOnly is true when only the rows that are not softly deleted are in the index.
	liveOnly bool
}

func (db *DB) inspect(ctx context.Context, tx *sql.Tx) (tableSchema, error) {
	d := db.dialect
	table := tableSchema{mapping: db.mapping, dialect: d, columns: map[string]column{}, times: map[string]foundUnit{}, unwritable: map[string]string{}}
	args := d.tableArgs(db.mapping)
	relation := tx.QueryRowContext(ctx, d.statement(d.relation).text, d.statement(d.relation).args(args)...)
	if err := relation.Scan(&table.relation, &table.deletable, &table.readOnly, &table.location); err != nil {
		return tableSchema{}, err
	}
	if table.relation != "table" {
		return table, nil
	}
	if d.probe != "" {
		var refusal *Error
		_, err := tx.ExecContext(ctx, fmt.Sprintf(d.probe, table.quotedName()))
		table.deletable = !errors.As(db.classify(err), &refusal) || !errors.Is(refusal, ErrForbidden)
	}
	for _, read := range []func(context.Context, *sql.Tx, []any) error{
		table.readColumns, table.readKeys, table.readPrimaryKey, table.readLimits, table.readObstacles,
	} {
		if err := read(ctx, tx, args); err != nil {
			return tableSchema{}, err
		}
	}
	if err := table.readTimes(ctx, tx); err != nil || table.readOnly || len(table.problems()) > 0 {
		return table, err
	}
	return table, db.readRoles(ctx, tx, &table)
}

// eachCatalogRow reads the rows of a query of the catalogs.
func (t *tableSchema) eachCatalogRow(ctx context.Context, tx *sql.Tx, query string, args []any, scan func(*sql.Rows) error) error {
	statement := t.dialect.statement(query)
	return eachRow(ctx, tx, statement.text, statement.args(args), scan)
}

func (t *tableSchema) readColumns(ctx context.Context, tx *sql.Tx, args []any) error {
	owned := t.ownedColumns()
	return t.eachCatalogRow(ctx, tx, t.dialect.columns, args, func(rows *sql.Rows) error {
		var c column
		var standard sql.NullString
		err := rows.Scan(&c.name, &c.kind, &c.sqlType, &standard, &c.nullable, &c.required, &c.selectable, &c.insertable, &c.updateable)
		c.standard = standard.String
		t.columns[t.dialect.fold(c.name)] = c
		if !slices.ContainsFunc(owned, func(name string) bool { return t.same(name, c.name) }) {
			t.foreign = append(t.foreign, c.name)
		}
		return err
	})
}

func (t *tableSchema) readLimits(ctx context.Context, tx *sql.Tx, args []any) error {
	if t.dialect.limits == "" {
		return nil
	}
	return t.eachCatalogRow(ctx, tx, t.dialect.limits, args, func(rows *sql.Rows) error {
		var name, unwritable string
		var length int
		err := rows.Scan(&name, &unwritable, &length)
		name = t.dialect.fold(name)
		if unwritable != "" {
			t.unwritable[name] = unwritable
		}
		if c, known := t.columns[name]; known {
			c.length = length
			t.columns[name] = c
		}
		return err
	})
}

func (t *tableSchema) readObstacles(ctx context.Context, tx *sql.Tx, _ []any) (err error) {
	if t.dialect.obstacles != nil {
		t.obstacles, err = t.dialect.obstacles(ctx, tx, t)
	}
	return err
}

func (t *tableSchema) readKeys(ctx context.Context, tx *sql.Tx, args []any) error {
	email := t.mapping.NameOf(user.FieldEmail)
	var unknown []emailKey
	err := t.eachCatalogRow(ctx, tx, t.dialect.uniques, args, func(rows *sql.Rows) error {
		var name, predicate string
		var found emailKey
		var decides bool
		if err := rows.Scan(&name, &found.expression, &predicate, &decides); err != nil {
			return err
		}
		found.expression, predicate = t.dialect.divided(found.expression, predicate)
		if found.liveOnly = t.selectsLive(predicate); predicate != "" && !found.liveOnly {
			return nil
		}
		if t.same(name, t.mapping.Key.Column) {
			t.uniqueKey = t.uniqueKey || decides && predicate == ""
		}
		switch {
		case email == "":
		case t.same(name, email):
			t.emailKeys = append(t.emailKeys, found)
		case name == "":
			unknown = append(unknown, found)
		}
		return nil
	})
	for _, found := range unknown {
		if dependsOnAlone(ctx, tx, found.expression, t.dialect.quote(email)) {
			t.emailKeys = append(t.emailKeys, found)
		}
	}
	return err
}

func (t *tableSchema) readPrimaryKey(ctx context.Context, tx *sql.Tx, args []any) error {
	var names []string
	err := t.eachCatalogRow(ctx, tx, t.dialect.primary, args, func(rows *sql.Rows) error {
		var name string
		err := rows.Scan(&name)
		names = append(names, name)
		return err
	})
	if len(names) == 1 {
		t.primaryKey = t.dialect.fold(names[0])
	}
	return err
}

// selectsLive reports whether the condition of a partial index selects the rows that are not softly deleted.
func (t *tableSchema) selectsLive(predicate string) bool {
	if t.mapping.SoftDelete == nil || predicate == "" {
		return false
	}
	plain := strings.NewReplacer("(", " ", ")", " ", `"`, "", "`", "", "[", "", "]", "").Replace(predicate)
	words := strings.Fields(plain)
	return len(words) == 3 && t.same(words[0], t.mapping.SoftDelete.Column) && strings.EqualFold(words[1]+words[2], "ISNULL")
}

// dependsOnAlone evaluates the expression with no other column than the given one: if it needs another one, the query
// fails.
func dependsOnAlone(ctx context.Context, tx *sql.Tx, expression, column string) bool {
	of := func(text string) string {
		return "(SELECT " + expression + " FROM (SELECT '" + text + "' AS " + column + ") AS one)"
	}
	var differs bool
	err := tx.QueryRowContext(ctx, "SELECT "+of("a")+" <> "+of("b")).Scan(&differs)
	return err == nil && differs
}

// rowsQuerier is a pool of connections or a transaction.
type rowsQuerier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func eachRow(ctx context.Context, on rowsQuerier, query string, args []any, scan func(*sql.Rows) error) error {
	rows, err := on.QueryContext(ctx, query, args...)
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
