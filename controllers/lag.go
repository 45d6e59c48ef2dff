package controllers

import (
	"time"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

const (
	minLagPause = 500 * time.Millisecond
	maxLagPause = 5 * time.Second
)

// lag is how long to wait before asking Clerk again because its answer does not contain its own event yet; 0 when it
// does, or when the event is too old to wait for any longer.
func (r *Reconciler) lag(k *known) time.Duration {
	age := k.now.Sub(k.hint.OccurredAt())
	// An event from the future is a clock that is wrong, or somebody's joke: nobody waits for its time to come.
	if !contradicts(k.hint, k.clerk) || age.Abs() >= r.LagTolerance {
		return 0
	}
	return min(max(age, minLagPause), maxLagPause, r.LagTolerance-age+time.Millisecond)
}

// contradicts reports whether Clerk's answer (nil: no such user) is older than the event that hint speaks of.
func contradicts(hint v1alpha1.Hint, answer *user.User) bool {
	switch hint.Type {
	case v1alpha1.UserDeleted:
		return answer != nil && answer.UpdatedAt.UnixMilli() <= hint.UserUpdatedAt
	case "":
		return false
	default:
		return answer == nil || answer.UpdatedAt.UnixMilli() < hint.UserUpdatedAt
	}
}
