package store

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fitai/fituser-operator/internal/user"
)

// putValues returns the parameters of put and update: the key, the columns, and those of the times that the table has a
// column for: soft deletion, update, creation.
func (s *statements) putValues(row *user.Row, now int64) ([]any, error) {
	values := []any{string(row.ID)}
	for _, c := range s.columns {
		if _, known := row.Extra[c.From]; c.From.IsExtra() && !known {
			return nil, errOtherMapping
		}
		values = append(values, c.value(row.Text(c.From)))
	}
	if s.mapping.SoftDelete != nil {
		values = append(values, milliseconds(row.DeletedAt))
	}
	if s.mapping.UpdatedAt != "" {
		values = append(values, now)
	}
	if s.mapping.CreatedAt != "" {
		values = append(values, row.CreatedAt.UnixMilli())
	}
	return values, nil
}

func milliseconds(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: t.UnixMilli(), Valid: !t.IsZero()}
}

// value returns a text as the column's parameter.
func (c columnCodec) value(text string) any {
	switch {
	case text == "" && c.emptyIsNull:
		return nil
	case useOf(c.From) == useTime:
		if ms, err := strconv.ParseInt(text, 10, 64); err == nil {
			return ms
		}
		return nil
	case c.codec.json:
		return asJSON(text)
	default:
		return text
	}
}

// rowScanner scans the columns of a row, and what the caller adds to targets.
type rowScanner struct {
	s       *statements
	texts   []nullableText
	targets []any
}

func (s *statements) rowScanner() *rowScanner {
	scanner := &rowScanner{s: s, texts: make([]nullableText, len(s.columns))}
	for i := range scanner.texts {
		scanner.targets = append(scanner.targets, &scanner.texts[i])
	}
	return scanner
}

// fill sets the texts of row from the last scan.
func (r *rowScanner) fill(row *user.Row) {
	for i, c := range r.s.columns {
		text := string(r.texts[i])
		if c.codec.json {
			text = fromJSON(text)
		}
		row.Set(c.From, text)
	}
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

// asJSON returns the text of a field as JSON: unchanged if it is JSON, else as a JSON string.
func asJSON(text string) string {
	if json.Valid([]byte(text)) {
		return text
	}
	encoded, _ := json.Marshal(text) // a string can always be encoded
	return string(encoded)
}

// fromJSON returns the text of a field that a column holds as JSON: a string as its text, anything else in the form of
// [user.ValueField].
func fromJSON(text string) string {
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.UseNumber()
	var value any
	if decoder.Decode(&value) != nil {
		return text
	}
	if plain, isText := value.(string); isText {
		return plain
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return text
	}
	return string(encoded)
}

// validateText rejects text that PostgreSQL cannot hold and that SQLite would accept and cut off. So all engines
// accept the same values, and the error names the column.
func (s *statements) validateText(row *user.Row, moves []Move) error {
	for _, c := range s.columns {
		if !isText(row.Text(c.From)) {
			return errNotText(c.Name)
		}
	}
	for _, move := range moves {
		if !isText(move.To) {
			return errNotText(s.mapping.NameOf(user.FieldEmail))
		}
	}
	if !fitsKey(s.keyKind, row.ID) {
		return &Error{Class: ErrInvalidData, Cause: "the key column cannot hold it, because it is " + s.keyKind, Name: s.mapping.Key.Column}
	}
	return nil
}

func isText(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

func errNotText(column string) error {
	return &Error{Class: ErrInvalidData, Cause: "not UTF-8 text, or contains a NUL", Name: column}
}
