package controllers

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

// settleRole makes Clerk hold the role in force and its mark. Whatever keeps a write from happening, k.role is then the
// role as Clerk holds it: the row follows Clerk, never a wish.
func (r *Reconciler) settleRole(ctx context.Context, k *known) *trouble {
	facts := k.clerk.RoleFacts(user.Role(k.serving.Spec.Role))
	k.role = facts.AsHeld()
	if _, ok := user.ParseRole(string(facts.Demanded)); !ok && facts.Demanded != "" {
		return &trouble{
			reason: v1alpha1.ReasonUnknownRole, stalled: true,
			message: fmt.Sprintf("spec.role %q is not known to this version of the operator; the role in Clerk stays as it is", facts.Demanded),
		}
	}
	plan := facts.Plan()
	switch {
	case plan.Change == user.KeepRole:
		k.role = plan
		return nil
	case k.serving.Spec.Suspend:
		return suspended(fmt.Sprintf("would %s the role", plan.Change))
	case plan.Change != user.GiveRole:
		if k.again = r.graceLeft(k); k.again > 0 {
			return nil
		}
	}
	return r.writeRole(ctx, k, plan)
}

func (r *Reconciler) writeRole(ctx context.Context, k *known, plan user.RolePlan) *trouble {
	before := k.role
	written, err := r.Clerk.WriteRole(ctx, k.id, plan.Change, plan.Role)
	if err != nil {
		t := clerkTrouble(err)
		if plan.Change == user.TakeBackRole {
			t.reason = v1alpha1.ReasonTakeBackPending
			t.message = fmt.Sprintf("%s is to be taken back, but is not yet: %s", before.Role, t.message)
		}
		return t
	}
	k.clerk = &written
	after := written.RoleFacts(user.Role(k.serving.Spec.Role))
	if after.Plan().Change != user.KeepRole {
		k.role, k.again = after.AsHeld(), time.Second // somebody else wrote at the same moment: look again
		return nil
	}
	k.role = after.Plan()
	r.announceRole(k, plan.Change, before)
	return nil
}

// announceRole tells people of a right that has changed: one log line, one event.
func (r *Reconciler) announceRole(k *known, change user.RoleChange, before user.RolePlan) {
	r.Metrics.roleWrites.WithLabelValues(change.String()).Inc()
	k.log.Info("Role written to Clerk", "change", change.String(),
		"from", before.Role, "to", k.role.Role, "source", k.role.Source)
	if before.Role == k.role.Role {
		return
	}
	r.Recorder.Eventf(k.serving, nil, corev1.EventTypeNormal, "RoleChanged", "WriteRole",
		"role of %s changed from %s to %s (source: %s)", k.id, before.Role, k.role.Role, k.role.Source)
}

// graceLeft is how long a role that no FitUser demands any more is left alone, because the FitUser that demanded it was
// deleted a moment ago and may be about to be replaced. A role that a person cleared is not left alone.
func (r *Reconciler) graceLeft(k *known) time.Duration {
	if k.serving != nil && !k.serving.MadeByOperator() {
		return 0
	}
	removed := r.removals.last(k.id)
	for _, object := range k.leaving {
		if object.Spec.Role != "" && object.DeletionTimestamp.After(removed) {
			removed = object.DeletionTimestamp.Time
		}
	}
	return max(0, removed.Add(r.TakeBackGrace).Sub(k.now))
}

// removals remembers which users lost a FitUser that gave them a role, for as long as that matters. It is the only memory
// of the reconciler, and it may be lost: then the time of the start counts for everybody.
type removals struct {
	mu      sync.Mutex
	started time.Time
	at      map[user.ID]time.Time
}

// start forgets everything and counts from now.
func (m *removals) start(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.started, m.at = now, map[user.ID]time.Time{}
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

func (m *removals) last(id user.ID) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at, ok := m.at[id]; ok {
		return at
	}
	return m.started
}
