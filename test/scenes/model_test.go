package scenes_test

import (
	"cmp"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/ptr"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

// model is one user in Clerk, the API server and the table, with the documentation's rules for their agreement. It restates
// the rules as plainly as possible, so that the operator is not compared with itself.
type model struct {
	id      user.ID
	account *clerktest.User // nil: not in Clerk
	objects []*v1alpha1.FitUser
	row     map[string]any // nil: no row
	// holder is the owner of another row that has this user's address. It is nil for an owner who in turn waits for this user:
	// the rows of such a ring can exchange their addresses.
	holder *model

	active *v1alpha1.FitUser
	reason string // of Ready
}

func (s *scene) modelOf(id user.ID) *model {
	s.Helper()
	return s.modelExcept(id, nil)
}

// modelExcept returns a user's model without holders among the others, who wait for this user.
func (s *scene) modelExcept(id user.ID, others []user.ID) *model {
	s.Helper()
	m := &model{id: id, objects: s.objectsOf(id), row: s.raw.Row(id)}
	if u, ok := s.clerk.User(string(id)); ok {
		m.account = &u
		for _, row := range s.raw.Query("SELECT id FROM users WHERE email = $1 AND id <> $2", u.PrimaryEmail(), string(id)) {
			if holder := user.ID(fmt.Sprint(row["id"])); !slices.Contains(others, holder) {
				m.holder = s.modelExcept(holder, append(others, id))
			}
		}
	}
	m.active = activeOf(m.objects)
	if m.active != nil {
		m.reason = fituser.ReadyReason(m.active)
	}
	return m
}

// activeOf returns the active FitUser: not terminating; user-managed before operator-managed; the older; the smaller UID.
func activeOf(objects []*v1alpha1.FitUser) *v1alpha1.FitUser {
	staying := slices.DeleteFunc(slices.Clone(objects), func(u *v1alpha1.FitUser) bool { return u.DeletionTimestamp != nil })
	rank := func(u *v1alpha1.FitUser) int {
		if u.ManagedByOperator() {
			return 1
		}
		return 0
	}
	slices.SortFunc(staying, func(a, b *v1alpha1.FitUser) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.UID, b.UID))
	})
	if len(staying) == 0 {
		return nil
	}
	return staying[0]
}

// desired returns the role of a user in agreement, and the marker that Clerk must then have.
func (m *model) desired() (role, marker string) {
	if m.active != nil && m.active.Spec.Role != "" {
		return string(m.active.Spec.Role), string(m.active.Spec.Role)
	}
	switch current := m.currentRole(); current {
	case "admin", "trainer", "client":
		return current, ""
	default:
		return "client", ""
	}
}

// currentRole returns the role in Clerk.
func (m *model) currentRole() string {
	current, _ := m.account.PublicMetadata["role"].(string)
	return current
}

// markerRole returns the role in Clerk's marker, "none" for a marker without a role, and nothing without a marker.
func (m *model) markerRole() string {
	marker, ok := m.account.PrivateMetadata["fituser"]
	if !ok || marker == nil {
		return ""
	}
	fields, _ := marker.(map[string]any)
	if role, _ := fields["role"].(string); role != "" {
		return role
	}
	return "none"
}

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
	switch m.reason {
	case v1alpha1.ReasonSynced:
		return m.syncViolation()
	case v1alpha1.ReasonSuspended:
		if !m.active.Spec.Suspend || m.syncViolation() == "" {
			return "its reason is Suspended without a cause"
		}
	case v1alpha1.ReasonEmailMissing:
		return m.emailMissingViolation()
	case v1alpha1.ReasonEmailConflict:
		return m.emailConflictViolation()
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
	role, marker := m.desired()
	want := map[string]any{
		"email": m.account.PrimaryEmail(), "first_name": ptr.Deref(m.account.FirstName, ""), "last_name": ptr.Deref(m.account.LastName, ""),
		"role": role,
	}
	for column, value := range want {
		if m.row == nil || m.row[column] != value {
			return fmt.Sprintf("the row's %s is wrong", column)
		}
	}
	if m.markerRole() != marker || marker != "" && m.currentRole() != role {
		return fmt.Sprintf("Clerk has role %q, marker %q; want %q, %q", m.currentRole(), m.markerRole(), role, marker)
	}
	if string(m.active.Status.Role) != role || m.active.Status.Profile == nil ||
		m.active.Status.Profile.Email != m.account.PrimaryEmail() || m.active.Status.Clerk.Banned != m.account.Banned {
		return "the status differs from the current state"
	}
	return m.conditionViolation()
}

// emailMissingViolation checks a user without an address in Clerk: no row, or a row that keeps its address and is otherwise
// updated.
func (m *model) emailMissingViolation() string {
	role, marker := m.desired()
	switch {
	case m.account.PrimaryEmail() != "":
		return "its reason is EmailMissing, and Clerk has an address"
	case m.row != nil && m.row["role"] != role:
		return fmt.Sprintf("the row's role is %v, want %s", m.row["role"], role)
	case m.markerRole() != marker:
		return "the marker is wrong"
	}
	return m.conditionViolation()
}

// emailConflictViolation checks a user whose address another row has. The operator must not be allowed to change that row.
func (m *model) emailConflictViolation() string {
	switch {
	case m.holder == nil:
		return "its reason is EmailConflict, and the address is free"
	case m.holder.mayReleaseEmail():
		return fmt.Sprintf("its reason is EmailConflict, and the row of %s may release the address", m.holder.id)
	}
	return m.conditionViolation()
}

// mayReleaseEmail reports whether the operator may change this row's address.
func (m *model) mayReleaseEmail() bool {
	switch {
	case m.active != nil && m.active.Spec.Suspend:
		return false
	case m.account == nil: // only the row of a user who was observed in Clerk is deleted
		return m.active != nil && m.active.Spec.DeletionPolicy != v1alpha1.DeletionPolicyRetain && m.active.Status.Clerk != nil
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
	case m.active.ManagedByOperator():
		return "the operator's FitUser is left"
	case m.reason == v1alpha1.ReasonSuspended && m.active.Spec.Suspend && m.row != nil:
		return m.conditionViolation()
	case m.reason != v1alpha1.ReasonUserNotFound:
		return fmt.Sprintf("its reason is %q, and the user is not in Clerk", m.reason)
	case m.row != nil && m.active.Status.Clerk != nil && !m.active.Spec.Suspend && m.active.Spec.DeletionPolicy != v1alpha1.DeletionPolicyRetain:
		return "the row is left"
	}
	return m.conditionViolation()
}
