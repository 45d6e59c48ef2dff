package user

import "time"

// A new field that a column can hold is added in this file: a field of [Row], a line in [Row.text], and one in
// [Mapping.DesiredRow]. Its name is in field.go, its column in [DefaultMapping]. The other places are
// internal/clerk/decode.go, which reads Clerk's value, and the CREATE TABLE texts of internal/store and
// internal/store/storetest. Everything else follows from [Mapping.Columns].

// User is a user as Clerk describes them, reduced to what the operator acts on or shows.
type User struct {
	ID ID
	// ExternalID is Clerk's external_id: the application's own id of the user. Empty when there is none.
	ExternalID string
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
	// HasEmails is true when the user has an address, primary or not.
	HasEmails bool

	CreatedAt time.Time
	// UpdatedAt changes with every write in Clerk, sign-ins included. It orders Clerk's responses and has no other use.
	UpdatedAt time.Time

	// Extra are the texts of the further fields that the mapping has columns for (see [Decoded]); nil when it has none.
	Extra map[Field]string
}

// Row is a user's row in the application's table, reduced to the columns that the operator owns.
type Row struct {
	// ID is the key. An application's own row may have one that is not Clerk's.
	ID ID
	// Email is empty for SQL NULL, as are the other texts.
	Email               string
	FirstName, LastName string
	Phone               string
	// Role is the text of the column, which may spell roles in its own way; see [Mapping.SpelledRole] and [Mapping.RoleOf]. In
	// an observed row it may be a text that is not a known role.
	Role Role
	// CreatedAt is Clerk's creation time. It is written once, with the row, and never compared.
	CreatedAt time.Time
	// DeletedAt is when the row was softly deleted; zero when it is not.
	DeletedAt time.Time
	// Extra are the texts of further fields; nil when the mapping has none.
	Extra map[Field]string
}

// text returns where r holds the text of a field; nil for a further field.
func (r *Row) text(f Field) *string {
	switch f {
	case FieldEmail:
		return &r.Email
	case FieldFirstName:
		return &r.FirstName
	case FieldLastName:
		return &r.LastName
	case FieldRole:
		return (*string)(&r.Role)
	case FieldPhone:
		return &r.Phone
	default:
		return nil
	}
}

// Text returns the text of a field.
func (r *Row) Text(f Field) string {
	if text := r.text(f); text != nil {
		return *text
	}
	return r.Extra[f]
}

// Set changes the text of a field.
func (r *Row) Set(f Field, text string) {
	if place := r.text(f); place != nil {
		*place = text
		return
	}
	if r.Extra == nil {
		r.Extra = map[Field]string{}
	}
	r.Extra[f] = text
}

// User returns a user with the values of r, for code that shows users. It contains nothing that a row does not hold.
func (r Row) User() User {
	return User{
		ID: r.ID, Email: r.Email, FirstName: r.FirstName, LastName: r.LastName, Phone: r.Phone, Role: string(r.Role), CreatedAt: r.CreatedAt,
	}
}
