package user

import (
	"errors"
	"regexp"
)

// ID is a Clerk user id. It is case-sensitive: two ids that differ only in case are two users. [ParseID] checks ids
// from outside. An id in the users table may be the application's own.
type ID string

// MaxIDLength is the maximum length of an id in bytes. Clerk's ids have 32; Clerk documents no maximum. The limit keeps
// an id valid as a Kubernetes label value and as part of an object name.
const MaxIDLength = 63

// ErrInvalidID means that a string is not a Clerk user id. Such an id never reaches Clerk: the SDK puts ids into URLs
// unescaped.
var ErrInvalidID = errors.New("not a Clerk user id: want user_ followed by letters and digits, at most 63 characters")

var idPattern = regexp.MustCompile(`^user_[0-9A-Za-z]+$`)

// ParseID returns s as an ID. Its error is [ErrInvalidID] and does not repeat s, which may be hostile.
func ParseID(s string) (ID, error) {
	if len(s) > MaxIDLength || !idPattern.MatchString(s) {
		return "", ErrInvalidID
	}
	return ID(s), nil
}
