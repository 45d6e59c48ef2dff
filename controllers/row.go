package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// maxMoves bounds how many other rows may have to give up an address before this one can be written: a longer ring is
// no exchange of addresses between people.
const maxMoves = 8

// settleRow makes the row what Clerk and the role in force say it must be. It writes only if a column of ours differs.
func (r *Reconciler) settleRow(ctx context.Context, k *known) *trouble {
	observed, err := r.Store.Get(ctx, k.id)
	exists := err == nil
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return storeTrouble(err)
	}
	k.rowRole = observed.Role
	desired := user.DesiredRow(*k.clerk, k.role.Role)
	var missing *trouble
	if desired.Email == "" {
		// A row must have an address. One that has an old address still follows in all else, the role above all.
		missing = emailMissing()
		if !exists {
			return missing
		}
		desired.Email = observed.Email
	}
	changes := desired.Diff(observed)
	if exists && len(changes) == 0 {
		return missing
	}
	if k.serving.Spec.Suspend {
		return suspended(rowChange(exists, changes))
	}
	drift := driftOfRow(exists, changes)
	for _, field := range drift {
		r.Metrics.foundDrift(k, "table", field)
	}
	if t := r.writeRow(ctx, desired); t != nil {
		return t
	}
	if !k.seen() {
		r.unnoted.Store(k.id, true)
	}
	for _, field := range drift {
		r.Metrics.repairedDrift(k, "table", field)
	}
	r.announceRow(k, exists, changes)
	return missing
}

func emailMissing() *trouble {
	return &trouble{
		reason: v1alpha1.ReasonEmailMissing, stalled: true,
		message: "the Clerk user has no e-mail address, and a row needs one: add one in Clerk",
	}
}

// rowChange says what is to be done to the row.
func rowChange(exists bool, changes []user.Column) string {
	if !exists {
		return "insert the row"
	}
	names := make([]string, len(changes))
	for i, column := range changes {
		names[i] = string(column)
	}
	return "update the row (" + strings.Join(names, ", ") + ")"
}

func (r *Reconciler) announceRow(k *known, existed bool, changes []user.Column) {
	if existed {
		k.log.Info("User updated in database", "columns", changes)
		r.Metrics.rowWrites.WithLabelValues(rowUpdate).Inc()
	} else {
		k.log.Info("User created in database")
		r.Metrics.rowWrites.WithLabelValues(rowInsert).Inc()
	}
	r.observeEvent(k)
}

// writeRow writes the row, once more if somebody else wrote at the same moment: two users who exchange addresses have an
// event each, and are often looked at side by side.
func (r *Reconciler) writeRow(ctx context.Context, desired user.Row) *trouble {
	t := r.tryRow(ctx, desired)
	if t != nil && t.raced {
		return r.tryRow(ctx, desired)
	}
	return t
}

// tryRow writes the row. E-mail addresses are unique in the table and move between users in Clerk; when another row
// still holds the address, that user is looked up too, and both rows change in one transaction. A ring takes as many
// rounds as it has members.
func (r *Reconciler) tryRow(ctx context.Context, desired user.Row) *trouble {
	var moves []store.Move
	for {
		err := r.Store.Put(ctx, desired, moves)
		var taken *store.EmailTakenError
		switch {
		case err == nil:
			return nil
		case !errors.As(err, &taken):
			return storeTrouble(err)
		case len(moves) == maxMoves || slices.ContainsFunc(moves, func(m store.Move) bool { return m.ID == taken.Holder }):
			return emailConflict(taken.Holder, "too many users exchange addresses at once")
		}
		move, t := r.moveOf(ctx, taken.Holder)
		if t != nil {
			return t.behind(moves)
		}
		moves = append(moves, move)
	}
}

// moveOf finds out whether the user whose row is in the way has another address by now.
func (r *Reconciler) moveOf(ctx context.Context, holder user.ID) (store.Move, *trouble) {
	if _, err := user.ParseID(string(holder)); err != nil {
		return store.Move{}, emailConflict(holder, "which belongs to no Clerk user")
	}
	objects, err := r.fitUsersOf(ctx, holder)
	if err != nil {
		return store.Move{}, &trouble{
			reason: v1alpha1.ReasonEmailConflict, message: "the holder of the address cannot be looked up", err: err,
		}
	}
	theirs := choose(objects)
	if theirs.serving != nil && theirs.serving.Spec.Suspend {
		return store.Move{}, emailConflict(holder, "whose FitUser is suspended")
	}
	u, err := r.Clerk.Get(ctx, holder)
	switch {
	case err != nil && clerk.KindOf(err) == clerk.NotFound:
		return store.Move{}, r.goneHolder(ctx, holder, theirs)
	case err != nil:
		return store.Move{}, clerkTrouble(err)
	case u.Email == "":
		return store.Move{}, emailConflict(holder, "whose Clerk user has no address to put in its place")
	}
	row, err := r.Store.Get(ctx, holder) // the index may call addresses equal that are not the same
	switch {
	case err != nil:
		return store.Move{}, storeTrouble(err)
	case row.Email == u.Email:
		t := emailConflict(holder, "and Clerk says that it is theirs")
		t.raced, t.err = true, errors.New(t.message) // soon again: one of Clerk's two answers is behind the other
		return store.Move{}, t
	}
	return store.Move{ID: holder, From: row.Email, To: u.Email}, nil
}

// goneHolder lets a holder who is gone from Clerk be reconciled first, under their own FitUser's policy. The row of
// somebody without a FitUser, or one that is to stay, is in the way until a person decides.
func (r *Reconciler) goneHolder(ctx context.Context, holder user.ID, theirs fitUsers) *trouble {
	if theirs.serving == nil || !r.sawInClerk(holder, &theirs) {
		return emailConflict(holder, "which belongs to nobody any more: no Clerk user, no FitUser")
	}
	if theirs.serving.Spec.DeletionPolicy == v1alpha1.DeletionPolicyRetain {
		return emailConflict(holder, "which is kept after its user by deletionPolicy: Retain")
	}
	if err := r.Enqueue(ctx, holder); err != nil {
		return &trouble{reason: v1alpha1.ReasonRowPending, message: "waiting for another row", err: err}
	}
	err := fmt.Errorf("the row of %s holds the address: its user is gone from Clerk and goes first", holder)
	return &trouble{reason: v1alpha1.ReasonRowPending, message: err.Error(), err: err}
}

func emailConflict(holder user.ID, why string) *trouble {
	return &trouble{
		reason: v1alpha1.ReasonEmailConflict, retryAfter: jitter(slowRetry),
		message: fmt.Sprintf("the e-mail address is held by the row with id %q, %s", holder, why),
	}
}

// behind is t with whose rows are between the user and the one that cannot give way.
func (t trouble) behind(moves []store.Move) *trouble {
	if t.reason != v1alpha1.ReasonEmailConflict {
		return &t
	}
	for _, move := range slices.Backward(moves) {
		t.message = fmt.Sprintf("the e-mail address is held by the row with id %q, whose user has another one that cannot be written: %s", move.ID, t.message)
	}
	return &t
}

// suspended says what is left undone because a person wants nothing to be written for this user.
func suspended(undone string) *trouble {
	return &trouble{
		reason: v1alpha1.ReasonSuspended, stalled: true, undone: undone,
		message: "spec.suspend is true. Without it the operator would " + undone,
	}
}
