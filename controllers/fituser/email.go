package fituser

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/wait"

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
func (r *Reconciler) putRow(ctx context.Context, desired user.Row) error {
	err := r.tryPutRow(ctx, desired)
	if conflict, ok := errors.AsType[*syncError](err); ok && conflict.conflict {
		return r.tryPutRow(ctx, desired)
	}
	return err
}

// tryPutRow writes the row. Addresses are unique in the table and move between users in Clerk. When another row still
// holds the address, that user is read too, and both rows change in one transaction. A ring takes as many rounds as it
// has members.
func (r *Reconciler) tryPutRow(ctx context.Context, desired user.Row) error {
	var moves []store.Move
	for {
		err := r.Store.Put(ctx, desired, moves)
		var taken *store.EmailTakenError
		switch {
		case err == nil:
			return nil
		case !errors.As(err, &taken):
			return storeError(err)
		case len(moves) == maxMoves || slices.ContainsFunc(moves, func(m store.Move) bool { return m.ID == taken.Holder }):
			return emailConflict(taken.Holder, "too many users exchange addresses at once")
		}
		move, err := r.moveOf(ctx, taken.Holder)
		if err != nil {
			return explainChain(moves, err)
		}
		moves = append(moves, move)
	}
}

// moveOf returns the move of the row that holds the address, if its user has another address in Clerk now.
func (r *Reconciler) moveOf(ctx context.Context, holder user.ID) (store.Move, error) {
	if _, err := user.ParseID(string(holder)); err != nil {
		return store.Move{}, emailConflict(holder, "which belongs to no Clerk user")
	}
	objects, err := fitusers.Read(ctx, r.Client, r.Client, r.Namespace, holder)
	found := fitusers.Select(holder, objects, nil)
	if err != nil {
		return store.Move{}, &syncError{
			reason: v1alpha1.ReasonEmailConflict, message: "the FitUsers of the address's holder cannot be read", cause: err,
		}
	}
	if found.Active != nil && found.Active.Spec.Suspend {
		return store.Move{}, emailConflict(holder, "whose FitUser is suspended")
	}
	account, err := r.Clerk.Get(ctx, holder)
	switch {
	case err != nil && clerk.KindOf(err) == clerk.NotFound:
		return store.Move{}, r.requeueDeletedHolder(ctx, holder, observation{id: holder, fitUsers: found})
	case err != nil:
		return store.Move{}, clerkError(err)
	case account.Email == "":
		return store.Move{}, emailConflict(holder, "whose Clerk user has no address to put in its place")
	}
	return r.moveTo(ctx, holder, account.Email)
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
		reason: v1alpha1.ReasonEmailConflict, retryAfter: wait.Jitter(slowRetry, jitterShare),
		message: fmt.Sprintf("the e-mail address is held by the row with id %q, %s", holder, why),
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
		named.message = fmt.Sprintf("the e-mail address is held by the row with id %q, whose user has another address that cannot be written: %s", move.ID, named.message)
	}
	return &named
}
