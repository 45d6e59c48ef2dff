package importer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// maxTries bounds the tries of one request while Clerk or the database does not answer.
const maxTries = 5

// actOne creates the user of a row, unless there is one, and then gives the row its key. So nothing in the table changes until
// Clerk has the user. An error ends the import; the next one goes on here.
func (r *run) actOne(ctx context.Context, result *result) error {
	if !result.existed {
		if err := r.create(ctx, result); err != nil || result.reason != "" {
			return err
		}
	}
	if r.policy.rekeys() {
		if err := r.rekey(ctx, result); err != nil {
			return err
		}
	}
	r.finish(result)
	return nil
}

// create creates the user of a row. A refusal finishes the row.
func (r *run) create(ctx context.Context, result *result) error {
	u, err := r.createUser(ctx, result.user)
	if clerk.RefusalOf(err) == clerk.PasswordInvalid {
		result.notes = append(result.notes, PasswordRefused)
		result.user.Digest, result.user.Hasher = "", ""
		u, err = r.createUser(ctx, result.user)
	}
	switch refusal := clerk.RefusalOf(err); {
	case err == nil:
		result.clerkID, result.created = u.ID, true
		return nil
	case refusal == clerk.QuotaExceeded:
		return errQuota
	case refusal != "":
		failure, _ := errors.AsType[*clerk.Error](err)
		result.refuse(reasonOf(refusal), failure.Code)
		r.finish(result)
		return nil
	default:
		return fmt.Errorf("row %s: %w", shown(externalID(&result.row)), err)
	}
}

// createUser creates a user. Where the answer to an earlier request was lost, it returns the user of that request.
func (r *run) createUser(ctx context.Context, wanted clerk.NewUser) (u user.User, err error) {
	err = r.retry(ctx, func() error {
		u, err = r.Clerk.CreateUser(ctx, wanted)
		if !mayExist(err) {
			return err
		}
		if found, failed := r.Clerk.FindByExternalID(ctx, []string{wanted.ExternalID}); failed == nil && found[wanted.ExternalID].ID != "" {
			u = found[wanted.ExternalID]
			return nil
		}
		return err
	})
	return u, err
}

// mayExist reports whether an error leaves open that the wanted user exists.
func mayExist(err error) bool {
	switch clerk.RefusalOf(err) {
	case clerk.EmailTaken, clerk.PhoneTaken, clerk.ExternalIDTaken:
		return true
	default:
		return clerk.KindOf(err) == clerk.Unavailable
	}
}

// rekey gives the row its user's id as the key.
func (r *run) rekey(ctx context.Context, result *result) error {
	err := r.retry(ctx, func() error { return r.Table.Rekey(ctx, result.row.Holder, result.clerkID) })
	if errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrKeyTaken) {
		// The operator may have given the row this key at the same moment.
		if _, missing := r.Table.Get(ctx, result.clerkID); missing == nil {
			err = nil
		}
	}
	switch {
	case err == nil:
		result.rekeyed = true
		return nil
	case errors.Is(err, store.ErrKeyTaken):
		result.reason = KeyTaken
	case errors.Is(err, store.ErrConflict):
		result.reason = RowChanged
	case errors.Is(err, store.ErrRowInUse), errors.Is(err, store.ErrInvalidData):
		result.reason = RowKept
	default:
		return err
	}
	return nil
}

// findByExternalID returns the users who have these external ids.
func (r *run) findByExternalID(ctx context.Context, ids ...string) (found map[string]user.User, err error) {
	err = r.retry(ctx, func() error {
		found, err = r.Clerk.FindByExternalID(ctx, ids)
		return err
	})
	return found, err
}

// holderOf returns the user who has an address as a verified one; empty when nobody has.
func (r *run) holderOf(ctx context.Context, address string) (holder user.ID, err error) {
	err = r.retry(ctx, func() error {
		users, err := r.Clerk.FindByEmail(ctx, address)
		for i := range users {
			if users[i].Holds(address) {
				holder = users[i].ID
			}
		}
		return err
	})
	return holder, err
}

// retry repeats a request while Clerk asks to wait, and for some time while Clerk or the database does not answer.
func (r *run) retry(ctx context.Context, request func() error) error {
	for try := 1; ; try++ {
		err := request()
		delay := time.Second << try
		switch {
		case err == nil || ctx.Err() != nil:
			return err
		case clerk.KindOf(err) == clerk.Throttled:
			delay = max(clerk.RetryAfter(err), time.Second)
			try--
		case !isTemporary(err) || try == maxTries:
			return err
		}
		if stopped := r.Wait(ctx, delay); stopped != nil {
			return err
		}
	}
}

// isTemporary reports whether a retry can succeed. An error of the table has no kind of Clerk's.
func isTemporary(err error) bool {
	if _, isClerk := errors.AsType[*clerk.Error](err); isClerk {
		return clerk.KindOf(err) == clerk.Unavailable
	}
	return errors.Is(err, store.ErrUnavailable)
}
