package fituser

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// reconcileDeleted reconciles a user that is deleted in Clerk. The row is treated as the deletion policy requires, if a
// status records that the user was seen in Clerk. Operator-managed FitUsers are deleted once that is done; a user-managed
// one stays and reports.
func (r *Reconciler) reconcileDeleted(ctx context.Context, obs observation) (observation, result, error) {
	r.Metrics.pendingRevocations.set(obs.id, false)
	if obs.fitUsers.Active == nil {
		r.rowsAwaitingStatus.Delete(obs.id)
		return obs, result{}, nil
	}
	kept, err := r.reconcileDeletedRow(ctx, obs)
	row, err := asSyncError(err)
	if err != nil {
		return obs, result{}, err
	}
	if row == nil && kept.waits() {
		if obs, err = r.handOver(ctx, obs); err != nil {
			return obs, result{}, err
		}
	}
	return obs, result{clerk: userNotFound(kept), row: row, kept: kept}, nil
}

// userNotFound reports a user who is deleted in Clerk, or never was there. A row is kept only for one who was seen.
func userNotFound(kept keptRow) *syncError {
	message := "Clerk has no user with this id: check it, or wait until the user has signed up"
	if kept.reason != "" {
		message = "the user is deleted in Clerk: " + kept.message
	}
	return &syncError{reason: v1alpha1.ReasonUserNotFound, stalled: true, message: message}
}

// keptRow is the row of a user who is deleted in Clerk.
type keptRow struct {
	// reason and message go into the condition DatabaseSynced; empty without a row.
	reason, message string
	// until is when the row is deleted or anonymized; zero when it is not waiting for that.
	until time.Time
	// key is the row's key where it is not the Clerk id.
	key user.ID
	// policy is the one that the FitUser sets; empty when it sets none.
	policy v1alpha1.DeletionPolicy
	// createdAt is when the user was created. It shows that the user was seen in Clerk, if no status does yet.
	createdAt time.Time
	// requeueAfter is when to reconcile again; 0 when the alarm does that.
	requeueAfter time.Duration
}

func (k keptRow) waits() bool { return !k.until.IsZero() }

// deletionPolicy returns the policy that u sets, empty for none, and the one in force. A manifest by e-mail leaves its policy
// in the status of the operator's FitUser, which cannot have one in its spec.
func (r *Reconciler) deletionPolicy(u *v1alpha1.FitUser) (set, inForce v1alpha1.DeletionPolicy) {
	set = u.Spec.DeletionPolicy
	if u.ManagedByOperator() {
		set = u.Status.DeletionPolicy
	}
	return set, cmp.Or(set, r.DeletionPolicy, v1alpha1.DeletionPolicyDelete)
}

// rowDeletionAt is status.rowDeletionAt so far; zero when there is none. A FitUser that has just become active takes it over.
func (o observation) rowDeletionAt() time.Time {
	for _, u := range o.fitUsers.All() {
		if u.Status.RowDeletionAt != nil {
			return u.Status.RowDeletionAt.Time
		}
	}
	return time.Time{}
}

// formerRowKey returns the key of the row that was last written for the user.
func (r *Reconciler) formerRowKey(obs observation) user.ID {
	if r.Store.Table().Mapping.Key.Holds != user.HoldsExternalID {
		return obs.id
	}
	for _, u := range obs.fitUsers.All() {
		if u.Status.RowKey != "" {
			return user.ID(u.Status.RowKey)
		}
	}
	if key, awaiting := r.rowsAwaitingStatus.Load(obs.id); awaiting {
		return key.(user.ID) //nolint:forcetypeassert // nothing else is stored
	}
	return obs.id
}

func (r *Reconciler) reconcileDeletedRow(ctx context.Context, obs observation) (keptRow, error) {
	set, policy := r.deletionPolicy(obs.fitUsers.Active)
	key := r.formerRowKey(obs)
	kept := keptRow{until: obs.rowDeletionAt(), key: key, policy: set}
	switch {
	case !r.everObserved(obs):
		return keptRow{}, nil
	case policy == v1alpha1.DeletionPolicyRetain:
		return keptRow{reason: v1alpha1.ReasonRowRetained, message: messageRetained, key: key}, nil
	}
	mapping := obs.mapping
	row, err := r.Store.Get(ctx, key)
	switch {
	case r.Store.Table().Mapping != mapping: // the row may have another key there
		return kept, storeError(store.ErrConflict)
	case errors.Is(err, store.ErrNotFound):
		return keptRow{}, nil
	case err != nil:
		return kept, storeError(err)
	}
	if claimed, err := r.claimedByOther(ctx, obs.id, key); err != nil {
		return kept, err
	} else if claimed {
		return keptRow{}, nil
	}
	kept.createdAt = row.CreatedAt
	plan := departure{
		mapping: mapping, policy: policy, delay: r.DeletionDelay, role: r.Roles.Default(), row: row,
		pending: kept.until, now: obs.now,
	}.plan()
	if plan.operation == "" || plan.operation == rowUpdate { // the wait begins even if the role cannot be lowered now
		kept = kept.after(plan, obs.now)
	}
	return r.carryOut(ctx, obs, plan, kept)
}

// claimedByOther reports whether another Clerk user has the row's key: as external_id, because somebody was created again to
// have the row again, or as their Clerk id. The error is a [syncError].
func (r *Reconciler) claimedByOther(ctx context.Context, id, key user.ID) (bool, error) {
	if r.Store.Table().Mapping.Key.Holds != user.HoldsExternalID {
		return false, nil
	}
	found, err := r.ExternalIDs.FindByExternalID(ctx, []string{string(key)})
	if err != nil {
		return false, clerkError(err)
	}
	if other, exists := found[string(key)]; exists && other.ID != id {
		return true, nil
	}
	return r.isIDOfOther(ctx, id, key)
}

func isClerkID(key user.ID) bool {
	_, err := user.ParseID(string(key))
	return err == nil
}

// isIDOfOther reports whether a key is the Clerk id of another user, who has the row with this key. The error is a [syncError].
func (r *Reconciler) isIDOfOther(ctx context.Context, id, key user.ID) (bool, error) {
	if !isClerkID(key) || key == id {
		return false, nil
	}
	other, err := r.Clerk.Get(ctx, key)
	switch {
	case clerk.KindOf(err) == clerk.NotFound:
		return false, nil
	case err != nil:
		return false, clerkError(err)
	default:
		return r.Store.Table().Mapping.KeyOf(other) == key, nil
	}
}

// after returns what is kept once a plan is carried out.
func (k keptRow) after(plan departurePlan, now time.Time) keptRow {
	k.reason, k.message, k.until, k.requeueAfter = plan.reason, plan.message(), plan.until, 0
	// A status that was just written may not be in the cache when its time comes, and the alarm would miss it.
	if left := plan.until.Sub(now); k.waits() && left <= time.Minute {
		k.requeueAfter = max(left, time.Millisecond)
	}
	return k
}

// carryOut makes the write that a plan requires, and returns what is kept.
func (r *Reconciler) carryOut(ctx context.Context, obs observation, plan departurePlan, kept keptRow) (keptRow, error) {
	first := obs.rowDeletionAt().IsZero()
	if plan.operation != "" {
		if err := r.writeDeparture(ctx, obs, plan); err != nil {
			return kept, err
		}
		kept = kept.after(plan, obs.now)
	}
	if kept.waits() && first {
		obs.log.Info("Row deletion scheduled", "at", kept.until)
	}
	scheduled := kept.waits() || plan.operation != ""
	if first && scheduled && obs.swept && obs.hint.Type != v1alpha1.UserDeleted {
		r.Metrics.WebhookMissed(v1alpha1.UserDeleted)
	}
	return kept, nil
}

// writeDeparture writes or deletes the row, if the FitUsers are still as they were read and the budget allows it.
func (r *Reconciler) writeDeparture(ctx context.Context, obs observation, plan departurePlan) error {
	text := plan.text()
	if active := obs.fitUsers.Active; r.suppresses(active) {
		return r.suppressed(active, text.do)
	}
	if err := r.verifyLive(ctx, obs); err != nil {
		return err
	}
	if err := r.allowDeletion(ctx, obs, "the user is deleted in Clerk, and "+text.doing); err != nil {
		return err
	}
	if r.Store.Table().Mapping != obs.mapping { // the row may have another key now
		return storeError(store.ErrConflict)
	}
	if plan.operation == rowDelete {
		deleted, err := r.Store.Delete(ctx, r.formerRowKey(obs))
		if err != nil {
			return departureError(err)
		}
		r.rowsAwaitingStatus.Delete(obs.id)
		if !deleted {
			return nil
		}
	} else if err := r.updateRow(ctx, plan.desired); err != nil {
		return err
	}
	obs.log.Info(text.done)
	r.Metrics.rowWrites.WithLabelValues(plan.operation).Inc()
	r.observeEvent(obs)
	return nil
}

// updateRow updates a row, which is never inserted. A refusal may only mean that the row's address was moved meanwhile.
func (r *Reconciler) updateRow(ctx context.Context, desired user.Row) error {
	_, err := r.Store.Update(ctx, desired)
	if errors.Is(err, store.ErrInvalidData) {
		if latest, readErr := r.Store.Get(ctx, desired.ID); readErr == nil && latest.Email == user.AnonymizedEmail(desired.ID) &&
			desired.Email != latest.Email {
			err = store.ErrConflict
		}
	}
	if err != nil {
		return departureError(err)
	}
	return nil
}

// departureError classifies an error of a write to the row of a user who is deleted in Clerk: nothing in Clerk can be changed.
func departureError(err error) *syncError {
	e := storeError(err)
	if e.reason == v1alpha1.ReasonInvalidData || e.reason == v1alpha1.ReasonRowRefused {
		e.retryAfter = jittered(slowRetry)
		e.message = "the user is deleted in Clerk, but the row cannot be treated as the deletion policy requires: " + refusalOf(err) +
			": correct it in the database, or set another deletionPolicy"
	}
	return e
}

// everObserved reports whether the operator has seen the user in Clerk. A status records it; between the write of the row
// and the status it is only remembered, because that status may be refused: the user may be deleted at that moment.
func (r *Reconciler) everObserved(obs observation) bool {
	_, awaiting := r.rowsAwaitingStatus.Load(obs.id)
	return awaiting || obs.fitUsers.EverObserved()
}

// handOver moves a waiting row from a manifest by e-mail to the operator's own FitUser, so that the manifest is free for the
// next user of its address. finish writes the operator's status before it releases the manifest.
func (r *Reconciler) handOver(ctx context.Context, obs observation) (observation, error) {
	manifest := obs.fitUsers.Active
	if manifest.Spec.Email == "" || manifest.Spec.Suspend {
		return obs, nil
	}
	creator := fitusers.Creator{Writer: r.Client, Reader: r.Client, Namespace: r.Namespace}
	own, isNew, err := creator.Create(ctx, obs.id, nil)
	if err != nil {
		return obs, err
	}
	isOwn := func(u *v1alpha1.FitUser) bool { return u.UID == own.UID }
	if i := slices.IndexFunc(obs.fitUsers.Duplicates, isOwn); i >= 0 {
		own = obs.fitUsers.Duplicates[i]
	} else if !isNew {
		return obs, apierrors.NewConflict(fitusers.Resource(), own.Name, errStaleRead)
	}
	others := slices.DeleteFunc(slices.Clone(obs.fitUsers.Duplicates), isOwn)
	obs.fitUsers.Active, obs.fitUsers.Duplicates = own, append([]*v1alpha1.FitUser{manifest}, others...)
	return obs, nil
}

// moveOfDeleted returns the move by which the row of a user who is deleted in Clerk gives up its address, if the row waits.
// Otherwise it requests that user's reconcile, so that the row is treated under its own policy first.
func (r *Reconciler) moveOfDeleted(ctx context.Context, key user.ID, theirs observation) (store.Move, error) {
	row, err := r.Store.Get(ctx, key)
	if err != nil {
		return store.Move{}, storeError(err)
	}
	vacated := store.Move{ID: key, From: row.Email, To: user.AnonymizedEmail(key)}
	softDeleted := r.Store.Table().Mapping.SoftDelete != nil && !row.DeletedAt.IsZero()
	active := theirs.fitUsers.Active
	if active == nil || !r.everObserved(theirs) {
		if softDeleted { // its FitUser was deleted with the soft deletion
			return vacated, nil
		}
		return store.Move{}, emailConflict(key, "which is orphaned: it has no Clerk user and no FitUser")
	}
	if _, policy := r.deletionPolicy(active); policy == v1alpha1.DeletionPolicyRetain {
		return store.Move{}, emailConflict(key, "which outlives its user because of deletionPolicy: Retain")
	}
	if softDeleted || !theirs.rowDeletionAt().IsZero() {
		return vacated, r.verifyLive(ctx, theirs)
	}
	if err := r.Enqueue(ctx, theirs.id); err != nil {
		return store.Move{}, &syncError{reason: v1alpha1.ReasonRowPending, message: "waiting for another row", cause: err}
	}
	err = fmt.Errorf("the row of %s holds the address: that user is deleted in Clerk, and the row is treated first", key)
	return store.Move{}, &syncError{reason: v1alpha1.ReasonRowPending, message: err.Error(), cause: err}
}

// rowUnderFormerKey reports that the user's row has a former key: a second row would leave that one to nobody. The error is a
// [syncError].
func (r *Reconciler) rowUnderFormerKey(ctx context.Context, obs observation, key user.ID) error {
	former := r.formerRowKey(obs)
	if former == key || !r.everObserved(obs) {
		return nil
	}
	_, err := r.Store.Get(ctx, former)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil:
		return storeError(err)
	}
	if claimed, err := r.claimedByOther(ctx, obs.id, former); err != nil || claimed {
		return err // that row is another user's now
	}
	return &syncError{
		reason: v1alpha1.ReasonRowKeyChanged, stalled: true, retryAfter: jittered(slowRetry),
		message: fmt.Sprintf("the user's row has the key %q, and Clerk's external_id requires %q now: set external_id back in Clerk, "+
			"or change the key in the row", former, key),
	}
}
