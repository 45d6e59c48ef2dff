package v1alpha1

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// NameFor is the name of the FitUser that the operator makes for a Clerk user id: the id in lower case, which is how a
// person recognises it, and the positions of its capitals as a hexadecimal mask, without which two users could get one
// name (Clerk ids are case-sensitive, object names have no capitals). So user_2aBc becomes user-2abc-4.
//
// Names are only a convention: any FitUser may be called anything. When somebody else's FitUser already has the name,
// the next attempt (1, 2, …) gives another one, just as fixed.
func NameFor(clerkUserID string, attempt int) string {
	id := strings.TrimPrefix(clerkUserID, "user_")
	var capitals uint64
	for i, c := range id {
		if unicode.IsUpper(c) {
			capitals |= 1 << i
		}
	}
	name := fmt.Sprintf("user-%s-%s", strings.ToLower(id), strconv.FormatUint(capitals, 16))
	if attempt > 0 {
		name += "-" + strconv.Itoa(attempt)
	}
	return name
}

// MaxNameAttempts bounds how many names are tried for one user.
const MaxNameAttempts = 5
