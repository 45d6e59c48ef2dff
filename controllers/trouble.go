package controllers

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/store"
)

// slowRetry is how often something is tried again that only somebody else can put right.
const slowRetry = 5 * time.Minute

// brief is the longest wait that is not worth a status write when a FitUser has a status already: while Clerk throttles
// everybody, a write for each waiting user would make things worse.
const brief = 30 * time.Second

// trouble is why a side is not in agreement: what a person reads, and when to try again. It is never changed once it is
// found, because all users may share one.
type trouble struct {
	reason  string
	message string
	// stalled is true when only a person can put it right.
	stalled bool
	// unsure is true when nothing is known, as opposed to known to be wrong.
	unsure bool
	// undone is what a suspended user is kept from.
	undone string
	// raced is true when somebody else wrote at the same moment, so that a second try at once may find another world.
	raced bool

	// One of these says when to try again: err soon, and ever more rarely; retryAfter then; neither: when something
	// changes.
	err        error
	retryAfter time.Duration
}

// asError is the trouble as an error, for those who do not write it into a status.
func (t *trouble) asError() error {
	if t.err != nil {
		return t.err
	}
	return errors.New(t.message)
}

// clerkTrouble says in a person's words what an error of Clerk's means. The message depends on the kind of failure
// alone, so that it stays the same while the failure does.
func clerkTrouble(err error) *trouble {
	var failure *clerk.Error
	status := ""
	if errors.As(err, &failure) && failure.Status != 0 {
		status = fmt.Sprintf(" (status %d %s)", failure.Status, failure.Code)
	}
	switch clerk.KindOf(err) {
	case clerk.Throttled:
		return &trouble{
			reason: v1alpha1.ReasonClerkThrottled, unsure: true,
			message:    "Clerk's rate limit is reached; going on when Clerk allows it",
			retryAfter: jitter(max(clerk.RetryAfter(err), time.Second)),
		}
	case clerk.Unauthorized:
		return &trouble{
			reason: v1alpha1.ReasonClerkUnauthorized, unsure: true, stalled: true, err: err,
			message: "Clerk refuses the secret key" + status + ": check CLERK_SECRET_KEY",
		}
	case clerk.Rejected:
		return &trouble{
			reason: v1alpha1.ReasonClerkRejected, stalled: true, retryAfter: jitter(slowRetry),
			message: "Clerk refuses the request" + status,
		}
	default:
		return &trouble{
			reason: v1alpha1.ReasonClerkUnavailable, unsure: true, err: err,
			message: "no usable answer from Clerk's API" + status + "; trying again",
		}
	}
}

// storeTrouble says in a person's words what an error of the table means.
func storeTrouble(err error) *trouble {
	var mismatch *store.SchemaError
	switch {
	case errors.Is(err, store.ErrRowInUse):
		return &trouble{
			reason: v1alpha1.ReasonRowInUse, retryAfter: jitter(slowRetry),
			message: "the user is gone from Clerk, but other rows still refer to the user's row: remove those, or set deletionPolicy: Retain",
		}
	case errors.Is(err, store.ErrInvalidData):
		return &trouble{
			reason: v1alpha1.ReasonInvalidData, stalled: true,
			message: "the users table cannot hold what Clerk has: " + err.Error(),
		}
	case errors.As(err, &mismatch):
		return &trouble{
			reason: v1alpha1.ReasonDatabaseMismatch, stalled: true, err: err,
			message: "the users table is not what the operator needs: " + err.Error(),
		}
	case errors.Is(err, store.ErrForbidden):
		return &trouble{
			reason: v1alpha1.ReasonDatabaseMismatch, stalled: true, err: err,
			message: err.Error() + ": check the user and the password in DATABASE_URL, and what that user is granted on the table",
		}
	case errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrNotFound):
		return &trouble{
			reason: v1alpha1.ReasonRowPending, unsure: true, raced: true, err: err,
			message: "another row was changed at the same moment; trying again",
		}
	default:
		return &trouble{
			reason: v1alpha1.ReasonDatabaseUnavailable, err: err,
			message: "the row cannot be read or written: " + kindOfFailure(err) + "; trying again",
		}
	}
}

// kindOfFailure says what kind of failure it is, in words that stay the same while the failure does: the log has the details.
func kindOfFailure(err error) string {
	if refusal, ok := errors.AsType[*store.Error](err); ok {
		return refusal.Class.Error()
	}
	return store.ErrUnavailable.Error()
}

// jitter spreads d by a fifth, so that users who wait for one thing do not come back all at once.
func jitter(d time.Duration) time.Duration {
	return d + time.Duration(rand.Int64N(int64(d)/5+1)) //nolint:gosec // spreading needs no secrecy
}
