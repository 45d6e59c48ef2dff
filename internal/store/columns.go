package store

import (
	"database/sql"
	"strings"
	"unicode/utf8"

	"github.com/fitai/fituser-operator/internal/user"
)

// ownedColumns returns the names of all columns that the store reads or writes: the id, the columns of [user.Columns],
// and the two times.
func ownedColumns() []string {
	return append(append([]string{"id"}, textColumns()...), "created_at", "updated_at")
}

// updatedColumns returns the columns that an update of a row writes.
func updatedColumns() []string { return append(textColumns(), "updated_at") }

// textColumns returns the names of [user.Columns].
func textColumns() []string {
	var names []string
	for _, column := range user.Columns() {
		names = append(names, string(column))
	}
	return names
}

// columnValues returns the row's texts as parameters of a statement, in the order of [textColumns].
func columnValues(row user.Row) []any {
	var values []any
	for _, cell := range row.Cells() {
		if cell.EmptyIsNull {
			values = append(values, sql.NullString{String: *cell.Text, Valid: *cell.Text != ""})
		} else {
			values = append(values, *cell.Text)
		}
	}
	return values
}

// scanTargets appends to targets where [sql.Rows.Scan] puts the row's texts, in the order of [textColumns].
func scanTargets(targets []any, row *user.Row) []any {
	for _, cell := range row.Cells() {
		targets = append(targets, (*nullableText)(cell.Text))
	}
	return targets
}

// nullableText is a text that SQL NULL makes empty.
type nullableText string

// Scan implements [sql.Scanner].
func (t *nullableText) Scan(value any) error {
	var text sql.NullString
	err := text.Scan(value)
	*t = nullableText(text.String)
	return err
}

// validateText rejects text that PostgreSQL cannot hold and that SQLite would accept and cut off. So both engines
// accept the same values, and the error names the column.
func validateText(row user.Row, moves []Move) error {
	for _, cell := range row.Cells() {
		if !isText(*cell.Text) {
			return errNotText(cell.Column)
		}
	}
	for _, move := range moves {
		if !isText(move.To) {
			return errNotText(user.ColumnEmail)
		}
	}
	return nil
}

func isText(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

func errNotText(column user.Column) error {
	return &Error{Class: ErrInvalidData, Cause: "not UTF-8 text, or contains a NUL", Name: string(column)}
}
