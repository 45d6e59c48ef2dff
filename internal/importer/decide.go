package importer

import (
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// policy is what an import decides by. Its methods are pure.
type policy struct {
	mapping    *user.Mapping
	roles      user.Roles
	owner      string
	unverified bool
	now        time.Time
	hashes     hashes
}

// copies reports whether a row shares its address or its phone number with another row.
type copies struct{ email, phone bool }

// plan is what becomes of a row.
type plan struct {
	row store.LegacyRow
	// user is the user to be created; empty when reason is not.
	user clerk.NewUser
	// reason is why the row cannot go; empty when it can.
	reason Reason
	// notes are what does not go along.
	notes []Note
}

// isLegacy reports whether a row is from before Clerk: its key is no Clerk id.
func isLegacy(row *store.LegacyRow) bool {
	_, err := user.ParseID(string(row.Holder.Key))
	return err != nil
}

// externalID returns the external_id of the row's user: the table's own key of the row.
func externalID(row *store.LegacyRow) string {
	if row.Holder.PrimaryKey != "" {
		return row.Holder.PrimaryKey
	}
	return string(row.Holder.Key)
}

// rekeys reports whether a row gets the Clerk id as its key. Otherwise Clerk's external_id is the key that it has.
func (p policy) rekeys() bool { return p.mapping.Key.Holds == user.HoldsClerkID }

// externalIDOf is externalID for this mapping: with an external id as the key, it is the key itself.
func (p policy) externalIDOf(row *store.LegacyRow) string {
	if p.rekeys() {
		return externalID(row)
	}
	return string(row.Holder.Key)
}

// plan decides about a row from before Clerk, as far as the table alone decides it.
func (p policy) plan(row *store.LegacyRow, shared copies) plan {
	made := plan{row: *row, reason: p.refuse(row, shared)}
	if made.reason != "" {
		return made
	}
	u := clerk.NewUser{
		ExternalID: p.externalIDOf(row), Email: strings.TrimSpace(row.Row.Email), Unverified: p.unverified,
		FirstName: row.Row.FirstName, LastName: row.Row.LastName, Phone: strings.TrimSpace(row.Row.Phone), CreatedAt: p.createdAt(row.Row.CreatedAt),
	}
	if row.Password != "" {
		if u.Digest, u.Hasher = p.hashes.recognize(row.Password); u.Hasher == "" {
			made.notes = append(made.notes, PasswordUnknown)
		}
	}
	if text := string(p.mapping.RoleOf(row.Row)); text != "" {
		switch role, known := p.roles.Parse(text); {
		case !known:
			made.notes = append(made.notes, RoleUnknown)
		case role != p.roles.Default():
			u.Role, u.Owner = role, p.owner
		}
	}
	made.user = u
	return made
}

// refuse returns why a row cannot go.
func (p policy) refuse(row *store.LegacyRow, shared copies) Reason {
	address, phone := strings.TrimSpace(row.Row.Email), strings.TrimSpace(row.Row.Phone)
	switch {
	case !row.Row.DeletedAt.IsZero():
		return SoftDeleted
	case user.IsAnonymizedEmail(address):
		return Anonymized
	case p.externalIDOf(row) == "":
		return KeyMissing
	case address == "":
		return AddressMissing
	case !isAddress(address):
		return AddressMalformed
	case shared.email:
		return AddressDuplicated
	case phone != "" && !phoneForm.MatchString(phone):
		return PhoneMalformed
	case phone != "" && shared.phone:
		return PhoneDuplicated
	default:
		return ""
	}
}

// phoneForm is E.164, the one form that Clerk accepts.
var phoneForm = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

// isAddress reports whether a text is an address and nothing else, with a domain that can exist.
func isAddress(text string) bool {
	parsed, err := mail.ParseAddress(text)
	if err != nil || parsed.Address != text || len(text) > 254 {
		return false
	}
	domain := text[strings.LastIndex(text, "@")+1:]
	return strings.Contains(domain, ".") && !strings.HasPrefix(domain, "[")
}

// createdAt returns the time of sign-up for Clerk; zero for a time that cannot be one.
func (p policy) createdAt(t time.Time) time.Time {
	if t.Unix() <= 0 || t.After(p.now) {
		return time.Time{}
	}
	return t
}

// lists reports whether a user has an address, as the primary one or verified. A user from an import has the row's address. A
// user with another address is somebody else, and that external_id means something else.
func lists(u user.User, address string) bool {
	address = user.NormalizeEmail(address)
	return user.NormalizeEmail(u.Email) == address || slices.Contains(u.VerifiedEmails, address)
}
