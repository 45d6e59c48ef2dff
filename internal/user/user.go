package user

import (
	"regexp"
	"strings"
	"time"
)

// User is a user as Clerk knows them, reduced to what this operator acts on or shows.
type User struct {
	ID ID
	// Email is the primary e-mail address, empty when the user has none (phone, username or wallet sign-up).
	Email               string
	FirstName, LastName string
	// Phone is the primary phone number, empty when there is none.
	Phone string

	// Role is public_metadata.role as it stands; empty when absent. A value that is no string stands as its JSON text.
	Role string
	// HasMarker and MarkerRole are the mark in private_metadata.fituser; see [RoleFacts].
	HasMarker  bool
	MarkerRole string

	Banned, Locked, Deprovisioned bool

	CreatedAt time.Time
	// UpdatedAt moves with every write in Clerk, sign-ins included, so it orders answers and tells nothing else.
	UpdatedAt time.Time
}

var testPhone = regexp.MustCompile(`^\+1[0-9]{3}55501[0-9]{2}$`)

// IsTest reports whether u signs in with an address or a number that Clerk keeps for tests: a fixed code opens it
// (https://clerk.com/docs/guides/development/testing/test-emails-and-phones).
func (u User) IsTest() bool {
	local, _, _ := strings.Cut(u.Email, "@")
	return strings.HasSuffix(local, "+clerk_test") || testPhone.MatchString(u.Phone)
}

// RoleFacts joins what Clerk holds with what a FitUser demands.
func (u User) RoleFacts(demanded Role) RoleFacts {
	return RoleFacts{Desired: demanded, Current: u.Role, HasMarker: u.HasMarker, MarkerRole: u.MarkerRole}
}
