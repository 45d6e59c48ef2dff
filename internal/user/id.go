package user

import (
	"errors"
	"regexp"
)

// ID is a Clerk user id. It is case-sensitive: two ids that differ only in case are two users. Where one comes from outside, it
// is checked by [ParseID]; an id in the users table may be the application's own.
type ID string

// MaxIDLength is the longest id accepted, in bytes. Clerk's own are 32; Clerk documents no maximum. The bound keeps an
// id legal as a Kubernetes label value and as part of an object name.
const MaxIDLength = 63

// ErrInvalidID says that a string is no Clerk user id. Nothing is asked of Clerk under such an id: the SDK puts ids
// into URLs unescaped.
var ErrInvalidID = errors.New("not a Clerk user id: want user_ followed by letters and digits, at most 63 characters")

var idPattern = regexp.MustCompile(`^user_[0-9A-Za-z]+$`)

// ParseID checks s. The error is [ErrInvalidID] and does not repeat s, which may be hostile.
func ParseID(s string) (ID, error) {
	if len(s) > MaxIDLength || !idPattern.MatchString(s) {
		return "", ErrInvalidID
	}
	return ID(s), nil
}
