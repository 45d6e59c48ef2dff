package fituser

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fitai/fituser-operator/api/v1alpha1"
)

// Messages of the conditions of a user in sync. Nearly all FitUsers have them, so the cache keeps one copy.
const (
	messageReady     = "Clerk, this FitUser and the row agree"
	messageClerk     = "Clerk has the user and holds the role in force"
	messageRow       = "the row has the values that Clerk and the role in force require"
	messageNoRow     = "the operator has written no row for this user"
	messageRetained  = "the row stays: the deletion policy is Retain"
	messageNoAnswer  = "waiting for Clerk"
	messageDuplicate = "FitUser %q is active for this user: delete one of the two"
)

// setConditions sets Ready, its two sides, and, where something is wrong, Stalled or Reconciling.
func setConditions(s *v1alpha1.FitUserStatus, obs observation, res result) {
	set := func(conditionType string, c metav1.Condition) {
		c.Type, c.ObservedGeneration, c.LastTransitionTime = conditionType, obs.fitUsers.Active.Generation, metav1.Time{Time: obs.now}
		meta.SetStatusCondition(&s.Conditions, c)
	}
	set(v1alpha1.ConditionReady, conditionOf(readyError(obs, res), messageReady))
	set(v1alpha1.ConditionClerkSynced, conditionOf(res.clerk, messageClerk))
	set(v1alpha1.ConditionDatabaseSynced, rowCondition(obs, res))

	// Stalled first: readers of kstatus stop at the first of the two that is True, and what waits for a person matters more.
	for _, abnormal := range []struct {
		conditionType string
		cause         *syncError
	}{
		{v1alpha1.ConditionStalled, res.firstError(func(e *syncError) bool { return e.stalled })},
		{v1alpha1.ConditionReconciling, res.firstError(func(e *syncError) bool { return !e.stalled })},
	} {
		if abnormal.cause == nil {
			meta.RemoveStatusCondition(&s.Conditions, abnormal.conditionType)
			continue
		}
		set(abnormal.conditionType, metav1.Condition{
			Status: metav1.ConditionTrue, Reason: abnormal.cause.reason, Message: abnormal.cause.message,
		})
	}
}

// readyError is why the user is not ready: Clerk's side before the row's.
func readyError(obs observation, res result) *syncError {
	switch {
	case res.clerk == nil, obs.deletedInClerk && res.row != nil: // why the row is not deleted matters more than UserNotFound
		return res.row
	case res.row != nil && res.clerk.suppressed != "" && res.row.suppressed != "":
		both := *res.clerk
		both.message, both.suppressed = bothSuppressed(res.clerk, res.row), ""
		return &both
	default:
		return res.clerk
	}
}

func rowCondition(obs observation, res result) metav1.Condition {
	switch {
	case res.row != nil:
		return conditionOf(res.row, "")
	case res.kept.reason != "":
		return metav1.Condition{Status: metav1.ConditionTrue, Reason: res.kept.reason, Message: res.kept.message}
	case obs.deletedInClerk:
		return conditionOf(nil, messageNoRow)
	case res.role.account == nil:
		return metav1.Condition{Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonRowPending, Message: messageNoAnswer}
	default:
		return conditionOf(nil, messageRow)
	}
}

// conditionOf returns the condition of a side: True with the message synced when e is nil.
func conditionOf(e *syncError, synced string) metav1.Condition {
	if e == nil {
		return metav1.Condition{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonSynced, Message: synced}
	}
	c := metav1.Condition{Status: metav1.ConditionFalse, Reason: e.reason, Message: e.message}
	switch {
	case e.synced:
		c.Status = metav1.ConditionTrue
	case e.unknown:
		c.Status = metav1.ConditionUnknown
	}
	return c
}

// duplicateStatus computes the status of a FitUser whose user has another active one.
func duplicateStatus(obs observation, u *v1alpha1.FitUser) v1alpha1.FitUserStatus {
	e := &syncError{
		reason: v1alpha1.ReasonDuplicateUser, stalled: true, message: fmt.Sprintf(messageDuplicate, obs.fitUsers.Active.Name),
	}
	s := *u.Status.DeepCopy()
	s.ObservedGeneration = u.Generation
	s.Profile, s.Role, s.RoleSource, s.RoleRule, s.MarkerOwner, s.RoleExpiredAt = nil, "", "", "", "", nil
	s.RowDeletionAt, s.DeletionPolicy = nil, ""
	if obs.account != nil {
		s.ClerkUserID = string(obs.id)
	}
	s.LastHandledReconcile = reconcileRequest(u)
	own := observation{now: obs.now}
	own.fitUsers.Active = u
	setConditions(&s, own, result{clerk: e, row: e})
	return s
}
