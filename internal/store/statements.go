package store

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/fitai/fituser-operator/internal/user"
)

// statements is the SQL for one table. The types of its columns determine how values are written.
type statements struct {
	mapping *user.Mapping
	// columns are the mapped columns, in the order in which the statements take and return them.
	columns []columnCodec
	// keyKind is the kind of the key column.
	keyKind string
	// emailRequired is true when a row needs an address.
	emailRequired bool

	// get takes a key and returns the columns, the creation time and the time of the soft deletion, NULL without such a
	// column.
	get statement
	// scanFirst takes a limit, scan a key and a limit. They return key, columns and time of the soft deletion, of all rows or
	// of those with greater keys.
	scanFirst, scan statement
	// put takes [putValues]. There are two statements for an engine with updateFirst; the second one inserts.
	put []statement
	// update takes [putValues].
	update statement
	// move takes key, address and the time of the update.
	move statement
	// remove takes the key.
	remove statement
	// holders has a query for each unique index over the address. Each takes an address and returns key, primary key and address
	// of the row that holds it, compared as the index compares.
	holders []statement
	// liveHolders are the same queries for rows that are not softly deleted, and live is that condition.
	liveHolders []statement
	live        string
	// anyCase takes an address and returns the same of up to two such rows that hold it in any case. It reads the whole table,
	// unless there is an index over lower(address).
	anyCase statement
	// selectHolder selects key, primary key and address.
	selectHolder string

	// selected is what scans select, created the expression of the creation time, NULL without such a column.
	selected, created string

	table, key, email string
	keyCodec          codec
	primary           ownPrimary
	checked           *tableSchema
	d                 *dialect
}

// columnCodec is a mapped column with how it is read and written.
type columnCodec struct {
	user.Column
	codec codec
	// emptyIsNull is true for a column that holds SQL NULL in place of an empty text.
	emptyIsNull bool
}

// statement is SQL with its parameters in the order of their numbers. order is nil where the engine takes numbers.
type statement struct {
	text  string
	order []int
}

var placeholder = regexp.MustCompile(`\$([0-9]+)`)

// statement converts SQL with the placeholders $1, $2, … for the engine.
func (d *dialect) statement(text string) statement {
	if !d.positional {
		return statement{text: text}
	}
	var made statement
	made.text = placeholder.ReplaceAllStringFunc(text, func(number string) string {
		n, _ := strconv.Atoi(number[1:]) // the pattern allows digits only
		made.order = append(made.order, n-1)
		return "?"
	})
	return made
}

// args returns the values as the engine takes them.
func (s statement) args(values []any) []any {
	if s.order == nil {
		return values
	}
	ordered := make([]any, len(s.order))
	for i, n := range s.order {
		ordered[i] = values[n]
	}
	return ordered
}

// statements makes the SQL for the table as the catalogs describe it.
func (t tableSchema) statements() *statements {
	d, m := t.dialect, t.mapping
	s := &statements{
		mapping: m, columns: t.columnCodecs(), keyKind: t.column(m.Key.Column).kind, emailRequired: t.emailRequired(),
		table: t.quotedName(), key: d.quote(m.Key.Column), keyCodec: t.keyCodec(), primary: t.ownPrimary(), checked: &t, d: d,
	}
	key := s.keyCodec
	sameKey := s.sameKey(fmt.Sprintf(key.write, "$1"))
	created, deleted := "NULL", "NULL"
	if m.CreatedAt != "" {
		created = fmt.Sprintf(t.clockOf(m.CreatedAt).read, d.quote(m.CreatedAt))
	}
	if m.SoftDelete != nil {
		deleted = fmt.Sprintf(t.clockOf(m.SoftDelete.Column).read, d.quote(m.SoftDelete.Column))
	}
	var texts []string
	for _, c := range s.columns {
		texts = append(texts, fmt.Sprintf(c.codec.read, d.quote(c.Name)))
	}
	keyText := fmt.Sprintf(key.read, s.key)
	scanned := strings.Join(append(append([]string{keyText}, texts...), deleted), ", ")
	s.selected, s.created = scanned, created
	s.get = d.statement("SELECT " + strings.Join(append(texts, created, deleted), ", ") + " FROM " + s.table + " WHERE " + sameKey)
	s.scanFirst = d.statement("SELECT " + scanned + " FROM " + s.table + " WHERE " + s.key + " IS NOT NULL ORDER BY " + s.ordered(s.key) + " LIMIT $1")
	s.scan = d.statement("SELECT " + scanned + " FROM " + s.table + " WHERE " + s.key + " > " + fmt.Sprintf(key.write, "$1") +
		" ORDER BY " + s.ordered(s.key) + " LIMIT $2")
	s.remove = d.statement("DELETE FROM " + s.table + " WHERE " + sameKey)
	t.addWrites(s, sameKey)
	address := "''"
	if m.Has(user.FieldEmail) {
		s.email = d.quote(m.NameOf(user.FieldEmail))
		address = s.email
	}
	if m.SoftDelete != nil {
		s.live = " AND " + d.quote(m.SoftDelete.Column) + " IS NULL"
	}
	s.selectHolder = "SELECT " + strings.Join([]string{keyText, t.primaryText(), address}, ", ") + " FROM " + s.table
	if s.email != "" {
		t.addHolders(s)
	}
	return s
}

// primaryText is the text of the table's own primary key, empty where the key column is that one.
func (t tableSchema) primaryText() string {
	if t.primaryKey == "" || t.primaryKey == t.dialect.fold(t.mapping.Key.Column) {
		return "''"
	}
	return fmt.Sprintf(t.dialect.asText, t.dialect.quote(t.primaryName()))
}

// ordered returns a column for ORDER BY. Without the table's name, PostgreSQL would order by the text that is selected from
// the column.
func (s *statements) ordered(column string) string { return s.table + "." + column }

// sameKey is the condition that the key column holds exactly the value.
func (s *statements) sameKey(value string) string { return s.d.isKey(s.key, value) }

// isKey is the condition that a column holds exactly the value.
func (d *dialect) isKey(column, value string) string {
	if d.sameKey == "" {
		return column + " = " + value
	}
	return fmt.Sprintf(d.sameKey, column, value)
}

// addWrites adds the statements that write a row. None uses REPLACE, which deletes the row and with it the rows that refer
// to it.
func (t tableSchema) addWrites(s *statements, sameKey string) {
	d, m := t.dialect, t.mapping
	names, values := []string{s.key}, []string{fmt.Sprintf(s.keyCodec.write, "$1")}
	var updated []int
	add := func(name string, c codec, changes bool) {
		if changes {
			updated = append(updated, len(names))
		}
		values = append(values, fmt.Sprintf(c.write, "$"+strconv.Itoa(len(names)+1)))
		names = append(names, d.quote(name))
	}
	for _, c := range s.columns {
		add(c.Name, c.codec, true)
	}
	if m.SoftDelete != nil {
		add(m.SoftDelete.Column, t.clockOf(m.SoftDelete.Column), true)
	}
	if m.UpdatedAt != "" {
		add(m.UpdatedAt, t.clockOf(m.UpdatedAt), true)
	}
	if m.CreatedAt != "" { // last: an update does not take it
		add(m.CreatedAt, t.clockOf(m.CreatedAt), false)
	}
	var assignments, fromExcluded []string
	for _, i := range updated {
		assignments = append(assignments, names[i]+" = "+values[i])
		fromExcluded = append(fromExcluded, names[i]+" = excluded."+names[i])
	}
	insert := "INSERT INTO " + s.table + " (" + strings.Join(names, ", ") + ") VALUES (" + strings.Join(values, ", ") + ")"
	s.update = d.statement("UPDATE " + s.table + " SET " + strings.Join(assignments, ", ") + " WHERE " + sameKey)
	if d.updateFirst {
		s.put = []statement{s.update, d.statement(insert)}
		return
	}
	s.put = []statement{d.statement(insert + " ON CONFLICT (" + s.key + ") DO UPDATE SET " + strings.Join(fromExcluded, ", "))}
}

// addHolders adds the statements that need the address.
func (t tableSchema) addHolders(s *statements) {
	d, m := t.dialect, t.mapping
	touched := ""
	if m.UpdatedAt != "" {
		touched = ", " + d.quote(m.UpdatedAt) + " = " + fmt.Sprintf(t.clockOf(m.UpdatedAt).write, "$3")
	}
	s.move = d.statement("UPDATE " + s.table + " SET " + s.email + " = $2" + touched + " WHERE " + s.sameKey(fmt.Sprintf(s.keyCodec.write, "$1")))
	s.anyCase = d.statement(s.selectHolder + " WHERE lower(" + s.email + ") = lower($1)" + s.live + " LIMIT 2")
	for _, key := range t.emailKeys {
		query := s.selectHolder + " WHERE " + d.holds(key.expression, s.email, t.castType(m.NameOf(user.FieldEmail)))
		s.liveHolders = append(s.liveHolders, d.statement(query+s.live))
		if key.liveOnly {
			query += s.live
		}
		s.holders = append(s.holders, d.statement(query))
	}
}

// lock returns the statement that takes n keys, locks their rows and returns key and address. It locks in the order of the
// key, so that two transactions that need the same rows cannot deadlock.
func (s *statements) lock(n int) statement {
	conditions := make([]string, n)
	for i := range conditions {
		conditions[i] = s.sameKey(fmt.Sprintf(s.keyCodec.write, "$"+strconv.Itoa(i+1)))
	}
	return s.d.statement("SELECT " + fmt.Sprintf(s.keyCodec.read, s.key) + ", " + s.email + " FROM " + s.table +
		" WHERE " + strings.Join(conditions, " OR ") + " ORDER BY " + s.key + s.d.lockRows)
}

// quoted returns a name between quotes.
func quoted(name, quote string) string {
	return quote + strings.ReplaceAll(name, quote, quote+quote) + quote
}
