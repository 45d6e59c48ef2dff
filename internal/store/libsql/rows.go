package libsql

import (
	"database/sql/driver"
	"errors"
	"io"
	"strconv"
)

// result implements [driver.Result].
type result struct{ of *statementResult }

var errNoID = errors.New("libsql: the statement has inserted no row with a number")

func (r result) LastInsertId() (int64, error) {
	if r.of.LastInsertID == nil {
		return 0, errNoID
	}
	return strconv.ParseInt(*r.of.LastInsertID, 10, 64)
}

func (r result) RowsAffected() (int64, error) { return r.of.Affected, nil }

// rows implements [driver.Rows] on an answer, which contains all rows.
type rows struct {
	of   *statementResult
	next int
}

func (r *rows) Columns() []string {
	names := make([]string, len(r.of.Cols))
	for i, col := range r.of.Cols {
		names[i] = col.Name
	}
	return names
}

func (r *rows) Close() error { return nil }

var errRow = errors.New("libsql: a row has another number of values than the answer has columns")

func (r *rows) Next(into []driver.Value) error {
	if r.next == len(r.of.Rows) {
		return io.EOF
	}
	row := r.of.Rows[r.next]
	if len(row) != len(into) {
		return errRow
	}
	for i, v := range row {
		into[i] = v.of
	}
	r.next++
	return nil
}
