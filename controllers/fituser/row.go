package fituser

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// rowResult is what the row step achieved.
type rowResult struct {
	// previousRole is the role in the row before; empty without a row.
	previousRole user.Role
	// altered are the columns in which the table stores other values than were written; nil when there are none.
	altered *v1alpha1.AlteredColumns
	// key is the row's key; empty when no row could be planned.
	key user.ID
}

// reconcileRow makes the row equal to the account and the role in force. It writes only if a mapped column differs. The
// error is a [syncError].
func (r *Reconciler) reconcileRow(ctx context.Context, obs observation, role roleResult) (rowResult, error) {
	mapping := obs.mapping
	current, err := r.Store.Get(ctx, mapping.KeyOf(*role.account))
	exists := err == nil
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return rowResult{}, storeError(err)
	}
	table := r.Store.Table() // the first read of the table has completed its description
	if table.Mapping != mapping {
		return rowResult{}, storeError(store.ErrConflict)
	}
	obs.account = role.account
	if !exists {
		account, adopted, err := r.rowOfBefore(ctx, obs)
		if err != nil {
			return rowResult{}, err
		}
		if adopted {
			role.account, obs.adopted = account, true
			return r.reconcileRow(ctx, obs, role)
		}
	}
	plan := r.planRow(table, obs, role.inForce.Role, observedRow{current, exists})
	res := rowResult{previousRole: mapping.RoleOf(current), altered: plan.altered, key: plan.desired.ID}
	if !plan.writes {
		return res, plan.outcome()
	}
	if active := obs.fitUsers.Active; r.suppresses(active) {
		return res, r.suppressed(active, describeRowChange(exists, plan.changes))
	}
	stored, err := r.writeRow(ctx, obs, plan.desired, ChangedFields(exists, plan.changes))
	if err != nil {
		return res, err
	}
	r.rowWritten(obs, exists, plan.changes)
	plan.altered = r.alteredColumns(obs, mapping, plan.desired, stored)
	res.altered = plan.altered
	return res, plan.outcome()
}

// rowOfBefore looks for a row that the user has without being found by the key: one under a former key, or one from before
// Clerk, which becomes theirs. It returns the same as adoptRow.
func (r *Reconciler) rowOfBefore(ctx context.Context, obs observation) (*user.User, bool, error) {
	if err := r.rowUnderFormerKey(ctx, obs, obs.mapping.KeyOf(*obs.account)); err != nil {
		return nil, false, err
	}
	if obs.adopted {
		return nil, false, adoptionReverted()
	}
	return r.adoptRow(ctx, obs, obs.mapping)
}

// keyOfOther reports that Clerk's external_id is the id of another user in Clerk: the row with that key is theirs. The error is
// a [syncError].
func (r *Reconciler) keyOfOther(ctx context.Context, id, key user.ID) error {
	others, err := r.isIDOfOther(ctx, id, key)
	if err != nil || !others {
		return err
	}
	return &syncError{
		reason: v1alpha1.ReasonRowKeyChanged, stalled: true, retryAfter: jittered(slowRetry),
		message: fmt.Sprintf("Clerk's external_id is %q, the id of another Clerk user, who has the row with this key: change external_id in Clerk", key),
	}
}

// writeRow writes the row, counts the drift that this repairs, and returns the row as the table has stored it.
func (r *Reconciler) writeRow(ctx context.Context, obs observation, desired user.Row, drift []string) (user.Row, error) {
	if err := r.keyOfOther(ctx, obs.id, desired.ID); err != nil {
		return user.Row{}, err
	}
	for _, field := range drift {
		r.Metrics.driftFound(obs, PlaceTable, field)
	}
	stored, err := r.putRow(ctx, desired)
	if err != nil {
		return user.Row{}, err
	}
	if !obs.fitUsers.EverObserved() {
		r.rowsAwaitingStatus.Store(obs.id, desired.ID)
	}
	for _, field := range drift {
		r.Metrics.driftRepaired(obs, PlaceTable, field)
	}
	return stored, nil
}

func (r *Reconciler) rowWritten(obs observation, existed bool, changes []string) {
	if existed {
		obs.log.Info("Row updated", "columns", changes)
		r.Metrics.rowWrites.WithLabelValues(rowUpdate).Inc()
	} else {
		obs.log.Info("Row inserted")
		r.Metrics.rowWrites.WithLabelValues(rowInsert).Inc()
	}
	r.observeEvent(obs)
}

// describeRowChange is what would be done to the row, as the end of a sentence.
func describeRowChange(exists bool, changes []string) string {
	if !exists {
		return "insert the row"
	}
	return "update the row (" + strings.Join(ChangedFields(exists, changes), ", ") + ")"
}

// ChangedFields returns the columns that change, or "missing" without a row.
func ChangedFields(exists bool, changes []string) []string {
	if !exists {
		return []string{driftMissing}
	}
	return changes
}
