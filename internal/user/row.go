package user

import "time"

// A new column of the users table is added in this file: a field of [User], a field of [Row], a line each in
// [DesiredRow], [Row.User] and [Row.Cells]. The other two places are internal/clerk/decode.go, which reads Clerk's
// value, and the CREATE TABLE texts of internal/store and internal/store/storetest. Everything else follows from the
// table in [Row.Cells].

// User is a user as Clerk describes them, reduced to what the operator acts on or shows.
type User struct {
	ID ID
	// Email is the primary e-mail address, empty when the user has none (phone, username or wallet sign-up).
	Email               string
	FirstName, LastName string
	// Phone is the primary phone number, empty when there is none.
	Phone string

	// Role is public_metadata.role, known or not; empty when absent. A value that is not a string is its JSON text.
	Role string
	// HasMarker is true when private_metadata.fituser exists; Marker is its content.
	HasMarker bool
	Marker    Marker
	// RequestedRole is unsafe_metadata.role: what the user asked for, and anybody can write.
	RequestedRole string
	// VerifiedEmails are all verified addresses in the form of [NormalizeEmail], the test addresses included.
	VerifiedEmails []string

	Banned, Locked, Deprovisioned bool

	CreatedAt time.Time
	// UpdatedAt changes with every write in Clerk, sign-ins included. It orders Clerk's responses and has no other use.
	UpdatedAt time.Time
}

// Row is a user's row in the application's table, reduced to the columns that the operator owns.
type Row struct {
	ID                  ID
	Email               string
	FirstName, LastName string
	// Phone is empty for SQL NULL.
	Phone string
	// Role is the text of the column. In an observed row it may be a text that is not a known role.
	Role Role
	// CreatedAt is Clerk's creation time. It is written once, with the row, and never compared.
	CreatedAt time.Time
}

// Column names a column that the operator compares with Clerk and keeps equal to it. The id and the two times are not
// among them.
type Column string

// The columns.
const (
	ColumnEmail     Column = "email"
	ColumnFirstName Column = "first_name"
	ColumnLastName  Column = "last_name"
	ColumnRole      Column = "role"
	ColumnPhone     Column = "phone"
)

// Cell is one column of one row.
type Cell struct {
	Column Column
	// Text points to the field of the row that holds the column's text.
	Text *string
	// EmptyIsNull is true for a column that holds SQL NULL in place of an empty text.
	EmptyIsNull bool
}

// Cells is the table of all columns, in the order of the database's table, bound to the fields of r. [Row.Diff], the
// fingerprint, the statements, the schema check and the drift metrics are derived from it.
//
// It binds fields instead of listing accessor functions because a sweep compares 10⁶ users: calls through function
// values would move every row to the heap.
func (r *Row) Cells() [5]Cell {
	return [...]Cell{
		{Column: ColumnEmail, Text: &r.Email},
		{Column: ColumnFirstName, Text: &r.FirstName},
		{Column: ColumnLastName, Text: &r.LastName},
		{Column: ColumnRole, Text: (*string)(&r.Role)},
		{Column: ColumnPhone, Text: &r.Phone, EmptyIsNull: true},
	}
}

// Columns returns all columns in the order of the database's table.
func Columns() []Column {
	var row Row
	cells := row.Cells()
	columns := make([]Column, 0, len(cells))
	for _, cell := range cells {
		columns = append(columns, cell.Column)
	}
	return columns
}

// Of returns the column's text in r. It is empty for a column that [Columns] does not contain.
func (c Column) Of(r *Row) string {
	for _, cell := range r.Cells() {
		if cell.Column == c {
			return *cell.Text
		}
	}
	return ""
}

// DesiredRow is the row that u must have while role is in force.
func DesiredRow(u User, role Role) Row {
	return Row{
		ID: u.ID, Email: u.Email, FirstName: u.FirstName, LastName: u.LastName, Phone: u.Phone, Role: role,
		CreatedAt: u.CreatedAt,
	}
}

// User returns a user with the values of r, for code that shows users. It contains nothing that a row does not hold.
func (r Row) User() User {
	return User{
		ID: r.ID, Email: r.Email, FirstName: r.FirstName, LastName: r.LastName, Phone: r.Phone, Role: string(r.Role),
		CreatedAt: r.CreatedAt,
	}
}

// Diff returns the columns in which r differs from observed, in the table's order. It does not compare times.
func (r Row) Diff(observed Row) []Column {
	var columns []Column
	current := observed.Cells()
	for i, cell := range r.Cells() {
		if *cell.Text != *current[i].Text {
			columns = append(columns, Columns()[i]) // cell.Column would let the compiler move r to the heap
		}
	}
	return columns
}
