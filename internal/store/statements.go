package store

import (
	"fmt"
	"strconv"
	"strings"
)

// statements is the SQL for one table. The types of its columns determine how times and addresses are written.
// Placeholders are $1, $2, … on both engines.
type statements struct {
	// get takes the id and returns [textColumns] and created_at in milliseconds.
	get string
	// scan takes an id and a limit. It returns id and [textColumns] of the rows with greater ids.
	scan string
	// put takes id, [textColumns], created_at and updated_at, times in milliseconds.
	put string
	// move takes id, email and updated_at.
	move string
	// remove takes the id.
	remove string
	// holders has a query for each unique index over email. Each takes an address and returns the id of the row that holds
	// it, compared as the index compares.
	holders []string

	lockRows string
}

func (t tableSchema) statements(d *dialect) *statements {
	created, updated := d.clocks[t.columns["created_at"].kind], d.clocks[t.columns["updated_at"].kind]
	texts := strings.Join(textColumns(), ", ")
	made := &statements{
		get:      "SELECT " + texts + ", " + fmt.Sprintf(created.read, "created_at") + " FROM users WHERE id = $1",
		scan:     "SELECT id, " + texts + " FROM users WHERE id > $1 ORDER BY id LIMIT $2",
		put:      putStatement(created, updated),
		move:     "UPDATE users SET email = $2, updated_at = " + fmt.Sprintf(updated.write, "$3") + " WHERE id = $1",
		remove:   "DELETE FROM users WHERE id = $1",
		lockRows: d.lockRows,
	}
	for _, key := range t.emailKeys {
		// The query applies the index's own expression and the column's own type to the address, so that it compares as the
		// index does.
		made.holders = append(made.holders, fmt.Sprintf(
			"SELECT id FROM users WHERE %[1]s = (SELECT %[1]s FROM (SELECT CAST($1 AS %[2]s) AS email) AS wanted)",
			key, t.columns["email"].sqlType))
	}
	return made
}

// putStatement inserts or updates. It never uses REPLACE, which deletes the row and with it the rows that refer to it.
func putStatement(created, updated clock) string {
	values := placeholders(len(ownedColumns()))
	times := values[len(values)-2:]
	times[0], times[1] = fmt.Sprintf(created.write, times[0]), fmt.Sprintf(updated.write, times[1])
	var assignments []string
	for _, name := range updatedColumns() {
		assignments = append(assignments, name+" = excluded."+name)
	}
	return "INSERT INTO users (" + strings.Join(ownedColumns(), ", ") + ") VALUES (" + strings.Join(values, ", ") + ")" +
		" ON CONFLICT (id) DO UPDATE SET " + strings.Join(assignments, ", ")
}

// lock returns the statement that takes n ids, locks their rows and returns id and email. It locks in the order of id,
// so that two transactions that need the same rows cannot deadlock.
func (s *statements) lock(n int) string {
	return "SELECT id, email FROM users WHERE id IN (" + strings.Join(placeholders(n), ", ") + ") ORDER BY id" + s.lockRows
}

// placeholders returns $1 to $n.
func placeholders(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = "$" + strconv.Itoa(i+1)
	}
	return list
}
