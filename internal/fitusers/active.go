package fitusers

import (
	"cmp"
	"slices"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

// Set holds the FitUsers of one user.
type Set struct {
	// Active is the FitUser whose spec counts; nil when there is none.
	Active *v1alpha1.FitUser
	// Duplicates are the others, in the order in which they would become active.
	Duplicates []*v1alpha1.FitUser
	// Released name an address that the user held and does not hold any more. Their spec no longer counts.
	Released []*v1alpha1.FitUser
	// Terminating are being deleted. Their spec no longer counts.
	Terminating []*v1alpha1.FitUser
}

// Select sorts the FitUsers of one user. account is the user in Clerk, and decides which manifests name an address that
// the user holds; while it is nil, because Clerk was not read or has no such user, the last observation counts.
//
// A manifest that is still bound to another user is left out: only that user's reconcile releases it.
func Select(id user.ID, objects []*v1alpha1.FitUser, account *user.User) Set {
	var s Set
	for _, u := range objects {
		bound := u.UserID() == string(id)
		switch {
		case !bound && (u.UserID() != "" || IsTerminating(u)):
		case IsTerminating(u):
			s.Terminating = append(s.Terminating, u)
		case names(u, bound, account):
			s.Duplicates = append(s.Duplicates, u)
		case bound:
			s.Released = append(s.Released, u)
		}
	}
	slices.SortFunc(s.Duplicates, CompareActive)
	if len(s.Duplicates) > 0 {
		s.Active, s.Duplicates = s.Duplicates[0], s.Duplicates[1:]
	}
	return s
}

// names reports whether u names the user of the account, by id or by an address that the user holds.
func names(u *v1alpha1.FitUser, bound bool, account *user.User) bool {
	switch {
	case u.Spec.Email == "":
		return true
	case account == nil:
		return bound
	default:
		return account.Holds(u.Spec.Email)
	}
}

// All returns every FitUser of the set, the active one first and the terminating ones last.
func (s Set) All() []*v1alpha1.FitUser {
	var all []*v1alpha1.FitUser
	if s.Active != nil {
		all = append(all, s.Active)
	}
	return slices.Concat(all, s.Duplicates, s.Released, s.Terminating)
}

// Hint returns the merged hint of all FitUsers; the zero Hint when none has one.
func (s Set) Hint() v1alpha1.Hint {
	var merged v1alpha1.Hint
	for _, u := range s.All() {
		if hint, ok := u.Hint(); ok {
			merged = merged.Merge(hint)
		}
	}
	return merged
}

// EverObserved reports whether a status records that the user was seen in Clerk. Without it no row is deleted.
func (s Set) EverObserved() bool { return slices.ContainsFunc(s.All(), EverObserved) }

// EverObserved reports whether the status of u records that the user was seen in Clerk.
func EverObserved(u *v1alpha1.FitUser) bool {
	return u.Status.Clerk != nil && u.Status.Clerk.CreatedAt != nil
}

// IsTerminating reports whether u is being deleted.
func IsTerminating(u *v1alpha1.FitUser) bool { return !u.DeletionTimestamp.IsZero() }

// CompareActive orders the FitUsers of one user: the first is the active one. User-managed FitUsers come before
// operator-managed ones, then those that name the id before those that name an address, then older ones, then the smaller
// UID.
func CompareActive(a, b *v1alpha1.FitUser) int {
	return cmp.Or(
		falseFirst(a.ManagedByOperator(), b.ManagedByOperator()),
		falseFirst(a.Spec.ClerkUserID == "", b.Spec.ClerkUserID == ""),
		a.CreationTimestamp.Compare(b.CreationTimestamp.Time),
		cmp.Compare(a.UID, b.UID),
	)
}

// falseFirst compares as the functions of package cmp do: false is less than true.
func falseFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}
