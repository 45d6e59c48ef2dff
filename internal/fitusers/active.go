package fitusers

import (
	"cmp"
	"slices"

	"github.com/fitai/fituser-operator/api/v1alpha1"
)

// Set holds the FitUsers of one user.
type Set struct {
	// Active is the FitUser whose spec counts; nil when there is none.
	Active *v1alpha1.FitUser
	// Duplicates are the others, in the order in which they would become active.
	Duplicates []*v1alpha1.FitUser
	// Terminating are being deleted. Their spec no longer counts.
	Terminating []*v1alpha1.FitUser
}

// Select sorts the FitUsers of one user into active, duplicate and terminating ones.
func Select(objects []*v1alpha1.FitUser) Set {
	var s Set
	for _, u := range objects {
		if IsTerminating(u) {
			s.Terminating = append(s.Terminating, u)
		} else {
			s.Duplicates = append(s.Duplicates, u)
		}
	}
	slices.SortFunc(s.Duplicates, CompareActive)
	if len(s.Duplicates) > 0 {
		s.Active, s.Duplicates = s.Duplicates[0], s.Duplicates[1:]
	}
	return s
}

// All returns every FitUser of the set, the active one first and the terminating ones last.
func (s Set) All() []*v1alpha1.FitUser {
	var all []*v1alpha1.FitUser
	if s.Active != nil {
		all = append(all, s.Active)
	}
	return slices.Concat(all, s.Duplicates, s.Terminating)
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
// operator-managed ones, then older ones, then the smaller UID.
func CompareActive(a, b *v1alpha1.FitUser) int {
	return cmp.Or(
		falseFirst(a.ManagedByOperator(), b.ManagedByOperator()),
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
