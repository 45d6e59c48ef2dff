package fituser

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/user"
)

// expired reports whether the role of a manifest has expired. Once a status records that, it stays so when a clock is set
// back.
func (o observation) expired(u *v1alpha1.FitUser) bool {
	until := u.Spec.RoleExpiresAt
	return until != nil && (!o.now.Before(until.Time) || u.Status.RoleExpiredAt.Equal(until))
}

// revokesExpired reports whether the planned change follows from an expiry, according to the manifest or to the marker: the
// manifest may be deleted by then.
func (o observation) revokesExpired() bool {
	active, until := o.fitUsers.Active, o.facts.Marker.Until
	byManifest := active.Spec.Role != "" && o.expired(active)
	return byManifest || !until.IsZero() && !o.now.Before(until)
}

// dueInterval is how often the FitUsers are searched for a time that has come.
const dueInterval = time.Second

// alarm requests a reconcile of each user at the moment when a role expires or a row is to be deleted. It searches instead of
// setting timers, so that a clock that is set, a restart or another leader changes nothing.
type alarm struct{ *Reconciler }

var _ manager.LeaderElectionRunnable = alarm{}

// NeedLeaderElection is true: only the leader reconciles.
func (alarm) NeedLeaderElection() bool { return true }

// Start runs until ctx is done.
func (a alarm) Start(ctx context.Context) error {
	tick := time.NewTicker(dueInterval)
	defer tick.Stop()
	for since := (time.Time{}); ; {
		next, err := a.EnqueueDue(ctx, since)
		if err != nil {
			a.Log.Error(err, "Searching for expired roles and for rows to delete failed")
		} else {
			since = next
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// EnqueueDue requests a reconcile of the users whose role has expired, or whose row is to be deleted, since a time; the zero
// time includes all. It returns the time up to which it searched.
func (r *Reconciler) EnqueueDue(ctx context.Context, since time.Time) (time.Time, error) {
	now := r.Clock.Now()
	if since.After(now) { // the clock was set back
		since = now
	}
	dated, err := fitusers.Dated(ctx, r.Client, r.Namespace)
	if err != nil {
		return since, err
	}
	came := func(at *metav1.Time) bool { return at != nil && !now.Before(at.Time) && at.After(since) }
	for _, u := range dated {
		expired := came(u.Spec.RoleExpiresAt) && !u.Status.RoleExpiredAt.Equal(u.Spec.RoleExpiresAt) // not recorded yet
		if !expired && !came(u.Status.RowDeletionAt) || u.UserID() == "" {
			continue
		}
		if err := r.Enqueue(ctx, user.ID(u.UserID())); err != nil {
			return since, err
		}
	}
	return now, nil
}
