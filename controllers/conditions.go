package controllers

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fitai/fituser-operator/api/v1alpha1"
)

// setConditions says of the serving FitUser what is so: Ready, its two sides, and where something is wrong, who is on it.
func (k *known) setConditions(s *v1alpha1.FitUserStatus) {
	set := func(conditionType string, status metav1.ConditionStatus, reason, message string) {
		meta.SetStatusCondition(&s.Conditions, metav1.Condition{
			Type: conditionType, Status: status, Reason: reason, Message: message,
			ObservedGeneration: k.serving.Generation, LastTransitionTime: metav1.Time{Time: k.now},
		})
	}
	ready := k.readyTrouble()
	set(v1alpha1.ConditionReady, ready.status(), ready.reasonOrSynced(),
		ready.messageOr("Clerk, this FitUser and the row agree"))
	set(v1alpha1.ConditionClerkSynced, k.clerkTrouble.status(), k.clerkTrouble.reasonOrSynced(),
		k.clerkTrouble.messageOr("Clerk has the user and holds the role in force"))
	row := k.rowCondition()
	set(v1alpha1.ConditionDatabaseSynced, row.status, row.reason, row.message)

	// Stalled first: readers of kstatus stop at the first of the two that is true, and what needs a person is the news.
	for _, abnormal := range []struct {
		conditionType string
		trouble       *trouble
	}{
		{v1alpha1.ConditionStalled, k.first(func(t *trouble) bool { return t.stalled })},
		{v1alpha1.ConditionReconciling, k.first(func(t *trouble) bool { return !t.stalled })},
	} {
		if abnormal.trouble == nil {
			meta.RemoveStatusCondition(&s.Conditions, abnormal.conditionType)
			continue
		}
		set(abnormal.conditionType, metav1.ConditionTrue, abnormal.trouble.reason, abnormal.trouble.message)
	}
}

// readyTrouble is what keeps the user from being ready: Clerk's trouble before the row's.
func (k *known) readyTrouble() *trouble {
	switch {
	case k.clerkTrouble == nil, k.gone && k.rowTrouble != nil: // that the user is gone is no news where the row cannot go
		return k.rowTrouble
	case k.rowTrouble != nil && k.clerkTrouble.undone != "" && k.rowTrouble.undone != "":
		return suspended(k.clerkTrouble.undone + ", and " + k.rowTrouble.undone)
	default:
		return k.clerkTrouble
	}
}

type rowCondition struct {
	status          metav1.ConditionStatus
	reason, message string
}

func (k *known) rowCondition() rowCondition {
	switch {
	case k.rowTrouble != nil:
		return rowCondition{k.rowTrouble.status(), k.rowTrouble.reason, k.rowTrouble.message}
	case k.retained:
		return rowCondition{metav1.ConditionTrue, v1alpha1.ReasonRowRetained, "the row stays: deletionPolicy is Retain"}
	case k.gone:
		return rowCondition{metav1.ConditionTrue, v1alpha1.ReasonSynced, "there is no row of this operator's making"}
	case k.clerk == nil:
		return rowCondition{metav1.ConditionUnknown, v1alpha1.ReasonRowPending, "waiting for Clerk"}
	default:
		return rowCondition{metav1.ConditionTrue, v1alpha1.ReasonSynced, "the row is what Clerk and the role in force say"}
	}
}

// first is the first trouble of a kind, Clerk's before the row's.
func (k *known) first(is func(*trouble) bool) *trouble {
	for _, t := range []*trouble{k.clerkTrouble, k.rowTrouble} {
		if t != nil && is(t) {
			return t
		}
	}
	return nil
}

// duplicateStatus is what a FitUser says whose user another one serves.
func (k *known) duplicateStatus(object *v1alpha1.FitUser) v1alpha1.FitUserStatus {
	t := &trouble{
		reason: v1alpha1.ReasonDuplicateUser, stalled: true,
		message: fmt.Sprintf("FitUser %q serves this user: delete one of the two", k.serving.Name),
	}
	own := &known{now: k.now, clerkTrouble: t, rowTrouble: t, fitUsers: fitUsers{serving: object}}
	s := *object.Status.DeepCopy()
	s.ObservedGeneration = object.Generation
	s.Profile, s.Role, s.RoleSource = nil, "", ""
	own.setConditions(&s)
	return s
}

// status is the condition status of a side with this trouble, or none (nil).
func (t *trouble) status() metav1.ConditionStatus {
	switch {
	case t == nil:
		return metav1.ConditionTrue
	case t.unsure:
		return metav1.ConditionUnknown
	default:
		return metav1.ConditionFalse
	}
}

func (t *trouble) reasonOrSynced() string {
	if t == nil {
		return v1alpha1.ReasonSynced
	}
	return t.reason
}

func (t *trouble) messageOr(fine string) string {
	if t == nil {
		return fine
	}
	return t.message
}
