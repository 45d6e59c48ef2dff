package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"github.com/fitai/fituser-operator/internal/user"
)

const (
	rowsTimeout = 10 * time.Second
	// maxRows is as many as fit into a look. The newest are those that somebody tries something with.
	maxRows   = 100
	countRows = `SELECT count(*) FROM users`
)

// listRows selects the columns that both engines return as text: the id and the operator's columns.
func listRows() string {
	columns := []string{"id"}
	for _, column := range user.DefaultMapping().Columns {
		columns = append(columns, "coalesce(CAST("+column.Name+" AS text), '')")
	}
	return "SELECT " + strings.Join(columns, ", ") + ` FROM
		(SELECT * FROM users ORDER BY created_at DESC, id DESC LIMIT $1) AS newest ORDER BY created_at, id`
}

// rowsHeader names the columns of [listRows].
func rowsHeader() []string {
	header := []string{"ID"}
	for _, column := range user.DefaultMapping().Columns {
		header = append(header, strings.ToUpper(column.Name))
	}
	return header
}

// printRows shows the table as anybody sees it who looks into the database: not through the operator's own code, and
// without writing.
func printRows(ctx context.Context, w io.Writer, databaseURL string) error {
	ctx, cancel := context.WithTimeout(ctx, rowsTimeout)
	defer cancel()
	db, err := openReadOnly(databaseURL)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // read only
	var all int
	if err := db.QueryRowContext(ctx, countRows).Scan(&all); err != nil {
		return fmt.Errorf("counting the rows: %w", err)
	}
	rows, err := db.QueryContext(ctx, listRows(), maxRows)
	if err != nil {
		return fmt.Errorf("reading the users table: %w", err)
	}
	defer func() { _ = rows.Close() }() // read to the end below
	header := rowsHeader()
	lines := []string{strings.Join(header, "\t") + "\n"}
	texts, targets := make([]string, len(header)), make([]any, len(header))
	for i := range texts {
		targets[i] = &texts[i]
	}
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			return fmt.Errorf("reading a row: %w", err)
		}
		lines = append(lines, strings.Join(texts, "\t")+"\n")
	}
	if all > maxRows {
		lines = append(lines, fmt.Sprintf("(the newest %d of %d rows)\n", maxRows, all))
	}
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	_, err = io.WriteString(table, strings.Join(lines, ""))
	return errors.Join(rows.Err(), err, table.Flush())
}

func openReadOnly(databaseURL string) (*sql.DB, error) {
	path, isSQLite := strings.CutPrefix(databaseURL, "sqlite:")
	switch {
	case databaseURL == "":
		return nil, errors.New("DATABASE_URL is not set: say where the users table is; the command rows in .local/bin knows it")
	case strings.HasPrefix(databaseURL, "postgres"):
		return sql.Open("pgx", databaseURL)
	case !isSQLite:
		return nil, errors.New("rows reads SQLite and PostgreSQL only: look into this database with its own client")
	}
	path, err := filepath.Abs(strings.TrimPrefix(path, "//"))
	if err != nil {
		return nil, fmt.Errorf("finding the database's file: %w", err)
	}
	name := url.URL{Scheme: "file", Path: path, RawQuery: "mode=ro"}
	return sql.Open("sqlite", name.String())
}
