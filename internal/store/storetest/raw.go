package storetest

import (
	"context"
	"database/sql"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite" // registers the driver "sqlite"

	"github.com/fitai/fituser-operator/internal/user"
)

// FitAI's own table, as the application creates it.
const (
	SQLiteTable = `CREATE TABLE users (
	id text PRIMARY KEY NOT NULL, email text NOT NULL UNIQUE, first_name text NOT NULL, last_name text NOT NULL,
	password text, role text DEFAULT 'client' NOT NULL, phone text,
	created_at integer NOT NULL, updated_at integer NOT NULL)`
	PostgresTable = `CREATE TABLE users (
	id text PRIMARY KEY, email text NOT NULL UNIQUE, first_name text NOT NULL, last_name text NOT NULL,
	password text, role text DEFAULT 'client' NOT NULL, phone text,
	created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL)`
	mariadbText = `CREATE TABLE users (
	id text PRIMARY KEY, email text NOT NULL UNIQUE, first_name text NOT NULL, last_name text NOT NULL,
	password text, role text DEFAULT 'client' NOT NULL, phone text,
	created_at datetime(3) NOT NULL, updated_at datetime(3) NOT NULL)`
)

// SQLite creates a database file for the test, executes ddl in it, and returns its URL. Without ddl it creates FitAI's
// table.
func SQLite(tb testing.TB, ddl ...string) string {
	tb.Helper()
	databaseURL := "sqlite:" + filepath.Join(tb.TempDir(), "app.sqlite")
	if len(ddl) == 0 {
		ddl = []string{SQLiteTable}
	}
	raw := OpenRaw(tb, databaseURL)
	for _, statement := range ddl {
		raw.Exec(statement)
	}
	return databaseURL
}

// Raw accesses the database as the application does, including the column password. Placeholders are $1, $2, … on all
// engines.
type Raw struct {
	tb  testing.TB
	db  *sql.DB
	sql rewrite
}

// rewrite converts a statement with the placeholders $1, $2, … for an engine.
type rewrite func(query string, args []any) (string, []any)

// OpenRaw opens the database of a store's URL until the test ends. On a server each statement outside a transaction uses
// its own connection. The database of a libSQL server is opened as the file that it is.
func OpenRaw(tb testing.TB, databaseURL string) *Raw {
	tb.Helper()
	driver, source := "pgx", databaseURL
	numbered := func(query string, args []any) (string, []any) { return query, args }
	path, isFile := strings.CutPrefix(databaseURL, "sqlite:")
	if !isFile {
		path, isFile = libSQLFile(databaseURL)
	}
	if isFile {
		file := url.URL{Scheme: "file", Path: path, RawQuery: "_txlock=immediate&_foreign_keys=on&_busy_timeout=30000"}
		driver, source = "sqlite", file.String()
	}
	if strings.HasPrefix(databaseURL, "mysql:") {
		driver, source, numbered = "mysql", mariadbSource(databaseURL), positional
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		tb.Fatalf("opening the database directly: %v", err)
	}
	if driver != "sqlite" {
		db.SetMaxIdleConns(0) // an idle connection would be broken after the test restarts the server
	}
	tb.Cleanup(func() { _ = db.Close() })
	return &Raw{tb: tb, db: db, sql: numbered}
}

var placeholder = regexp.MustCompile(`\$[0-9]+`)

// positional is the [rewrite] for an engine whose placeholders are ? in the order of the arguments.
func positional(query string, args []any) (string, []any) {
	var ordered []any
	query = placeholder.ReplaceAllStringFunc(query, func(number string) string {
		n, _ := strconv.Atoi(number[1:]) // the pattern allows digits only
		ordered = append(ordered, args[n-1])
		return "?"
	})
	return query, ordered
}

// Exec executes one statement of the application.
func (r *Raw) Exec(query string, args ...any) {
	r.tb.Helper()
	if err := r.Try(query, args...); err != nil {
		r.tb.Fatalf("executing directly: %v\n%s", err, query)
	}
}

// Try executes one statement and returns its error, for a database that may be down.
func (r *Raw) Try(query string, args ...any) error {
	query, args = r.sql(query, args)
	_, err := r.db.ExecContext(r.tb.Context(), query, args...)
	return err
}

// Row returns all columns of a user's row by name, or nil when the row does not exist. Times of every kind are Unix
// seconds.
func (r *Raw) Row(id user.ID) map[string]any {
	r.tb.Helper()
	rows := r.Query("SELECT * FROM users WHERE id = $1", string(id))
	if len(rows) == 0 {
		return nil
	}
	return rows[0]
}

// Column returns one column of a user's row.
func (r *Raw) Column(id user.ID, column string) any {
	r.tb.Helper()
	return r.Row(id)[column]
}

// Query returns all rows of a query, in the format of [Raw.Row].
func (r *Raw) Query(query string, args ...any) []map[string]any {
	r.tb.Helper()
	query, args = r.sql(query, args)
	return read(r.tb, r.db, query, args)
}

// queryer is a database or a transaction.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func read(tb testing.TB, from queryer, query string, args []any) []map[string]any {
	tb.Helper()
	rows, err := from.QueryContext(tb.Context(), query, args...)
	if err != nil {
		tb.Fatalf("reading directly: %v\n%s", err, query)
	}
	defer func() { _ = rows.Close() }()
	var all []map[string]any
	for rows.Next() {
		row, err := scan(rows)
		if err != nil {
			tb.Fatalf("reading a row directly: %v\n%s", err, query)
		}
		all = append(all, row)
	}
	if err := rows.Err(); err != nil {
		tb.Fatalf("reading directly: %v\n%s", err, query)
	}
	return all
}

func scan(rows *sql.Rows) (map[string]any, error) {
	names, err := rows.Columns()
	values, into := make([]any, len(names)), make([]any, len(names))
	for i := range values {
		into[i] = &values[i]
	}
	if err == nil {
		err = rows.Scan(into...)
	}
	if err != nil {
		return nil, err
	}
	row := map[string]any{}
	for i, name := range names {
		switch value := values[i].(type) {
		case []byte:
			row[name] = string(value)
		case time.Time:
			row[name] = value.Unix()
		case int32:
			row[name] = int64(value)
		default:
			row[name] = value
		}
	}
	return row, nil
}

// Begin starts a transaction of the application. It ends with [RawTx.Commit], or without effect with the test.
func (r *Raw) Begin() *RawTx {
	r.tb.Helper()
	tx, err := r.db.BeginTx(r.tb.Context(), nil)
	if err != nil {
		r.tb.Fatalf("beginning a transaction directly: %v", err)
	}
	return &RawTx{tb: r.tb, tx: tx, sql: r.sql}
}

// Lock locks the row without changing it, as a transaction of the application would, until release is called.
func (r *Raw) Lock(id user.ID) (release func()) {
	r.tb.Helper()
	tx := r.Begin()
	tx.Exec("UPDATE users SET email = email WHERE id = $1", string(id))
	return tx.Rollback
}

// RawTx is a transaction of the application.
type RawTx struct {
	tb  testing.TB
	tx  *sql.Tx
	sql rewrite
}

// Exec executes one statement.
func (t *RawTx) Exec(query string, args ...any) {
	t.tb.Helper()
	query, args = t.sql(query, args)
	if _, err := t.tx.ExecContext(t.tb.Context(), query, args...); err != nil {
		t.tb.Fatalf("executing directly: %v\n%s", err, query)
	}
}

// Query returns all rows of a query, in the format of [Raw.Row].
func (t *RawTx) Query(query string, args ...any) []map[string]any {
	t.tb.Helper()
	query, args = t.sql(query, args)
	return read(t.tb, t.tx, query, args)
}

// Commit commits the transaction.
func (t *RawTx) Commit() {
	t.tb.Helper()
	if err := t.tx.Commit(); err != nil {
		t.tb.Fatalf("committing directly: %v", err)
	}
}

// Rollback rolls the transaction back.
func (t *RawTx) Rollback() { _ = t.tx.Rollback() }
