package user

import (
	"regexp"
	"slices"
	"strings"
)

var testPhone = regexp.MustCompile(`^\+1[0-9]{3}55501[0-9]{2}$`)

// IsTest reports whether u signs in with an address or a number that Clerk reserves for tests: a fixed code opens it
// (https://clerk.com/docs/guides/development/testing/test-emails-and-phones).
func (u User) IsTest() bool { return IsTestEmail(u.Email) || testPhone.MatchString(u.Phone) }

// IsTestEmail reports whether Clerk reserves the address for tests. Anybody can verify it.
func IsTestEmail(address string) bool {
	local, _, _ := strings.Cut(address, "@")
	return strings.HasSuffix(lowerASCII(local), "+clerk_test")
}

// NormalizeEmail returns the form in which addresses are compared: Clerk's own, with the letters A to Z in lower case.
func NormalizeEmail(address string) string { return lowerASCII(strings.TrimSpace(address)) }

// lowerASCII returns text with the letters A to Z in lower case. Unicode's lower case would make one address of two:
// it maps the letter İ, and with it another domain, to i.
func lowerASCII(text string) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return 'A' <= r && r <= 'Z' }) {
		return text
	}
	lower := []byte(text)
	for i, c := range lower {
		if 'A' <= c && c <= 'Z' {
			lower[i] += 'a' - 'A'
		}
	}
	return string(lower)
}

// Holds reports whether u holds an address as a verified one. An address in another case is the same address; one that
// Clerk reserves for tests is held by nobody.
func (u User) Holds(address string) bool {
	address = NormalizeEmail(address)
	return address != "" && !IsTestEmail(address) && slices.Contains(u.VerifiedEmails, address)
}
