package fituser

import (
	"cmp"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/user"
)

// desiredStatus computes the active FitUser's status. Fields that were not observed in this reconcile keep their values.
func desiredStatus(obs observation, res result, mode ProfileMode) v1alpha1.FitUserStatus {
	s := *obs.fitUsers.Active.Status.DeepCopy()
	s.ObservedGeneration = obs.fitUsers.Active.Generation
	switch {
	case obs.deletedInClerk:
		s.Profile, s.Role, s.RoleSource = nil, "", ""
		s.Clerk = retainedAccount(obs, res)
	case res.role.account != nil:
		setObserved(&s, res, mode)
	}
	setConditions(&s, obs, res)
	if !res.retrying() {
		s.LastHandledReconcile = reconcileRequest(obs.fitUsers.Active)
	}
	return s
}

// reconcileRequest returns the value of the annotation that requests a reconcile, as long as a status can hold it.
func reconcileRequest(u *v1alpha1.FitUser) string {
	return truncate(u.Annotations[v1alpha1.AnnotationReconcile], maxReconcileRequest)
}

// setObserved sets what Clerk contains. The role in force is what Clerk and the row both hold, so it waits for the row.
func setObserved(s *v1alpha1.FitUserStatus, res result, mode ProfileMode) {
	account := res.role.account
	s.Profile = mode.Profile(account)
	if res.row == nil || res.row.reason == v1alpha1.ReasonEmailMissing {
		s.Role, s.RoleSource = v1alpha1.Role(res.role.inForce.Role), v1alpha1.RoleSource(res.role.inForce.Source)
	}
	s.Clerk = &v1alpha1.AccountState{
		CreatedAt:     &metav1.Time{Time: account.CreatedAt.Truncate(1e9)},
		Banned:        account.Banned,
		Locked:        account.Locked,
		Deprovisioned: account.Deprovisioned,
		TestUser:      account.IsTest(),
	}
	if account.Role != string(s.Role) {
		s.Clerk.Role = truncate(account.Role, maxRole)
	}
}

// retainedAccount is what the status keeps of an account that is deleted in Clerk: while its row exists, that the
// operator has seen it.
func retainedAccount(obs observation, res result) *v1alpha1.AccountState {
	if !res.rowRetained && res.row == nil {
		return nil
	}
	for _, u := range obs.fitUsers.All() {
		if fitusers.EverObserved(u) {
			return &v1alpha1.AccountState{CreatedAt: u.Status.Clerk.CreatedAt}
		}
	}
	return nil
}

// ReadyReason returns the reason of a FitUser's Ready condition; empty when it has none.
func ReadyReason(u *v1alpha1.FitUser) string {
	ready := meta.FindStatusCondition(u.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil {
		return ""
	}
	return ready.Reason
}

// SweptRow is a row as a sweep knows it: whether it exists, and whether it equals another one in the mapped columns.
type SweptRow struct {
	Exists bool
	Equals func(user.Row) bool
}

// InSync reports whether Clerk, the FitUsers and the row of a user agree, by the functions that decide in a reconcile.
// The set has an active FitUser.
func InSync(found fitusers.Set, account *user.User, row SweptRow, mode ProfileMode) bool {
	obs := observation{id: account.ID, fitUsers: found}.withAccount(account)
	if obs.rolePlan.Change != user.NoRoleChange || len(found.Duplicates) > 0 {
		return false
	}
	res := result{role: roleResult{account: account, inForce: obs.rolePlan}}
	desired := user.DesiredRow(*account, obs.rolePlan.Role)
	switch {
	case desired.Email == "" && !row.Exists:
		res.row = emailMissing()
	case !row.Exists, !row.Equals(desired):
		return false
	}
	return statusEqual(found.Active, desiredStatus(obs, res, mode))
}

// AccountDiffers reports whether Clerk's account differs from the status of u. It ignores fields that the operator sets
// itself and differences that come only from another --status-profile.
func AccountDiffers(u *v1alpha1.FitUser, account *user.User) bool {
	shown := u.Status
	if shown.Clerk == nil {
		return ReadyReason(u) == v1alpha1.ReasonUserNotFound
	}
	return shown.Clerk.Banned != account.Banned || shown.Clerk.Locked != account.Locked ||
		shown.Clerk.Deprovisioned != account.Deprovisioned ||
		shownRole(shown) != truncate(account.Role, maxRole) ||
		shown.Profile != nil && !shows(*shown.Profile, account)
}

// shownRole returns the role that Clerk held when the status was written.
func shownRole(s v1alpha1.FitUserStatus) string {
	if s.RoleSource == v1alpha1.RoleSource(user.FromDefault) {
		return s.Clerk.Role
	}
	return cmp.Or(s.Clerk.Role, string(s.Role))
}

// shows reports whether a profile, written in any mode, shows the account as it is.
func shows(profile v1alpha1.Profile, account *user.User) bool {
	for _, mode := range []ProfileMode{ProfileFull, ProfileMasked} {
		if p := mode.Profile(account); p != nil && *p == profile {
			return true
		}
	}
	return false
}
