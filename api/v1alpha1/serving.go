package v1alpha1

import "cmp"

// FieldClerkUserID is the selectable field by which a user's FitUsers are found: at the API server all of them, in the
// operator's caches those whose name does not tell whose they are, see [HasUsualName].
const FieldClerkUserID = "spec.clerkUserID"

// HasUsualName reports whether u has the name that the operator gives first. Nearly all have: they are found by it, and in an
// index they would cost a third more memory.
func HasUsualName(u *FitUser) bool { return u.Name == NameFor(u.Spec.ClerkUserID, 0) }

// CompareServing orders the FitUsers of one user: the first serves. One that a person made goes before one that the operator
// made, then the older, then the one with the smaller UID.
func CompareServing(a, b *FitUser) int {
	return cmp.Or(
		FalseFirst(a.MadeByOperator(), b.MadeByOperator()),
		a.CreationTimestamp.Compare(b.CreationTimestamp.Time),
		cmp.Compare(a.UID, b.UID),
	)
}

// FalseFirst compares as the functions of package cmp do: false is less than true.
func FalseFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}
