package fituser

import (
	"context"
	"errors"
	"strings"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// reconcileRow makes the row equal to the account and the role in force. It writes only if a mapped column differs. It
// returns the role in the row before that, empty without a row. The error is a [syncError].
func (r *Reconciler) reconcileRow(ctx context.Context, obs observation, role roleResult) (user.Role, error) {
	current, err := r.Store.Get(ctx, obs.id)
	exists := err == nil
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return "", storeError(err)
	}
	previousRole := current.Role
	desired := user.DesiredRow(*role.account, role.inForce.Role)
	var missing error
	if desired.Email == "" {
		// A row needs an address. A row that has an old one still follows in every other column, above all the role.
		missing = emailMissing()
		if !exists {
			return previousRole, missing
		}
		desired.Email = current.Email
	}
	changes := desired.Diff(current)
	if exists && len(changes) == 0 {
		return previousRole, missing
	}
	if active := obs.fitUsers.Active; r.suppresses(active) {
		return previousRole, r.suppressed(active, describeRowChange(exists, changes))
	}
	if err := r.writeRow(ctx, obs, desired, ChangedFields(exists, changes)); err != nil {
		return previousRole, err
	}
	r.rowWritten(obs, exists, changes)
	return previousRole, missing
}

// writeRow writes the row and counts the drift that this repairs.
func (r *Reconciler) writeRow(ctx context.Context, obs observation, desired user.Row, drift []string) error {
	for _, field := range drift {
		r.Metrics.driftFound(obs, PlaceTable, field)
	}
	if err := r.putRow(ctx, desired); err != nil {
		return err
	}
	if !obs.fitUsers.EverObserved() {
		r.rowsAwaitingStatus.Store(obs.id, true)
	}
	for _, field := range drift {
		r.Metrics.driftRepaired(obs, PlaceTable, field)
	}
	return nil
}

func (r *Reconciler) rowWritten(obs observation, existed bool, changes []user.Column) {
	if existed {
		obs.log.Info("Row updated", "columns", changes)
		r.Metrics.rowWrites.WithLabelValues(rowUpdate).Inc()
	} else {
		obs.log.Info("Row inserted")
		r.Metrics.rowWrites.WithLabelValues(rowInsert).Inc()
	}
	r.observeEvent(obs)
}

func emailMissing() *syncError {
	return &syncError{
		reason: v1alpha1.ReasonEmailMissing, stalled: true,
		message: "the Clerk user has no e-mail address, and a row needs one: add one in Clerk",
	}
}

// describeRowChange is what would be done to the row, as the end of a sentence.
func describeRowChange(exists bool, changes []user.Column) string {
	if !exists {
		return "insert the row"
	}
	return "update the row (" + strings.Join(ChangedFields(exists, changes), ", ") + ")"
}

// ChangedFields returns the columns that change, or "missing" without a row.
func ChangedFields(exists bool, changes []user.Column) []string {
	if !exists {
		return []string{driftMissing}
	}
	fields := make([]string, len(changes))
	for i, column := range changes {
		fields[i] = string(column)
	}
	return fields
}
