package scenes_test

import (
	"cmp"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/ptr"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
)

// violation returns what is wrong with a user's final state, or nothing.
func (m *model) violation() string {
	for _, object := range m.objects {
		if object != m.active && object.DeletionTimestamp == nil && (object.ManagedByOperator() || fituser.ReadyReason(object) != v1alpha1.ReasonDuplicateUser) {
			return fmt.Sprintf("FitUser %s is left beside %s with reason %q", object.Name, m.active.Name, fituser.ReadyReason(object))
		}
	}
	if m.account == nil {
		return m.violationWhenDeleted()
	}
	if m.active == nil {
		return "no FitUser exists"
	}
	if m.active.Status.ObservedGeneration != m.active.Generation {
		return "the status is of another generation"
	}
	if m.active.Status.ClerkUserID != string(m.id) {
		return "the status names another user"
	}
	switch m.reason {
	case v1alpha1.ReasonSynced, v1alpha1.ReasonOwnedElsewhere, v1alpha1.ReasonAddressChangedHands:
		return m.syncViolation()
	case v1alpha1.ReasonSuspended:
		if !m.active.Spec.Suspend || m.syncViolation() == "" {
			return "its reason is Suspended without a cause"
		}
	case v1alpha1.ReasonEmailMissing:
		return m.emailMissingViolation()
	case v1alpha1.ReasonEmailConflict:
		return m.emailConflictViolation()
	case v1alpha1.ReasonDeletionDeferred, v1alpha1.ReasonLastAdmin:
		return m.deferralViolation()
	default:
		return fmt.Sprintf("its reason is %q", m.reason)
	}
	return m.conditionViolation()
}

func (m *model) conditionViolation() string {
	stalled := meta.IsStatusConditionTrue(m.active.Status.Conditions, v1alpha1.ConditionStalled)
	busy := meta.IsStatusConditionTrue(m.active.Status.Conditions, v1alpha1.ConditionReconciling)
	if (m.reason == v1alpha1.ReasonSynced) == (stalled || busy) {
		return fmt.Sprintf("%s with Stalled %v and Reconciling %v", m.reason, stalled, busy)
	}
	return ""
}

// syncViolation returns a difference between Clerk, the FitUser and the row, or nothing.
func (m *model) syncViolation() string {
	want := m.demand()
	if problem := m.clerkViolation(want); problem != "" {
		return problem
	}
	if reason := cmp.Or(want.reason, v1alpha1.ReasonSynced); m.reason != reason && !m.active.Spec.Suspend {
		return fmt.Sprintf("its reason is %q, want %q", m.reason, reason)
	}
	if want.reason != "" && (m.active.Spec.Suspend || m.holder != nil || m.account.PrimaryEmail() == "") {
		return m.conditionViolation() // the condition reports Clerk's side first
	}
	columns := map[string]any{
		"email": m.account.PrimaryEmail(), "first_name": ptr.Deref(m.account.FirstName, ""), "last_name": ptr.Deref(m.account.LastName, ""),
		"role": want.role,
	}
	for column, value := range columns {
		if m.row == nil || m.row[column] != value {
			return fmt.Sprintf("the row's %s is wrong", column)
		}
	}
	return cmp.Or(m.statusViolation(want), m.conditionViolation())
}

// clerkViolation returns a difference between the role in Clerk and what is desired, or nothing.
func (m *model) clerkViolation(want demand) string {
	if has := m.marker(); has != want.marker || inForce(m.currentRole()) != want.role {
		return fmt.Sprintf("Clerk has role %q, marker %+v; want %q, %+v", m.currentRole(), has, want.role, want.marker)
	}
	return ""
}

func (m *model) statusViolation(want demand) string {
	owner := ""
	if m.isForeign() {
		owner = cmp.Or(m.marker().owner, "unknown")
	}
	status := m.active.Status
	switch {
	case string(status.Role) != want.role, status.Profile == nil, status.Profile.Email != m.account.PrimaryEmail(),
		status.Clerk.Banned != m.account.Banned:
		return "the status differs from the current state"
	case status.MarkerOwner != owner:
		return fmt.Sprintf("the status has the owner %q, want %q", status.MarkerOwner, owner)
	}
	return ""
}

// emailMissingViolation checks a user without an address in Clerk: no row, or a row that keeps its address and is otherwise
// updated.
func (m *model) emailMissingViolation() string {
	want := m.demand()
	if m.account.PrimaryEmail() != "" {
		return "its reason is EmailMissing, and Clerk has an address"
	}
	if m.row != nil && m.row["role"] != want.role {
		return fmt.Sprintf("the row's role is %v, want %s", m.row["role"], want.role)
	}
	return cmp.Or(m.clerkViolation(want), m.conditionViolation())
}

// emailConflictViolation checks a user whose address another row has. The operator must not be allowed to change that row.
func (m *model) emailConflictViolation() string {
	switch {
	case m.holder == nil:
		return "its reason is EmailConflict, and the address is free"
	case m.holder.mayReleaseEmail():
		return fmt.Sprintf("its reason is EmailConflict, and the row of %s may release the address", m.holder.id)
	}
	return cmp.Or(m.clerkViolation(m.demand()), m.conditionViolation())
}

// deferralViolation checks a user who keeps a role, or does not get the protected one, for now. Row and status have the role
// that Clerk has.
func (m *model) deferralViolation() string {
	want, current := m.demand(), inForce(m.currentRole())
	loses, gets := lower(want.role, current), want.role == "admin" && current != "admin"
	switch {
	case m.reason == v1alpha1.ReasonLastAdmin && (current != "admin" || !loses || m.otherAdmins >= m.minProtected):
		return fmt.Sprintf("its reason is LastAdmin: the role is %s, %s is desired, %d others are admin", current, want.role, m.otherAdmins)
	case !loses && !gets:
		return fmt.Sprintf("its reason is %s: the role is %s, %s is desired", m.reason, current, want.role)
	case m.row != nil && m.row["role"] != current, string(m.active.Status.Role) != current:
		return "the row or the status has another role than Clerk"
	}
	return m.conditionViolation()
}

// mayReleaseEmail reports whether the operator may change this row's address.
func (m *model) mayReleaseEmail() bool {
	switch {
	case m.active != nil && m.active.Spec.Suspend:
		return false
	case m.account == nil: // only the row of a user who was observed in Clerk is deleted
		return m.active != nil && m.deletionPolicy() != v1alpha1.DeletionPolicyRetain && m.active.Status.Clerk != nil
	case m.account.PrimaryEmail() == "":
		return false
	default: // another row may have its new address
		return m.holder == nil || m.holder.mayReleaseEmail()
	}
}

// violationWhenDeleted checks a user who is not in Clerk. A row that is left must be one that the operator may not delete.
func (m *model) violationWhenDeleted() string {
	switch {
	case m.active == nil:
		return ""
	case m.reason == v1alpha1.ReasonDeletionDeferred && m.row != nil:
		return m.conditionViolation()
	case m.active.ManagedByOperator() && (m.row == nil || !m.waits() || m.deletionPolicy() == v1alpha1.DeletionPolicyRetain):
		return "the operator's FitUser is left"
	case m.reason == v1alpha1.ReasonSuspended && m.active.Spec.Suspend && m.row != nil:
		return m.conditionViolation()
	case m.active.Spec.Email != "":
		return "the manifest is still bound to a deleted user"
	case m.reason != v1alpha1.ReasonUserNotFound:
		return fmt.Sprintf("its reason is %q, and the user is not in Clerk", m.reason)
	case m.active.Status.Clerk != nil && !m.active.Spec.Suspend && m.rowViolationWhenDeleted() != "":
		return m.rowViolationWhenDeleted()
	}
	return m.conditionViolation()
}

// violationsByEmail checks the manifests that name an address: each is bound to the user who holds the address as a verified
// one, and waits while nobody does.
func (s *scene) violationsByEmail() (wrong []string) {
	s.Helper()
	for _, u := range s.current() {
		if u.Spec.Email == "" || u.DeletionTimestamp != nil || s.waitsForRow(u) {
			continue
		}
		want := ""
		for _, account := range s.clerk.Users() {
			if holdsVerified(&account, u.Spec.Email) {
				want = account.ID
			}
		}
		switch reason := fituser.ReadyReason(u); {
		case u.Status.ClerkUserID != want:
			wrong = append(wrong, fmt.Sprintf("manifest %s is bound to %q, want %q", u.Name, u.Status.ClerkUserID, want))
		case want == "" && reason != v1alpha1.ReasonAwaitingSignUp:
			wrong = append(wrong, fmt.Sprintf("manifest %s has reason %q, and nobody holds the address", u.Name, reason))
		case want == "" && u.Status.Role != "":
			wrong = append(wrong, fmt.Sprintf("manifest %s has a role in force, and nobody holds the address", u.Name))
		}
	}
	return wrong
}
