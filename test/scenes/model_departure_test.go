package scenes_test

import (
	"cmp"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

// deletionPolicy is the policy of the active FitUser. A FitUser of the operator has one that a manifest by e-mail left to it.
func (m *model) deletionPolicy() v1alpha1.DeletionPolicy {
	set := m.active.Spec.DeletionPolicy
	if m.active.ManagedByOperator() {
		set = m.active.Status.DeletionPolicy
	}
	return cmp.Or(set, m.installation.deletionPolicy, v1alpha1.DeletionPolicyDelete)
}

// waits reports whether the row of a deleted user waits for its time. Until a status records the time, it has not begun.
func (m *model) waits() bool {
	for _, u := range m.objects {
		if at := u.Status.RowDeletionAt; at != nil {
			return m.now.Before(at.Time)
		}
	}
	return m.deletionDelay > 0
}

// anonymizedAddress is the address of an anonymized row, and of one that waits when another user has taken its address.
func anonymizedAddress(id user.ID) string { return "deleted-" + string(id) + "@deleted.invalid" }

// isAnonymized reports whether a row has no personal data.
func isAnonymized(row map[string]any) bool {
	id, _ := row["id"].(string)
	return row["email"] == anonymizedAddress(user.ID(id)) && row["first_name"] == "" && row["last_name"] == "" &&
		row["phone"] == nil && row["role"] == "client"
}

// rowViolationWhenDeleted checks the row of a user who is not in Clerk, and was observed there.
func (m *model) rowViolationWhenDeleted() string {
	switch policy := m.deletionPolicy(); {
	case m.row == nil, policy == v1alpha1.DeletionPolicyRetain:
		return ""
	case m.waits() && m.active.Status.RowDeletionAt != nil:
		if m.row["role"] != "client" {
			return "the row waits and has another role than the default one"
		}
		return ""
	case policy == v1alpha1.DeletionPolicyAnonymize && isAnonymized(m.row):
		return ""
	case policy == v1alpha1.DeletionPolicyAnonymize:
		return "the row has personal data"
	default:
		return "the row is left"
	}
}
