package fitusers

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/fitai/fituser-operator/api/v1alpha1"
)

// NameFor returns the derived name: the name of the FitUser that the operator creates for a Clerk user id. It is the id
// in lower case, which a person recognises, and the positions of its capitals as a hexadecimal mask: user_2aBc becomes
// user-2abc-4. Without the mask two users could get one name, because Clerk ids are case-sensitive and object names have
// no capitals.
//
// A user-managed FitUser may have any name. When another user's FitUser already has the derived name, the next attempt
// (1, 2, …) returns another name, which is as deterministic.
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

// MaxNameAttempts is how many names are tried for one user.
const MaxNameAttempts = 5

// HasDerivedName reports whether u has the name that [NameFor] returns first. Nearly all FitUsers have it.
func HasDerivedName(u *v1alpha1.FitUser) bool {
	return u.Spec.ClerkUserID != "" && u.Name == NameFor(u.Spec.ClerkUserID, 0)
}
