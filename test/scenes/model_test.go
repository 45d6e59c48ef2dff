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

// model is one user in the three places, and the rules by which they must agree: the rules of the documentation, written
// down a second time and as plainly as can be, so that the operator is not compared with itself.
type model struct {
	id      user.ID
	account *clerktest.User // nil: Clerk has no such user
	objects []*v1alpha1.FitUser
	row     map[string]any // nil: there is none
	// holder is whose row has the address which the user has in Clerk, if another row has it. It is nil as well where it would
	// lead back to a user who waits for this one: such a ring can turn.
	holder *model

	active *v1alpha1.FitUser
	reason string // of Ready
}

func (s *scene) modelOf(id user.ID) *model {
	s.Helper()
	return s.modelBehind(id, nil)
}

// modelBehind is the model of a user whose row is in the way of others.
func (s *scene) modelBehind(id user.ID, others []user.ID) *model {
	s.Helper()
	m := &model{id: id, objects: s.objectsOf(id), row: s.raw.Row(id)}
	if u, ok := s.clerk.User(string(id)); ok {
		m.account = &u
		for _, row := range s.raw.Query("SELECT id FROM users WHERE email = $1 AND id <> $2", u.PrimaryEmail(), string(id)) {
			if holder := user.ID(fmt.Sprint(row["id"])); !slices.Contains(others, holder) {
				m.holder = s.modelBehind(holder, append(others, id))
			}
		}
	}
	m.active = first(m.objects)
	if m.active != nil {
		m.reason = fituser.ReadyReason(m.active)
	}
	return m
}

// first is the FitUser that serves: not leaving; a person's before the operator's; then the older; then the smaller UID.
func first(objects []*v1alpha1.FitUser) *v1alpha1.FitUser {
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

// role is the role that must be in force once all agree, and the mark that Clerk must then hold.
func (m *model) role() (role, mark string) {
	if m.active != nil && m.active.Spec.Role != "" {
		return string(m.active.Spec.Role), string(m.active.Spec.Role)
	}
	switch held := m.held(); held {
	case "admin", "trainer", "client":
		return held, ""
	default:
		return "client", ""
	}
}

// held is the role as Clerk holds it.
func (m *model) held() string {
	held, _ := m.account.PublicMetadata["role"].(string)
	return held
}

// mark is the role of which Clerk holds the mark, "none" of a mark without a role; empty without a mark.
func (m *model) mark() string {
	mark, ok := m.account.PrivateMetadata["fituser"]
	if !ok || mark == nil {
		return ""
	}
	fields, _ := mark.(map[string]any)
	if role, _ := fields["role"].(string); role != "" {
		return role
	}
	return "none"
}

// judge says what is wrong with how a user ended; empty when nothing is.
func (m *model) judge() string {
	for _, object := range m.objects {
		if object != m.active && object.DeletionTimestamp == nil && (object.ManagedByOperator() || fituser.ReadyReason(object) != v1alpha1.ReasonDuplicateUser) {
			return fmt.Sprintf("FitUser %s is left beside %s and says %q", object.Name, m.active.Name, fituser.ReadyReason(object))
		}
	}
	if m.account == nil {
		return m.judgeGone()
	}
	if m.active == nil {
		return "there is no FitUser"
	}
	if m.active.Status.ObservedGeneration != m.active.Generation {
		return "the status answers another generation"
	}
	switch m.reason {
	case v1alpha1.ReasonSynced:
		return m.judgeAgreement()
	case v1alpha1.ReasonSuspended:
		if !m.active.Spec.Suspend || m.judgeAgreement() == "" {
			return "it says Suspended without a reason"
		}
	case v1alpha1.ReasonEmailMissing:
		return m.judgeWithoutAddress()
	case v1alpha1.ReasonEmailConflict:
		return m.judgeConflict()
	default:
		return fmt.Sprintf("it says %q", m.reason)
	}
	return m.judgeConditions()
}

func (m *model) judgeConditions() string {
	stalled := meta.IsStatusConditionTrue(m.active.Status.Conditions, v1alpha1.ConditionStalled)
	busy := meta.IsStatusConditionTrue(m.active.Status.Conditions, v1alpha1.ConditionReconciling)
	if (m.reason == v1alpha1.ReasonSynced) == (stalled || busy) {
		return fmt.Sprintf("%s with Stalled %v and Reconciling %v", m.reason, stalled, busy)
	}
	return ""
}

// judgeAgreement says in what the three places differ.
func (m *model) judgeAgreement() string {
	role, mark := m.role()
	want := map[string]any{
		"email": m.account.PrimaryEmail(), "first_name": ptr.Deref(m.account.FirstName, ""), "last_name": ptr.Deref(m.account.LastName, ""),
		"role": role,
	}
	for column, value := range want {
		if m.row == nil || m.row[column] != value {
			return fmt.Sprintf("the row's %s is not as it must be", column)
		}
	}
	if m.mark() != mark || mark != "" && m.held() != role {
		return fmt.Sprintf("Clerk holds role %q, mark %q; want %q, %q", m.held(), m.mark(), role, mark)
	}
	if string(m.active.Status.Role) != role || m.active.Status.Profile == nil ||
		m.active.Status.Profile.Email != m.account.PrimaryEmail() || m.active.Status.Clerk.Banned != m.account.Banned {
		return "the status is not what is so"
	}
	return m.judgeConditions()
}

// judgeWithoutAddress judges a user who has no address in Clerk: no row, or one that keeps its address and follows in all
// else.
func (m *model) judgeWithoutAddress() string {
	role, mark := m.role()
	switch {
	case m.account.PrimaryEmail() != "":
		return "it says EmailMissing, and Clerk has an address"
	case m.row != nil && m.row["role"] != role:
		return fmt.Sprintf("the row's role is %v, want %s", m.row["role"], role)
	case m.mark() != mark:
		return "the mark is not as it must be"
	}
	return m.judgeConditions()
}

// judgeConflict judges a user whose address another row holds: one that nobody may change.
func (m *model) judgeConflict() string {
	switch {
	case m.holder == nil:
		return "it says EmailConflict, and the address is free"
	case m.holder.mayGiveWay():
		return fmt.Sprintf("it says EmailConflict, and the row of %s could give way", m.holder.id)
	}
	return m.judgeConditions()
}

// mayGiveWay reports whether the operator may take the address away from this row.
func (m *model) mayGiveWay() bool {
	switch {
	case m.active != nil && m.active.Spec.Suspend:
		return false
	case m.account == nil: // only the row of somebody who was seen in Clerk goes
		return m.active != nil && m.active.Spec.DeletionPolicy != v1alpha1.DeletionPolicyRetain && m.active.Status.Clerk != nil
	case m.account.PrimaryEmail() == "":
		return false
	default: // its own new address may be held in turn
		return m.holder == nil || m.holder.mayGiveWay()
	}
}

// judgeGone judges a user whom Clerk does not have. A row that is left must be one that nobody may remove.
func (m *model) judgeGone() string {
	switch {
	case m.active == nil:
		return ""
	case m.active.ManagedByOperator():
		return "the operator's FitUser is left"
	case m.reason == v1alpha1.ReasonSuspended && m.active.Spec.Suspend && m.row != nil:
		return m.judgeConditions()
	case m.reason != v1alpha1.ReasonUserNotFound:
		return fmt.Sprintf("it says %q, and Clerk has no such user", m.reason)
	case m.row != nil && m.active.Status.Clerk != nil && !m.active.Spec.Suspend && m.active.Spec.DeletionPolicy != v1alpha1.DeletionPolicyRetain:
		return "the row is left"
	}
	return m.judgeConditions()
}
