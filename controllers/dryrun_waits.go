package controllers

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/user"
)

// heard is an answer of Clerk's.
type heard struct {
	user *user.User
	err  error
}

func (c dryClerk) Get(ctx context.Context, id user.ID) (user.User, error) {
	u, err := c.Client.Get(ctx, id)
	answer := heard{user: &u, err: err}
	if err != nil {
		answer.user = nil
	}
	c.run.mu.Lock()
	defer c.run.mu.Unlock()
	c.run.heard[id] = answer
	return u, err
}

// waits says what a look that comes back after wait is waiting for. The reconciler does not say, so it is found out from
// what the look had before it; empty when that does not tell.
func (d *DryRun) waits(ctx context.Context, id user.ID, wait time.Duration) string {
	d.mu.Lock()
	answer, asked := d.heard[id]
	d.mu.Unlock()
	k := &known{id: id}
	switch {
	case wait == 0:
		return ""
	case wait == conflictPause:
		return "somebody has just changed the user's FitUsers"
	case clerk.KindOf(answer.err) == clerk.Throttled:
		return clerkTrouble(answer.err).message
	case d.reconciler.findFitUsers(ctx, k) != nil:
		return ""
	case asked && wait <= maxLagPause && contradicts(k.hint, answer.user):
		return "Clerk's answer does not contain its own last event yet"
	case k.serving == nil:
		return ""
	}
	ready := meta.FindStatusCondition(k.serving.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil || ready.Status == metav1.ConditionTrue {
		return ""
	}
	return ready.Reason + ": " + ready.Message
}
