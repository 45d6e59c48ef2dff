package store

import (
	"fmt"
	"strconv"
	"strings"
)

// statements is the SQL for one table: the types of its columns decide how times and addresses are written. Placeholders
// are $1, $2, … on both engines.
type statements struct {
	// get takes the id and returns email, first_name, last_name, phone, role and created_at in milliseconds.
	get string
	// scan takes an id and a number, and returns the columns that are compared, of so many rows with greater ids.
	scan string
	// put takes id, email, first_name, last_name, phone, role, created_at and updated_at, times in milliseconds.
	put string
	// move takes id, email and updated_at.
	move string
	// remove takes the id.
	remove string
	// holders take an address and return the ids of the rows that hold it, each under one unique index's comparison.
	holders []string

	lockRows string
}

func (t shape) statements(d *dialect) *statements {
	created, updated := d.clocks[t.columns["created_at"].kind], d.clocks[t.columns["updated_at"].kind]
	made := &statements{
		get: "SELECT email, first_name, last_name, phone, role, " + fmt.Sprintf(created.read, "created_at") +
			" FROM users WHERE id = $1",
		scan: "SELECT id, email, first_name, last_name, phone, role FROM users WHERE id > $1 ORDER BY id LIMIT $2",
		// Never REPLACE, which deletes the row and with it all that refers to it.
		put: "INSERT INTO users (id, email, first_name, last_name, phone, role, created_at, updated_at)" +
			" VALUES ($1, $2, $3, $4, $5, $6, " + fmt.Sprintf(created.write, "$7") + ", " + fmt.Sprintf(updated.write, "$8") + ")" +
			" ON CONFLICT (id) DO UPDATE SET email = excluded.email, first_name = excluded.first_name," +
			" last_name = excluded.last_name, phone = excluded.phone, role = excluded.role, updated_at = excluded.updated_at",
		move:     "UPDATE users SET email = $2, updated_at = " + fmt.Sprintf(updated.write, "$3") + " WHERE id = $1",
		remove:   "DELETE FROM users WHERE id = $1",
		lockRows: d.lockRows,
	}
	for _, key := range t.emailKeys {
		// The address goes through the index's own expression, and its column's own type, so that what the index calls
		// equal is equal here.
		made.holders = append(made.holders, fmt.Sprintf(
			"SELECT id FROM users WHERE %[1]s = (SELECT %[1]s FROM (SELECT CAST($1 AS %[2]s) AS email) AS wanted)",
			key, t.columns["email"].sqlType))
	}
	return made
}

// lock returns the statement that takes n ids and returns id and email of their rows, locked in the order of id: two
// transactions that need the same rows then wait for each other, not for themselves.
func (s *statements) lock(n int) string {
	placeholders := make([]string, n)
	for i := range placeholders {
		placeholders[i] = "$" + strconv.Itoa(i+1)
	}
	return "SELECT id, email FROM users WHERE id IN (" + strings.Join(placeholders, ", ") + ") ORDER BY id" + s.lockRows
}
