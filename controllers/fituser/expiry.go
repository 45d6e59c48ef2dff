package fituser

import (
	"context"
	"time"

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

// expiryInterval is how often the manifests are searched for a role that has expired.
const expiryInterval = time.Second

// expirer requests a reconcile of each user at the moment when a role expires. It searches instead of setting timers, so
// that a clock that is set, a restart or another leader changes nothing.
type expirer struct{ *Reconciler }

var _ manager.LeaderElectionRunnable = expirer{}

// NeedLeaderElection is true: only the leader reconciles.
func (expirer) NeedLeaderElection() bool { return true }

// Start runs until ctx is done.
func (e expirer) Start(ctx context.Context) error {
	tick := time.NewTicker(expiryInterval)
	defer tick.Stop()
	for since := (time.Time{}); ; {
		next, err := e.EnqueueExpired(ctx, since)
		if err != nil {
			e.Log.Error(err, "Searching for expired roles failed")
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

// EnqueueExpired requests a reconcile of the users whose role has expired since a time; the zero time includes all. Those
// whose status records the expiry are left out. It returns the time up to which it searched.
func (r *Reconciler) EnqueueExpired(ctx context.Context, since time.Time) (time.Time, error) {
	now := r.Clock.Now()
	if since.After(now) { // the clock was set back
		since = now
	}
	expiring, err := fitusers.Expiring(ctx, r.Client, r.Namespace)
	if err != nil {
		return since, err
	}
	for _, u := range expiring {
		until := u.Spec.RoleExpiresAt
		due := !now.Before(until.Time) && until.After(since) && !u.Status.RoleExpiredAt.Equal(until)
		if !due || u.UserID() == "" {
			continue
		}
		if err := r.Enqueue(ctx, user.ID(u.UserID())); err != nil {
			return since, err
		}
	}
	return now, nil
}
