package fituser

import (
	"os"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// reported returns the FitUser after a reconcile of a user with this account (nil: Clerk was not read) and this result.
func reported(account *user.User, res result) *v1alpha1.FitUser {
	u := &v1alpha1.FitUser{Spec: v1alpha1.FitUserSpec{ClerkUserID: "user_jane"}}
	u.Generation = 3
	obs := observation{
		id: "user_jane", now: time.Unix(1_800_000_000, 0), policy: user.Policy{Roles: user.DefaultRoles()},
		found: []*v1alpha1.FitUser{u}, fitUsers: fitusers.Set{Active: u},
	}
	if account != nil {
		obs = obs.withAccount(account)
		res.role = roleResult{account: account, inForce: obs.rolePlan}
	}
	u.Status = desiredStatus(obs, res, ProfileFull)
	return u
}

func edited(u *v1alpha1.FitUser) *v1alpha1.FitUser {
	u.Generation++
	return u
}

// deletedInClerk returns the FitUser of a user that is deleted in Clerk.
func deletedInClerk() *v1alpha1.FitUser {
	u := &v1alpha1.FitUser{}
	obs := observation{now: time.Unix(1_800_000_000, 0), fitUsers: fitusers.Set{Active: u}, deletedInClerk: true}
	u.Status = desiredStatus(obs, result{clerk: userNotFound(keptRow{})}, ProfileFull)
	return u
}

// fitUserStates are FitUsers in every kind of state.
func fitUserStates() map[string]*v1alpha1.FitUser {
	jane := &user.User{ID: "user_jane", Email: "jane@example.com", CreatedAt: time.Unix(1_700_000_000, 0)}
	down := clerkError(&clerk.Error{Kind: clerk.Unavailable})
	terminating := reported(jane, result{})
	terminating.DeletionTimestamp = &metav1.Time{Time: time.Unix(1_800_000_000, 0)}
	duplicate := reported(jane, result{})
	duplicate.Status = duplicateStatus(observation{fitUsers: fitusers.Set{Active: reported(jane, result{})}}, duplicate)

	return map[string]*v1alpha1.FitUser{
		"in sync":             reported(jane, result{}),
		"never reconciled":    edited(&v1alpha1.FitUser{}),
		"edited since":        edited(reported(jane, result{})),
		"terminating":         terminating,
		"Clerk throttles":     reported(nil, result{clerk: clerkError(&clerk.Error{Kind: clerk.Throttled})}),
		"Clerk is down":       reported(nil, result{clerk: down}),
		"key refused":         reported(nil, result{clerk: clerkError(&clerk.Error{Kind: clerk.Unauthorized})}),
		"role refused":        reported(jane, result{clerk: clerkError(&clerk.Error{Kind: clerk.Rejected})}),
		"revocation pending":  reported(jane, result{clerk: down.revocationPending("admin")}),
		"not in Clerk":        deletedInClerk(),
		"suspended":           reported(jane, result{row: (&Reconciler{}).suppressed(&v1alpha1.FitUser{Spec: v1alpha1.FitUserSpec{Suspend: true}}, "update the row")}),
		"duplicate":           duplicate,
		"no e-mail":           reported(jane, result{row: emailMissing(jane)}),
		"e-mail held":         reported(jane, result{row: emailConflict("user_joe", "")}),
		"database down":       reported(jane, result{row: storeError(os.ErrDeadlineExceeded)}),
		"database mismatched": reported(jane, result{row: storeError(store.ErrForbidden)}),
	}
}
