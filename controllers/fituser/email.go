package fituser

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// maxMoves is how many other rows may have to give up an address before this one can be written. A longer ring is not an
// exchange of addresses between people.
const maxMoves = 8

// putRow writes the row, once more if somebody else wrote at the same moment: two users who exchange addresses have an
// event each and are often reconciled side by side.
func (r *Reconciler) putRow(ctx context.Context, desired user.Row) (user.Row, error) {
	stored, err := r.tryPutRow(ctx, desired)
	if conflict, ok := errors.AsType[*syncError](err); ok && conflict.conflict {
		return r.tryPutRow(ctx, desired)
	}
	return stored, err
}

// tryPutRow writes the row. Addresses are unique in the table and move between users in Clerk. When another row still
// holds the address, that user is read too, and both rows change in one transaction. A ring takes as many rounds as it
// has members.
func (r *Reconciler) tryPutRow(ctx context.Context, desired user.Row) (user.Row, error) {
	var moves []store.Move
	for {
		stored, err := r.Store.Put(ctx, desired, moves)
		var taken *store.EmailTakenError
		switch {
		case err == nil:
			return stored, nil
		case !errors.As(err, &taken):
			return user.Row{}, storeError(err)
		case len(moves) == maxMoves || slices.ContainsFunc(moves, func(m store.Move) bool { return m.ID == taken.Holder.Key }):
			return user.Row{}, emailConflict(taken.Holder.Key, "too many users exchange addresses at once")
		}
		if taken.Holder.Key == "" {
			return user.Row{}, explainChain(moves, holderOfNobody(taken.Holder, r.Store.Table().Mapping.AdoptRows))
		}
		move, err := r.moveOf(ctx, taken.Holder.Key)
		if err != nil {
			return user.Row{}, explainChain(moves, err)
		}
		moves = append(moves, move)
	}
}

// moveOf returns the move of the row that holds the address, if its user has another address in Clerk now.
func (r *Reconciler) moveOf(ctx context.Context, holder user.ID) (store.Move, error) {
	id, err := r.ownerOfRow(ctx, holder)
	if err != nil {
		return store.Move{}, err
	}
	objects, err := fitusers.Read(ctx, r.Client, r.Client, r.Namespace, id)
	found := fitusers.Select(id, objects, nil)
	if err != nil {
		return store.Move{}, &syncError{
			reason: v1alpha1.ReasonEmailConflict, message: "the FitUsers of the address's holder cannot be read", cause: err,
		}
	}
	if found.Active != nil && found.Active.Spec.Suspend {
		return store.Move{}, emailConflict(holder, "whose FitUser is suspended")
	}
	account, err := r.Clerk.Get(ctx, id)
	switch {
	case err != nil && clerk.KindOf(err) == clerk.NotFound:
		return r.moveOfDeleted(ctx, holder, observation{id: id, found: objects, fitUsers: found})
	case err != nil:
		return store.Move{}, clerkError(err)
	case r.Store.Table().Mapping.KeyOf(account) != holder:
		return store.Move{}, emailConflict(holder, fmt.Sprintf("which the user %s had before Clerk's external_id changed: change its "+
			"address, or delete it", id))
	case account.Email == "" && r.Store.Table().EmailRequired:
		return store.Move{}, emailConflict(holder, "whose Clerk user has no address to put in its place")
	}
	return r.moveTo(ctx, holder, account.Email)
}

// ownerOfRow returns the Clerk id of the user who has the row with this key. The error is a [syncError].
func (r *Reconciler) ownerOfRow(ctx context.Context, key user.ID) (user.ID, error) {
	if r.Store.Table().Mapping.Key.Holds == user.HoldsExternalID {
		// A user whose row was never written is in no status.
		found, err := r.ExternalIDs.FindByExternalID(ctx, []string{string(key)})
		if err != nil {
			return "", clerkError(err)
		}
		if owner, exists := found[string(key)]; exists {
			return owner.ID, nil
		}
		named, err := fitusers.CachedByRowKey(ctx, r.Client, r.Namespace, key)
		if err != nil {
			return "", &syncError{reason: v1alpha1.ReasonEmailConflict, message: "the FitUsers of the address's holder cannot be read", cause: err}
		}
		var owner user.ID
		for _, u := range named {
			if owner == "" || u.Status.Role != "" { // somebody who is in Clerk, of a deleted user and one who was created in their place
				owner = user.ID(u.UserID())
			}
		}
		if owner != "" {
			return owner, nil
		}
	}
	if !isClerkID(key) {
		return "", holderOfNobody(store.Holder{Key: key}, r.Store.Table().Mapping.AdoptRows)
	}
	return key, nil
}

// holderOfNobody reports a row that has somebody's address and that they did not get. It may be another person's: anybody can add
// an address and never verify it.
func holderOfNobody(holder store.Holder, adopt user.AdoptRows) *syncError {
	next := "find out whose it is, then change its address or delete it, or let users have such rows with adoptRows in the mapping file"
	if adopt == user.AdoptVerifiedEmail {
		next = "adoptRows gives it to a user who has verified the address and has no row yet. Find out whose it is before you change or delete it"
	}
	return emailConflict(user.ID(holder.String()), "which belongs to no Clerk user: "+next)
}

func (r *Reconciler) moveTo(ctx context.Context, holder user.ID, email string) (store.Move, error) {
	row, err := r.Store.Get(ctx, holder)
	if err != nil {
		return store.Move{}, storeError(err)
	}
	if row.Email != email { // the index may treat addresses as equal that are not the same
		return store.Move{ID: holder, From: row.Email, To: email}, nil
	}
	conflict := emailConflict(holder, "and that user has it in Clerk, too")
	conflict.conflict, conflict.cause = true, errors.New(conflict.message) // retried soon: one of Clerk's two answers is stale
	return store.Move{}, conflict
}

func emailConflict(holder user.ID, why string) *syncError {
	return &syncError{
		reason: v1alpha1.ReasonEmailConflict, retryAfter: jittered(slowRetry),
		message: fmt.Sprintf("the e-mail address is held by the row with id %q, %s", store.Holder{Key: holder}, why),
	}
}

// explainChain names the rows between the user and the row that blocks the exchange.
func explainChain(moves []store.Move, err error) error {
	blocked, ok := errors.AsType[*syncError](err)
	if !ok || blocked.reason != v1alpha1.ReasonEmailConflict {
		return err
	}
	named := *blocked
	for _, move := range slices.Backward(moves) {
		named.message = fmt.Sprintf("the e-mail address is held by the row with id %q, whose user has another address that cannot be written: %s", store.Holder{Key: move.ID}, named.message)
	}
	return &named
}
