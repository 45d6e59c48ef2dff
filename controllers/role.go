package controllers

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

// settleRole makes Clerk hold the role in force and its mark, and counts what remains to be done.
func (r *Reconciler) settleRole(ctx context.Context, k *known) *trouble {
	k.heldRole = k.clerk.RoleFacts("").Observed().Role
	t := r.applyRole(ctx, k)
	plan := k.clerk.RoleFacts(user.Role(k.serving.Spec.Role)).Plan()
	_, isKnown := user.ParseRole(k.clerk.Role)
	r.Metrics.rightsNotTakenBack.set(k.id, plan.Change == user.RevokeRole)
	r.Metrics.unknownRoles.set(k.id, k.clerk.Role != "" && !isKnown)
	return t
}

// applyRole makes Clerk hold the role in force and its mark. Whatever keeps a write from happening, k.role is then the
// role as Clerk holds it: the row follows Clerk, never a wish.
func (r *Reconciler) applyRole(ctx context.Context, k *known) *trouble {
	facts := k.clerk.RoleFacts(user.Role(k.serving.Spec.Role))
	k.role = facts.Observed()
	if _, ok := user.ParseRole(string(facts.Desired)); !ok && facts.Desired != "" {
		return &trouble{
			reason: v1alpha1.ReasonUnknownRole, stalled: true,
			message: fmt.Sprintf("spec.role %q is not known to this version of the operator; the role in Clerk stays as it is", facts.Desired),
		}
	}
	plan := facts.Plan()
	if plan.Change != user.RevokeRole {
		r.Deletions.Drop(k.id)
	}
	switch {
	case plan.Change == user.NoRoleChange:
		k.role = plan
		return nil
	case k.serving.Spec.Suspend:
		return suspended(wouldBe(plan, facts))
	case plan.Change != user.GrantRole:
		if k.again = r.graceLeft(k); k.again > 0 {
			return nil
		}
	}
	if k.outdated = r.confirm(ctx, k); k.outdated != nil {
		return nil
	}
	if plan.Change == user.RevokeRole && k.givenByADeletedOne() {
		if t := r.allowDeletion(ctx, k, fmt.Sprintf("the FitUser that gave %s was deleted, and taking the role back", k.role.Role)); t != nil {
			return t
		}
	}
	return r.writeRole(ctx, k, plan)
}

// wouldBe says what a plan does to the role in Clerk.
func wouldBe(plan user.RolePlan, facts user.RoleFacts) string {
	switch plan.Change {
	case user.GrantRole:
		return fmt.Sprintf("give the role %s in Clerk", plan.Role)
	case user.RevokeRole:
		return fmt.Sprintf("take the role %s back in Clerk", facts.Observed().Role)
	default:
		return fmt.Sprintf("%s in Clerk", plan.Change)
	}
}

// givenByADeletedOne reports whether the object that gave the role is gone. Of an object that the operator has made and
// nobody has edited since (nothing but an edit counts the generation up) no person can have cleared the role.
func (k *known) givenByADeletedOne() bool {
	return k.serving.ManagedByOperator() && k.serving.Generation == 1
}

func (r *Reconciler) writeRole(ctx context.Context, k *known, plan user.RolePlan) *trouble {
	r.Metrics.foundDrift(k, "clerk", driftRole)
	written, err := r.Clerk.WriteRole(ctx, k.id, plan.Change, plan.Role)
	if err != nil {
		t := clerkTrouble(err)
		if plan.Change == user.RevokeRole {
			t = t.takeBackPending(v1alpha1.Role(k.role.Role))
		}
		return t
	}
	r.Metrics.roleWrites.WithLabelValues(plan.Change.String()).Inc()
	k.log.Info("Role written to Clerk", "change", plan.Change.String())
	k.clerk, k.tookBack = &written, plan.Change == user.RevokeRole
	after := written.RoleFacts(user.Role(k.serving.Spec.Role))
	if after.Plan().Change != user.NoRoleChange {
		k.role, k.again = after.Observed(), time.Second // somebody else wrote at the same moment: look again
		return nil
	}
	k.role = after.Plan()
	r.Metrics.repairedDrift(k, "clerk", driftRole)
	return nil
}

// roleStays reports whether Clerk, as far as it was heard, holds the role in force and its mark.
func (k *known) roleStays() bool {
	var demanded user.Role
	if k.serving != nil {
		demanded = user.Role(k.serving.Spec.Role)
	}
	return k.clerk.RoleFacts(demanded).Plan().Change == user.NoRoleChange
}

// noteTakeBackDue says that a right still stands which no manifest gives any more, although Clerk was not heard: the
// status tells where the role came from.
func (r *Reconciler) noteTakeBackDue(k *known) {
	if k.serving == nil || k.serving.Spec.Role != "" {
		return
	}
	given := func(u *v1alpha1.FitUser) bool { return u.Status.RoleSource == v1alpha1.RoleSource(user.FromManifest) }
	all := k.all()
	if i := slices.IndexFunc(all, given); i >= 0 {
		r.Metrics.rightsNotTakenBack.set(k.id, true)
		k.clerkTrouble = k.clerkTrouble.takeBackPending(all[i].Status.Role)
	}
}

// takeBackPending is t as the reason why role is not taken back. That is known to be wrong, whatever Clerk answers: so the
// condition turns false once, and its transition time is since when.
func (t trouble) takeBackPending(role v1alpha1.Role) *trouble {
	t.reason, t.unsure = v1alpha1.ReasonRevocationPending, false
	t.message = fmt.Sprintf("%s is to be taken back, but is not yet: %s", role, t.message)
	return &t
}

// graceLeft is how long a role that no FitUser demands any more is left alone, because the FitUser that demanded it was
// deleted a moment ago and may be about to be replaced. A role that a person cleared is not left alone.
func (r *Reconciler) graceLeft(k *known) time.Duration {
	removed, known := r.removals.last(k.id)
	if !known && k.serving != nil && !k.serving.ManagedByOperator() {
		return 0
	}
	for _, object := range k.leaving {
		if object.Spec.Role != "" && object.DeletionTimestamp.After(removed) {
			removed = object.DeletionTimestamp.Time
		}
	}
	return max(0, removed.Add(r.TakeBackGrace).Sub(k.now))
}

// removals remembers which users lost a FitUser that gave them a role, for as long as that matters. It may be lost: then
// the first look at anybody counts for everybody. That is when this process began to lead; it may have stood by for hours.
type removals struct {
	mu    sync.Mutex
	begun time.Time
	at    map[user.ID]time.Time
}

// begin counts from now, unless it was called before.
func (m *removals) begin(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.begun.IsZero() {
		m.begun = now
	}
}

func (m *removals) add(id user.ID, now time.Time, keep time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for other, at := range m.at {
		if now.Sub(at) > keep {
			delete(m.at, other)
		}
	}
	if m.at == nil {
		m.at = map[user.ID]time.Time{}
	}
	m.at[id] = now
}

// last is when the user lost one. What is not known may have happened until this process began to lead.
func (m *removals) last(id user.ID) (at time.Time, known bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at, known = m.at[id]; known {
		return at, true
	}
	return m.begun, false
}
