package user

import "time"

// Row is a user's row in the application's table, reduced to the columns that are ours.
type Row struct {
	ID                  ID
	Email               string
	FirstName, LastName string
	// Phone is empty for SQL NULL.
	Phone string
	// Role is what the column holds, which in an observed row may be no role at all.
	Role Role
	// CreatedAt is Clerk's creation time. It is written once, with the row, and never compared.
	CreatedAt time.Time
}

// Column names a column of the row that the operator owns.
type Column string

// The columns that are compared and kept equal to Clerk.
const (
	ColumnEmail     Column = "email"
	ColumnFirstName Column = "first_name"
	ColumnLastName  Column = "last_name"
	ColumnPhone     Column = "phone"
	ColumnRole      Column = "role"
)

// DesiredRow is the row that u must have while role is in force.
func DesiredRow(u User, role Role) Row {
	return Row{
		ID: u.ID, Email: u.Email, FirstName: u.FirstName, LastName: u.LastName, Phone: u.Phone, Role: role,
		CreatedAt: u.CreatedAt,
	}
}

// Diff names the columns in which r differs from observed, in the table's order. Times are no difference.
func (r Row) Diff(observed Row) []Column {
	var columns []Column
	add := func(column Column, differs bool) {
		if differs {
			columns = append(columns, column)
		}
	}
	add(ColumnEmail, r.Email != observed.Email)
	add(ColumnFirstName, r.FirstName != observed.FirstName)
	add(ColumnLastName, r.LastName != observed.LastName)
	add(ColumnPhone, r.Phone != observed.Phone)
	add(ColumnRole, r.Role != observed.Role)
	return columns
}

// Columns returns the columns that are compared.
func Columns() []Column {
	return []Column{ColumnEmail, ColumnFirstName, ColumnLastName, ColumnPhone, ColumnRole}
}
