package user

import (
	"cmp"
	"strconv"
	"strings"
	"time"
)

// Mapping describes the application's users table: its name, its columns and what they hold. It is never modified after
// it is made, and it is valid: internal/tableconfig reads and checks it.
type Mapping struct {
	// Schema is empty for the one that the database looks in by itself.
	Schema, Table string
	Key           KeyColumn
	// Columns are the columns that the operator compares with Clerk and keeps equal to it. No field occurs twice.
	Columns []Column
	// CreatedAt and UpdatedAt are the columns of the two times; empty when the table has no such column.
	CreatedAt, UpdatedAt string
	// RoleNames is how the column spells a role; a role that it lacks is spelled as it is.
	RoleNames map[Role]Role
	// Times is how integer columns hold a time; empty to find out from the table.
	Times TimeUnit
	// SoftDelete is nil when rows are deleted.
	SoftDelete *SoftDelete
	AdoptRows  AdoptRows
}

// KeyColumn is the column that identifies a user's row. It may be another one than the table's primary key.
type KeyColumn struct {
	Column string
	Holds  KeyHolds
}

// KeyHolds is what the key column holds.
type KeyHolds string

// What a key column can hold.
const (
	// HoldsClerkID is the Clerk id.
	HoldsClerkID KeyHolds = "clerkID"
	// HoldsExternalID is Clerk's external_id, and the Clerk id of a user who has none.
	HoldsExternalID KeyHolds = "externalID"
)

// Column is one column of the table, and the field that it holds.
type Column struct {
	Name string
	From Field
}

// TimeUnit is how a column holds a time.
type TimeUnit string

// The units of times. Native is the database's own type for times.
const (
	Seconds      TimeUnit = "seconds"
	Milliseconds TimeUnit = "milliseconds"
	Native       TimeUnit = "native"
)

// SoftDelete is the column that holds when a row was deleted, in place of the deletion.
type SoftDelete struct {
	Column string
	// PurgeAfter is how long after that the row is deleted; 0 means never.
	PurgeAfter time.Duration
}

// AdoptRows is which rows without a Clerk user become a user's own.
type AdoptRows string

// Which rows are adopted.
const (
	AdoptNever AdoptRows = "never"
	// AdoptExternalID adopts the row that the user's external_id names.
	AdoptExternalID AdoptRows = "externalID"
	// AdoptVerifiedEmail also adopts the row that holds one of the user's verified addresses.
	AdoptVerifiedEmail AdoptRows = "verifiedEmail"
)

// DefaultMapping is FitAI's own table.
func DefaultMapping() *Mapping {
	return &Mapping{
		Table: "users", Key: KeyColumn{Column: "id", Holds: HoldsClerkID},
		Columns: []Column{
			{"email", FieldEmail}, {"first_name", FieldFirstName}, {"last_name", FieldLastName}, {"role", FieldRole}, {"phone", FieldPhone},
		},
		CreatedAt: "created_at", UpdatedAt: "updated_at", AdoptRows: AdoptNever,
	}
}

// Has reports whether the table has a column for the field.
func (m *Mapping) Has(f Field) bool { return m.NameOf(f) != "" }

// NameOf returns the name of the field's column; empty when the table has none.
func (m *Mapping) NameOf(f Field) string {
	for _, c := range m.Columns {
		if c.From == f {
			return c.Name
		}
	}
	return ""
}

// Fields returns the fields that the table has a column for, in the order of the columns.
func (m *Mapping) Fields() []Field {
	fields := make([]Field, len(m.Columns))
	for i, c := range m.Columns {
		fields[i] = c.From
	}
	return fields
}

// KeyOf returns the key of a user's row.
func (m *Mapping) KeyOf(u User) ID {
	if m.Key.Holds == HoldsExternalID {
		return ID(cmp.Or(u.ExternalID, string(u.ID)))
	}
	return u.ID
}

// SpelledRole returns a role as the column spells it.
func (m *Mapping) SpelledRole(role Role) Role { return cmp.Or(m.RoleNames[role], role) }

// RoleOf returns the role that a row holds. A text that spells no role is returned as it is, but one that is the name of a
// role which the column spells in another way: it is empty, because the row does not hold that role.
func (m *Mapping) RoleOf(r Row) Role {
	for role, name := range m.RoleNames {
		if name == r.Role {
			return role
		}
	}
	if m.SpelledRole(r.Role) != r.Role {
		return ""
	}
	return r.Role
}

// DesiredRow is the row that u must have while role is in force. It has all fields, those without a column too: a mapping
// that replaces this one meanwhile finds its own.
func (m *Mapping) DesiredRow(u User, role Role) Row {
	row := Row{
		ID: m.KeyOf(u), Email: u.Email, FirstName: u.FirstName, LastName: u.LastName, Phone: u.Phone, Role: m.SpelledRole(role),
		CreatedAt: u.CreatedAt,
	}
	for _, c := range m.Columns {
		if c.From.IsExtra() {
			row.Set(c.From, c.From.valueOf(u))
		}
	}
	return row
}

// valueOf returns the text of a further field.
func (f Field) valueOf(u User) string {
	switch f {
	case FieldFullName:
		return strings.TrimSpace(u.FirstName + " " + u.LastName)
	case FieldExternalID:
		return u.ExternalID
	case FieldBanned:
		return strconv.FormatBool(u.Banned)
	case FieldLocked:
		return strconv.FormatBool(u.Locked)
	case FieldLastSignInAt:
		return wholeSeconds(u.Extra[f])
	default:
		return u.Extra[f]
	}
}

// noValue returns the text of a further field for a row of nobody. Columns of booleans may have no NULL.
func (f Field) noValue() string {
	if f.Kind() == BooleanField {
		return strconv.FormatBool(false)
	}
	return ""
}

// wholeSeconds returns milliseconds since 1970 without the part of a second, which not every column can hold. A column that
// rounded it would differ from Clerk for ever.
func wholeSeconds(milliseconds string) string {
	if n, err := strconv.ParseInt(milliseconds, 10, 64); err == nil {
		return strconv.FormatInt(n-n%1000, 10)
	}
	return milliseconds
}

// AnonymizedDomain is the domain of the addresses that anonymized rows get. RFC 2606 reserves it.
const AnonymizedDomain = "deleted.invalid"

// AnonymizedEmail returns the address that the row of a user who is deleted in Clerk gets.
func AnonymizedEmail(key ID) string { return "deleted-" + string(key) + "@" + AnonymizedDomain }

// IsAnonymizedEmail reports whether an address is one of an anonymized row.
func IsAnonymizedEmail(address string) bool { return strings.HasSuffix(address, "@"+AnonymizedDomain) }

// AnonymizedRow returns row without personal data. Only its key, its role, which is lowered to the given one, and its
// times remain.
func (m *Mapping) AnonymizedRow(row Row, role Role) Row {
	anonymized := Row{
		ID: row.ID, Email: AnonymizedEmail(row.ID), Role: m.SpelledRole(role), CreatedAt: row.CreatedAt, DeletedAt: row.DeletedAt,
	}
	for _, c := range m.Columns {
		if c.From.IsExtra() {
			anonymized.Set(c.From, c.From.noValue())
		}
	}
	return anonymized
}

// Diff returns the names of the columns in which desired differs from observed, in the table's order. It does not compare
// the times, but for the one of a soft deletion.
func (m *Mapping) Diff(desired, observed Row) []string {
	var names []string
	for _, c := range m.Columns {
		if desired.Text(c.From) != observed.Text(c.From) {
			names = append(names, c.Name)
		}
	}
	if m.SoftDelete != nil && !desired.DeletedAt.Equal(observed.DeletedAt) {
		names = append(names, m.SoftDelete.Column)
	}
	return names
}
