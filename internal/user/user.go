package user

import (
	"regexp"
	"strings"
)

var testPhone = regexp.MustCompile(`^\+1[0-9]{3}55501[0-9]{2}$`)

// IsTest reports whether u signs in with an address or a number that Clerk reserves for tests: a fixed code opens it
// (https://clerk.com/docs/guides/development/testing/test-emails-and-phones).
func (u User) IsTest() bool {
	local, _, _ := strings.Cut(u.Email, "@")
	return strings.HasSuffix(local, "+clerk_test") || testPhone.MatchString(u.Phone)
}

// RoleFacts joins the role in Clerk with the role that a FitUser desires.
func (u User) RoleFacts(desired Role) RoleFacts {
	return RoleFacts{Desired: desired, Current: u.Role, HasMarker: u.HasMarker, MarkerRole: u.MarkerRole}
}
