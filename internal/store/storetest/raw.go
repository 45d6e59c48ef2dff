package storetest

import (
	"context"
	"database/sql"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite" // registers the driver "sqlite"

	"github.com/fitai/fituser-operator/internal/user"
)

// FitAI's own table, as the application makes it.
const (
	SQLiteTable = `CREATE TABLE users (
	id text PRIMARY KEY NOT NULL, email text NOT NULL UNIQUE, first_name text NOT NULL, last_name text NOT NULL,
	password text, role text DEFAULT 'client' NOT NULL, phone text,
	created_at integer NOT NULL, updated_at integer NOT NULL)`
	PostgresTable = `CREATE TABLE users (
	id text PRIMARY KEY, email text NOT NULL UNIQUE, first_name text NOT NULL, last_name text NOT NULL,
	password text, role text DEFAULT 'client' NOT NULL, phone text,
	created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL)`
)

// SQLite makes a database file for the test, executes ddl in it, and returns its URL. Without ddl it holds FitAI's table.
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

// Raw is the database as the application sees it, password and all. Placeholders are $1, $2, … on both engines.
type Raw struct {
	tb testing.TB
	db *sql.DB
}

// OpenRaw opens what a store's URL names, until the test ends. In PostgreSQL each statement outside a transaction has a
// connection of its own.
func OpenRaw(tb testing.TB, databaseURL string) *Raw {
	tb.Helper()
	driver, source := "pgx", databaseURL
	if path, isFile := strings.CutPrefix(databaseURL, "sqlite:"); isFile {
		file := url.URL{Scheme: "file", Path: path, RawQuery: "_txlock=immediate&_foreign_keys=on&_busy_timeout=30000"}
		driver, source = "sqlite", file.String()
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		tb.Fatalf("opening the database past the store: %v", err)
	}
	if driver == "pgx" {
		db.SetMaxIdleConns(0) // a connection kept while the test stops and starts the server would be broken afterwards
	}
	tb.Cleanup(func() { _ = db.Close() })
	return &Raw{tb: tb, db: db}
}

// Exec executes one statement of the application.
func (r *Raw) Exec(query string, args ...any) {
	r.tb.Helper()
	if err := r.Try(query, args...); err != nil {
		r.tb.Fatalf("executing past the store: %v\n%s", err, query)
	}
}

// Try is [Raw.Exec] where the database may be down.
func (r *Raw) Try(query string, args ...any) error {
	_, err := r.db.ExecContext(r.tb.Context(), query, args...)
	return err
}

// Row is all columns of a user's row by name, or nil when there is none. Times of every kind are Unix seconds.
func (r *Raw) Row(id user.ID) map[string]any {
	r.tb.Helper()
	rows := r.Query("SELECT * FROM users WHERE id = $1", string(id))
	if len(rows) == 0 {
		return nil
	}
	return rows[0]
}

// Column is one column of a user's row.
func (r *Raw) Column(id user.ID, column string) any {
	r.tb.Helper()
	return r.Row(id)[column]
}

// Query returns all rows of a query, as [Raw.Row] does.
func (r *Raw) Query(query string, args ...any) []map[string]any {
	r.tb.Helper()
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
		tb.Fatalf("reading past the store: %v\n%s", err, query)
	}
	defer func() { _ = rows.Close() }()
	var all []map[string]any
	for rows.Next() {
		row, err := scan(rows)
		if err != nil {
			tb.Fatalf("reading a row past the store: %v\n%s", err, query)
		}
		all = append(all, row)
	}
	if err := rows.Err(); err != nil {
		tb.Fatalf("reading past the store: %v\n%s", err, query)
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
		r.tb.Fatalf("beginning a transaction past the store: %v", err)
	}
	return &RawTx{tb: r.tb, tx: tx}
}

// Lock changes nothing of the row but holds it, as a transaction of the application would, until release is called.
func (r *Raw) Lock(id user.ID) (release func()) {
	r.tb.Helper()
	tx := r.Begin()
	tx.Exec("UPDATE users SET email = email WHERE id = $1", string(id))
	return tx.Rollback
}

// RawTx is a transaction of the application.
type RawTx struct {
	tb testing.TB
	tx *sql.Tx
}

// Exec executes one statement.
func (t *RawTx) Exec(query string, args ...any) {
	t.tb.Helper()
	if _, err := t.tx.ExecContext(t.tb.Context(), query, args...); err != nil {
		t.tb.Fatalf("executing past the store: %v\n%s", err, query)
	}
}

// Query returns all rows of a query, as [Raw.Query] does.
func (t *RawTx) Query(query string, args ...any) []map[string]any {
	t.tb.Helper()
	return read(t.tb, t.tx, query, args)
}

// Commit makes it so.
func (t *RawTx) Commit() {
	t.tb.Helper()
	if err := t.tx.Commit(); err != nil {
		t.tb.Fatalf("committing past the store: %v", err)
	}
}

// Rollback undoes it.
func (t *RawTx) Rollback() { _ = t.tx.Rollback() }
