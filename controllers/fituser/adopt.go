package fituser

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// adoptRow makes a row from before Clerk the user's own, where the mapping allows it (adoptRows): the row that the user's
// external_id names, or one that holds a verified address of the user. It is for a user who has no row. It returns the
// account, which may have another external_id now, and whether a row was adopted. The error is a [syncError].
func (r *Reconciler) adoptRow(ctx context.Context, obs observation, mapping *user.Mapping) (*user.User, bool, error) {
	ownKey, addresses := adoptable(mapping, obs.account)
	if ownKey == "" && len(addresses) == 0 {
		return obs.account, false, nil
	}
	found, err := r.Store.FindUnclaimed(ctx, ownKey, addresses)
	if err != nil {
		return nil, false, storeError(err)
	}
	row, free, err := r.firstFree(ctx, mapping, found)
	if err != nil || !free {
		return obs.account, false, err
	}
	if active := obs.fitUsers.Active; r.suppresses(active) {
		return nil, false, r.suppressed(active, fmt.Sprintf("give the user the row %q from before Clerk", row))
	}
	account, err := r.claimRow(ctx, obs, mapping, row)
	if err != nil {
		return nil, false, err
	}
	obs.log.Info("Row adopted", "row", row.String())
	r.Metrics.rowWrites.WithLabelValues(rowAdopt).Inc()
	r.Recorder.Eventf(obs.fitUsers.Active, nil, corev1.EventTypeNormal, "RowAdopted", "AdoptRow",
		"the row %q from before Clerk is this user's now", row)
	return account, true, nil
}

// adoptable returns by what a row is found that becomes the user's: by the application's own key, and by the addresses.
// Anybody can add an address and never verify it, so only verified ones count, and none of Clerk's test addresses.
func adoptable(mapping *user.Mapping, account *user.User) (ownKey string, addresses []string) {
	if mapping.AdoptRows != user.AdoptExternalID && mapping.AdoptRows != user.AdoptVerifiedEmail {
		return "", nil
	}
	byExternalID := mapping.Key.Holds == user.HoldsExternalID
	if !byExternalID {
		ownKey = account.ExternalID
	}
	if mapping.AdoptRows == user.AdoptExternalID || byExternalID && account.ExternalID != "" {
		return ownKey, nil // an external_id that the application set is not replaced
	}
	for _, address := range append([]string{account.Email}, account.VerifiedEmails...) {
		if account.Holds(address) && !slices.Contains(addresses, address) {
			addresses = append(addresses, address)
		}
	}
	return ownKey, addresses
}

// firstFree returns the first of the rows that is nobody's. Where the key is Clerk's external_id, it does not show whether the
// row has a user: a FitUser names the row of one, also while it waits for its deletion.
func (r *Reconciler) firstFree(ctx context.Context, mapping *user.Mapping, rows []store.Holder) (row store.Holder, free bool, err error) {
	for _, row := range rows {
		if mapping.Key.Holds != user.HoldsExternalID {
			return row, true, nil
		}
		named, err := fitusers.CachedByRowKey(ctx, r.Client, r.Namespace, row.Key)
		if err != nil {
			return row, false, &syncError{reason: v1alpha1.ReasonRowPending, message: "the FitUsers that name the row cannot be read", cause: err}
		}
		if len(named) == 0 {
			return row, true, nil
		}
	}
	return store.Holder{}, false, nil
}

// adoptionReverted reports that an adopted row is not found by its new key. Without it the row would be adopted again and again.
func adoptionReverted() *syncError {
	return &syncError{
		reason: v1alpha1.ReasonRowRefused, stalled: true, retryAfter: jittered(slowRetry),
		message: "a row from before Clerk got this user's key, and is not found by it: a trigger or a rule of the table keeps the former key. " +
			"Correct it in the database",
	}
}

// claimRow connects the row with the user: by the row's key, or by the user's external_id.
func (r *Reconciler) claimRow(ctx context.Context, obs observation, mapping *user.Mapping, row store.Holder) (*user.User, error) {
	if mapping.Key.Holds == user.HoldsExternalID && row.Key == "" {
		return nil, emailConflict(user.ID(row.String()), "whose key column is empty, so that it can belong to nobody: give it a key")
	}
	if mapping.Key.Holds == user.HoldsExternalID {
		account, err := r.ExternalIDs.SetExternalID(ctx, obs.id, string(row.Key))
		if clerk.RefusalOf(err) == clerk.ExternalIDTaken {
			return nil, emailConflict(row.Key, "which belongs to another Clerk user by external_id: change the address of one of the two in Clerk")
		}
		if err != nil {
			return nil, clerkError(err)
		}
		return &account, nil
	}
	err := r.Store.Rekey(ctx, row, mapping.KeyOf(*obs.account))
	if kept, ok := errors.AsType[*store.CannotRekeyError](err); ok {
		return nil, &syncError{
			reason: v1alpha1.ReasonEmailConflict, stalled: true, retryAfter: jittered(slowRetry),
			message: fmt.Sprintf("the row %q from before Clerk cannot become this user's, because these tables refer to its key without ON UPDATE "+
				"CASCADE: %s. Add that to their foreign keys, or map a column for the Clerk id", row, strings.Join(kept.Tables, ", ")),
		}
	}
	if errors.Is(err, store.ErrRowInUse) {
		return nil, &syncError{
			reason: v1alpha1.ReasonEmailConflict, stalled: true, retryAfter: jittered(slowRetry),
			message: fmt.Sprintf("the row %q from before Clerk cannot become this user's, because other rows, a trigger or a policy keep its key: "+
				"let the key change in the database, or map a column for the Clerk id", row),
		}
	}
	if err != nil {
		return nil, storeError(err)
	}
	return obs.account, nil
}
