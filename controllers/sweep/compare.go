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
	row, hasRow := r.rows[account.ID]
	delete(r.rows, account.ID)
	found, err := r.cachedFitUsers(ctx, account.ID)
	if err != nil {
		return err
	}
	if found.Active == nil {
		r.report.New++
		if !hasRow { // with a row, only the FitUser was deleted
			r.countMissed(found, account, requested, v1alpha1.UserCreated)
		}
		return r.Reconciler.EnqueueSwept(ctx, account.ID)
	}
	equals := func(desired user.Row) bool { return r.fingerprint.Fingerprint(desired) == row }
	if fituser.InSync(found, account, fituser.SweptRow{Exists: hasRow, Equals: equals}, r.Reconciler.Profile) {
		return nil
	}
	r.report.Differing++
	if fituser.AccountDiffers(found.Active, account) {
		r.countMissed(found, account, requested, v1alpha1.UserUpdated)
	}
	return r.Reconciler.EnqueueSwept(ctx, account.ID)
}

func (r *run) cachedFitUsers(ctx context.Context, id user.ID) (fitusers.Set, error) {
	found, err := fitusers.Cached(ctx, r.Cache, r.Reconciler.Namespace, id)
	return fitusers.Select(found), err
}

// findMissing names the users whose FitUser records that they were in Clerk and that a complete listing lacks. Absence
// from a listing proves nothing: the reconciler reads each of them by id. It names no more than may be deleted.
func (r *run) findMissing(ctx context.Context) error {
	if !r.report.Complete {
		return nil
	}
	remaining, err := r.Reconciler.Budget.Remaining(ctx)
	if err != nil {
		return err
	}
	var all v1alpha1.FitUserList
	if err := r.Cache.List(ctx, &all, client.InNamespace(r.Reconciler.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing FitUsers: %w", err)
	}
	for i := range all.Items {
		u := &all.Items[i]
		if r.isListed(u.Spec.ClerkUserID) || !fitusers.EverObserved(u) || fituser.ReadyReason(u) == v1alpha1.ReasonUserNotFound {
			continue
		}
		r.report.Missing++
		if r.report.Missing > remaining {
			r.report.Deferred++
			continue
		}
		if err := r.Reconciler.EnqueueSwept(ctx, user.ID(u.Spec.ClerkUserID)); err != nil {
			return err
		}
	}
	r.Reconciler.Metrics.SetSweepDeferred(r.report.Deferred)
	return r.Reconciler.Budget.SetDeferred(ctx, r.report.Deferred)
}

func (r *run) countOrphanedRows(ctx context.Context) error {
	for id := range r.rows {
		found, err := fitusers.Cached(ctx, r.Cache, r.Reconciler.Namespace, id)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			r.report.OrphanedRows++
		}
	}
	return nil
}
