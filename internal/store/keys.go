package store

import (
	"regexp"
	"strconv"

	"github.com/fitai/fituser-operator/internal/user"
)

var uuidPattern = regexp.MustCompile(`^[0-9A-Fa-f]{8}-?([0-9A-Fa-f]{4}-?){3}[0-9A-Fa-f]{12}$`)

// fitsKey reports whether a key column of this kind can hold a key. A Clerk id fits into text only.
func fitsKey(kind string, key user.ID) bool {
	switch kind {
	case kindUUID:
		return uuidPattern.MatchString(string(key))
	case kindInteger:
		_, err := strconv.ParseInt(string(key), 10, 64)
		return err == nil
	default:
		return isText(string(key))
	}
}
