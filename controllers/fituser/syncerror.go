package fituser

import (
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/instance"
	"github.com/fitai/fituser-operator/internal/store"
)

// jitterShare spreads delays by a fifth, so that users who wait for the same thing are not retried all at once.
const jitterShare = 0.2

func jittered(delay time.Duration) time.Duration { return wait.Jitter(delay, jitterShare) }

// slowRetry is how often something is retried that only somebody else can repair.
const slowRetry = 5 * time.Minute

// syncError is why a side is not in sync: what a person reads, and when it is retried. It is never modified after it is
// made, because many users may share one.
type syncError struct {
	reason  string
	message string
	// stalled is true when only a person can resolve it.
	stalled bool
	// synced is true when the side is as it should be, for a reason that people want to read.
	synced bool
	// unknown is true when the side's state is not known, as opposed to known to be wrong.
	unknown bool
	// suppressed is the write that spec.suspend keeps back.
	suppressed string
	// conflict is true when somebody else wrote at the same moment, so that an immediate retry may succeed.
	conflict bool

	// cause is retried with backoff, retryAfter after that time. Without either, the next change retries.
	cause      error
	retryAfter time.Duration
}

// Error implements error.
func (e *syncError) Error() string { return e.message }

// Unwrap returns the cause.
func (e *syncError) Unwrap() error { return e.cause }

// asSyncError splits an error of a step: a syncError goes into the status, any other error aborts the reconcile.
func asSyncError(err error) (*syncError, error) {
	if e, ok := errors.AsType[*syncError](err); ok {
		return e, nil
	}
	return nil, err
}

// revocationPending returns e as the reason why role is not revoked. The condition is False rather than Unknown: the role
// is known to be wrong even if Clerk is down, and lastTransitionTime then shows since when.
func (e *syncError) revocationPending(role v1alpha1.Role) *syncError {
	pending := *e
	pending.reason, pending.unknown = v1alpha1.ReasonRevocationPending, false
	pending.message = fmt.Sprintf("%s is to be revoked, but is not yet: %s", role, e.message)
	return &pending
}

// clerkError classifies an error of Clerk or of the instance guard. The message depends only on the kind of failure, so
// that it stays the same while the failure lasts.
func clerkError(err error) *syncError {
	if mismatch, ok := errors.AsType[*instance.MismatchError](err); ok {
		return &syncError{
			reason: v1alpha1.ReasonWrongInstance, unknown: true, stalled: true, retryAfter: jittered(time.Minute), message: mismatch.Error(),
		}
	}
	if errors.Is(err, instance.ErrState) {
		return &syncError{reason: v1alpha1.ReasonWrongInstance, unknown: true, cause: err, message: instance.ErrState.Error()}
	}
	status := ""
	if failure, ok := errors.AsType[*clerk.Error](err); ok && failure.Status != 0 {
		status = fmt.Sprintf(" (status %d %s)", failure.Status, failure.Code)
	}
	switch clerk.KindOf(err) {
	case clerk.Throttled:
		return &syncError{
			reason: v1alpha1.ReasonClerkThrottled, unknown: true,
			message:    "Clerk's rate limit is reached; continuing when Clerk allows it",
			retryAfter: wait.Jitter(max(clerk.RetryAfter(err), time.Second), jitterShare),
		}
	case clerk.Unauthorized:
		return &syncError{
			reason: v1alpha1.ReasonClerkUnauthorized, unknown: true, stalled: true, cause: err,
			message: "Clerk refuses the secret key" + status + ": check CLERK_SECRET_KEY",
		}
	case clerk.Rejected:
		return &syncError{
			reason: v1alpha1.ReasonClerkRejected, stalled: true, retryAfter: jittered(slowRetry),
			message: "Clerk refuses the request" + status,
		}
	default:
		return &syncError{
			reason: v1alpha1.ReasonClerkUnavailable, unknown: true, cause: err,
			message: "no usable answer from Clerk's API" + status + "; retrying",
		}
	}
}

// storeError classifies an error of the table.
func storeError(err error) *syncError {
	var mismatch *store.SchemaError
	switch {
	case errors.Is(err, store.ErrRowInUse):
		return &syncError{
			reason: v1alpha1.ReasonRowInUse, retryAfter: jittered(slowRetry),
			message: "the user is deleted in Clerk, but " + refusalOf(err) + ": remove what keeps the row, or set deletionPolicy to Anonymize or Retain",
		}
	case errors.Is(err, store.ErrTrigger):
		return &syncError{
			reason: v1alpha1.ReasonRowRefused, stalled: true, retryAfter: jittered(slowRetry),
			message: refusalOf(err) + ": correct it in the database, or change the user's values in Clerk",
		}
	case errors.Is(err, store.ErrInvalidData):
		return &syncError{
			reason: v1alpha1.ReasonInvalidData, stalled: true,
			message: "the users table cannot hold what Clerk has: " + err.Error(),
		}
	case errors.As(err, &mismatch):
		return &syncError{
			reason: v1alpha1.ReasonDatabaseMismatch, stalled: true, cause: err,
			message: "the users table is not what the operator needs: " + err.Error(),
		}
	case errors.Is(err, store.ErrForbidden):
		return &syncError{
			reason: v1alpha1.ReasonDatabaseMismatch, stalled: true, cause: err,
			message: err.Error() + ": check the user and the password in DATABASE_URL, and that user's privileges on the table",
		}
	case errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrNotFound):
		return &syncError{
			reason: v1alpha1.ReasonRowPending, unknown: true, conflict: true, cause: err,
			message: "another row was changed at the same moment; retrying",
		}
	default:
		return &syncError{
			reason: v1alpha1.ReasonDatabaseUnavailable, cause: err,
			message: "the row cannot be read or written: " + failureClass(err) + "; retrying",
		}
	}
}

// refusalOf returns the database's refusal without what the operator was doing.
func refusalOf(err error) string {
	if refusal, ok := errors.AsType[*store.Error](err); ok {
		return refusal.Error()
	}
	return err.Error()
}

// failureClass describes the kind of failure in words that stay the same while the failure lasts. The log has the details.
func failureClass(err error) string {
	if refusal, ok := errors.AsType[*store.Error](err); ok {
		return refusal.Class.Error()
	}
	return store.ErrUnavailable.Error()
}
