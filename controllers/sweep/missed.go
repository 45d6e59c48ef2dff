package sweep

import (
	"context"
	"time"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/state"
	"github.com/fitai/fituser-operator/internal/user"
)

// missedAfter is how old a change must be before its webhook counts as missed rather than late.
const missedAfter = time.Minute

// loadImportTime reads when the users were imported.
func (r *run) loadImportTime(ctx context.Context) error {
	s, err := r.Reconciler.Budget.State.Read(ctx)
	r.importBegan = s.ImportBegan
	return err
}

// saveImportTime records that all users from before the operator are known now.
func (r *run) saveImportTime(ctx context.Context, began time.Time) error {
	if !r.importBegan.IsZero() || !r.report.Complete {
		return nil
	}
	_, err := r.Reconciler.Budget.State.Update(ctx, func(s *state.State) bool {
		s.ImportBegan = began
		return true
	})
	return err
}

// countMissed counts a change that a webhook should have reported and did not.
func (r *run) countMissed(found fitusers.Set, account *user.User, requested time.Time, eventType v1alpha1.EventType) {
	changed := account.UpdatedAt
	if r.importBegan.IsZero() || changed.Before(r.importBegan) || requested.Sub(changed) <= missedAfter {
		return
	}
	for _, u := range found.All() {
		if hint, ok := u.Hint(); ok && hint.UserUpdatedAt >= changed.UnixMilli() {
			return
		}
	}
	r.report.MissedWebhooks++
	r.Reconciler.Metrics.WebhookMissed(eventType)
}
