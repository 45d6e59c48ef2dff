package sweep

import (
	"context"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/user"
)

// compare compares one user in the three places, and names them to the reconciler if they differ.
func (r *run) compare(ctx context.Context, account *user.User, requested time.Time) error {
	key := r.table.Mapping.KeyOf(*account)
	row, hasRow := r.rows[key]
	delete(r.rows, key)
	objects, err := r.cachedFitUsers(ctx, account)
	if err != nil {
		return err
	}
	equals := func(desired user.Row) bool { return r.fingerprint.Fingerprint(&desired) == row }
	compared := r.Reconciler.Compare(r.policy, objects, account, fituser.SweptRow{Table: r.table, Exists: hasRow, Equals: equals, Row: r.kept[key]})
	if compared.Rule != "" {
		r.report.RuleUsers[compared.Rule]++
	}
	found := fitusers.Select(account.ID, objects, account)
	switch {
	case compared.InSync:
		return nil
	case found.Active == nil:
		r.report.New++
		if !hasRow { // with a row, only the FitUser was deleted
			r.countMissed(found, account, requested, v1alpha1.UserCreated)
		}
	default:
		r.report.Differing++
		if fituser.AccountDiffers(found.Active, account) {
			r.countMissed(found, account, requested, v1alpha1.UserUpdated)
		}
	}
	if compared.Deferred && !r.spend() { // it reports that already, and nothing has changed
		return nil
	}
	return r.Reconciler.EnqueueSwept(ctx, account.ID)
}

// spend reports whether the deletion budget has room for one more user, according to what it had when the sweep began.
func (r *run) spend() bool {
	r.remaining--
	return r.remaining >= 0
}

// cachedFitUsers returns the FitUsers that name the user, by id or by an address that the user holds.
func (r *run) cachedFitUsers(ctx context.Context, account *user.User) ([]*v1alpha1.FitUser, error) {
	found, err := fitusers.Cached(ctx, r.Cache, r.Reconciler.Namespace, account.ID)
	if len(r.byEmail) == 0 {
		return found, err
	}
	for _, address := range account.VerifiedEmails {
		for _, u := range r.byEmail[address] {
			if u.UserID() == "" { // the others are among those that name the id
				found = append(found, u)
			}
		}
	}
	return found, err
}

// isWaiting reports whether u is known to be deleted in Clerk, and nothing is to be done about it now.
func (r *run) isWaiting(u *v1alpha1.FitUser) bool {
	if at := u.Status.RowDeletionAt; at != nil && !r.Clock.Now().Before(at.Time) {
		return false // the alarm has named the user; this is in case that it was lost
	}
	return fituser.ReadyReason(u) == v1alpha1.ReasonUserNotFound
}

// findMissing names the users whose FitUser records that they were in Clerk and that a complete listing lacks. Absence
// from a listing proves nothing: the reconciler reads each of them by id. It names no more than may be deleted.
func (r *run) findMissing(ctx context.Context) error {
	if !r.report.Complete {
		return nil
	}
	var all v1alpha1.FitUserList
	if err := r.Cache.List(ctx, &all, client.InNamespace(r.Reconciler.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing FitUsers: %w", err)
	}
	for i := range all.Items {
		u := &all.Items[i]
		if u.UserID() == "" || r.isListed(u.UserID()) || !fitusers.EverObserved(u) || r.isWaiting(u) {
			continue
		}
		r.report.Missing++
		if !r.spend() {
			r.report.Deferred++
			continue
		}
		if err := r.Reconciler.EnqueueSwept(ctx, user.ID(u.UserID())); err != nil {
			return err
		}
	}
	r.Reconciler.Metrics.SetSweepDeferred(r.report.Deferred)
	return r.Reconciler.Budget.SetDeferred(ctx, r.report.Deferred)
}

func (r *run) countOrphanedRows(ctx context.Context) error {
	byExternalID := r.table.Mapping != nil && r.table.Mapping.Key.Holds == user.HoldsExternalID
	for key := range r.rows {
		found, err := fitusers.Cached(ctx, r.Cache, r.Reconciler.Namespace, key)
		if err == nil && len(found) == 0 && byExternalID {
			found, err = fitusers.CachedByRowKey(ctx, r.Cache, r.Reconciler.Namespace, key)
		}
		if err != nil {
			return err
		}
		if len(found) == 0 {
			r.report.OrphanedRows++
		}
	}
	return nil
}
