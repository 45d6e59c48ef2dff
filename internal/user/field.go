package user

import (
	"regexp"
	"slices"
	"strings"
)

// Field names a fact about a user that a column of the table can hold.
type Field string

// The fields that every installation knows. They have a default column each.
const (
	FieldEmail     Field = "email"
	FieldFirstName Field = "firstName"
	FieldLastName  Field = "lastName"
	FieldRole      Field = "role"
	FieldPhone     Field = "phone"
)

// Further fields, for columns under extra in the mapping.
const (
	FieldUsername     Field = "username"
	FieldFullName     Field = "fullName"
	FieldImageURL     Field = "imageURL"
	FieldExternalID   Field = "externalID"
	FieldLocale       Field = "locale"
	FieldLastSignInAt Field = "lastSignInAt"
	FieldBanned       Field = "banned"
	FieldLocked       Field = "locked"
)

// metadataPrefix begins a field that holds a value of the public metadata: publicMetadata.plan, publicMetadata.a.b.
const metadataPrefix = "publicMetadata."

var metadataPath = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){0,7}$`)

// ExtraFields returns the further fields, without those of the public metadata.
func ExtraFields() []Field {
	return []Field{
		FieldUsername, FieldFullName, FieldImageURL, FieldExternalID, FieldLocale, FieldLastSignInAt, FieldBanned, FieldLocked,
	}
}

// IsExtra reports whether f is a further field, or a value of the public metadata.
func (f Field) IsExtra() bool {
	path, isMetadata := f.MetadataPath()
	return slices.Contains(ExtraFields(), f) || isMetadata && len(path) > 0
}

// MetadataPath returns the keys that lead to the field's value in the public metadata; false for another field.
func (f Field) MetadataPath() (path []string, isMetadata bool) {
	text, isMetadata := strings.CutPrefix(string(f), metadataPrefix)
	if !isMetadata || !metadataPath.MatchString(text) {
		return nil, isMetadata
	}
	return strings.Split(text, "."), true
}

// FieldKind is what the texts of a field look like.
type FieldKind int

const (
	// TextField is any text.
	TextField FieldKind = iota
	// BooleanField is "true" or "false".
	BooleanField
	// TimeField is a time in milliseconds since 1970, as a decimal number.
	TimeField
	// ValueField is a JSON value: a string as its text, anything else as its JSON, with the keys of objects in
	// alphabetical order.
	ValueField
)

// Kind returns what the texts of f look like. The text is empty for a value that Clerk does not have.
func (f Field) Kind() FieldKind {
	switch f {
	case FieldBanned, FieldLocked:
		return BooleanField
	case FieldLastSignInAt:
		return TimeField
	default:
		if _, isMetadata := f.MetadataPath(); isMetadata {
			return ValueField
		}
		return TextField
	}
}

// Decoded returns those of the fields that [User.Extra] must hold; the others follow from the rest of the user.
func Decoded(fields []Field) []Field {
	return slices.DeleteFunc(slices.Clone(fields), func(f Field) bool {
		return !f.IsExtra() || f == FieldFullName || f == FieldExternalID || f == FieldBanned || f == FieldLocked
	})
}
