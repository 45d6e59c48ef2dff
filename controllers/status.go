package controllers

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
)

// report writes the status of the user's FitUsers, each in one patch and only if it differs. Those in except are about
// to be deleted, and those being deleted by somebody else are left alone.
func (r *Reconciler) report(ctx context.Context, k *known, except []*v1alpha1.FitUser) error {
	if k.serving == nil {
		return nil
	}
	if !slices.Contains(except, k.serving) && !k.brieflyThrottled() {
		status := k.status(r.Profile)
		k.lastWord = r.lastWords.of(k.id)
		change := k.rightChange(status)
		if err := r.patchStatus(ctx, k, k.serving, status); err != nil {
			return err
		}
		if k.clerk != nil {
			r.unnoted.Delete(k.id)
		}
		r.lastWords.forget(k.id)
		r.announceRight(ctx, k, change)
	}
	for _, other := range k.others {
		if slices.Contains(except, other) {
			continue
		}
		if err := r.patchStatus(ctx, k, other, k.duplicateStatus(other)); err != nil {
			return err
		}
	}
	return nil
}

// brieflyThrottled is true when the only news is a short wait: see [brief].
func (k *known) brieflyThrottled() bool {
	return k.clerkTrouble != nil && k.clerkTrouble.reason == v1alpha1.ReasonClerkThrottled &&
		k.clerkTrouble.retryAfter <= brief &&
		meta.FindStatusCondition(k.serving.Status.Conditions, v1alpha1.ConditionReady) != nil
}

// statusTries is how often a status is written that others keep from being written.
const statusTries = 3

// patchStatus writes status if it says anything new. The patch holds the resourceVersion, so that it never lands on
// another object of the same name, nor on one whose spec or hint has changed since. A change of anything else, such as
// somebody's label, is no reason to ask Clerk again.
func (r *Reconciler) patchStatus(
	ctx context.Context, k *known, object *v1alpha1.FitUser, status v1alpha1.FitUserStatus,
) error {
	if says(object, status) {
		return nil
	}
	before := object.DeepCopy()
	object.Status = status
	object.Status.ObservedHint = k.hint.MessageID
	object.Status.LastChangeTime = &metav1.Time{Time: k.now}
	write := func() error {
		patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
		return r.Client.Status().Patch(ctx, object, patch)
	}
	err := write()
	for try := 1; try < statusTries && apierrors.IsConflict(err) && r.onlyTouched(ctx, before); try++ {
		object.ResourceVersion = before.ResourceVersion
		err = write()
	}
	if err != nil {
		return fmt.Errorf("writing the status of FitUser %s: %w", object.Name, overtaken(err, object.Name))
	}
	if object == k.serving && before.Status.ObservedGeneration > 0 {
		r.Metrics.foundDrift(k, "fituser", driftStatus)
		r.Metrics.repairedDrift(k, "fituser", driftStatus)
	}
	return nil
}

// onlyTouched reports whether nothing that counts has changed about an object since it was read, and takes over the version
// that it has now.
func (r *Reconciler) onlyTouched(ctx context.Context, object *v1alpha1.FitUser) bool {
	latest := &v1alpha1.FitUser{}
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(object), latest); err != nil {
		return false
	}
	if latest.UID != object.UID || news(object, latest) || !says(latest, object.Status) {
		return false
	}
	object.ResourceVersion = latest.ResourceVersion
	return true
}

// says reports whether a FitUser already says all that status does.
func says(object *v1alpha1.FitUser, status v1alpha1.FitUserStatus) bool {
	return equality.Semantic.DeepEqual(object.Status, status)
}

// status is what the serving FitUser must say. It is a function of what is known and of the status so far, from which it
// keeps what this look has not learnt anew.
func (k *known) status(mode ProfileMode) v1alpha1.FitUserStatus {
	s := *k.serving.Status.DeepCopy()
	s.ObservedGeneration = k.serving.Generation
	switch {
	case k.clerk != nil:
		k.describe(&s, mode)
	case k.gone:
		s.Profile, s.Role, s.RoleSource = nil, "", ""
		s.Clerk = k.memory()
	}
	k.setConditions(&s)
	return s
}

// describe notes what Clerk says. The role in force is what Clerk and the row both hold, so it waits for the row.
func (k *known) describe(s *v1alpha1.FitUserStatus, mode ProfileMode) {
	s.Profile = mode.Profile(k.clerk)
	if k.rowTrouble == nil || k.rowTrouble.reason == v1alpha1.ReasonEmailMissing {
		s.Role, s.RoleSource = v1alpha1.Role(k.role.Role), v1alpha1.RoleSource(k.role.Source)
	}
	s.Clerk = &v1alpha1.AccountState{
		CreatedAt:     &metav1.Time{Time: k.clerk.CreatedAt.Truncate(1e9)},
		Banned:        k.clerk.Banned,
		Locked:        k.clerk.Locked,
		Deprovisioned: k.clerk.Deprovisioned,
		TestUser:      k.clerk.IsTest(),
	}
	if k.clerk.Role != string(s.Role) {
		s.Clerk.Role = truncate(k.clerk.Role, maxRole)
	}
}

// memory is what stays known of an account that is gone: that the operator has seen it, for as long as its row is there.
func (k *known) memory() *v1alpha1.AccountState {
	if !k.retained && k.rowTrouble == nil {
		return nil
	}
	for _, object := range k.all() {
		if object.Status.Clerk != nil && object.Status.Clerk.CreatedAt != nil {
			return &v1alpha1.AccountState{CreatedAt: object.Status.Clerk.CreatedAt}
		}
	}
	return nil
}

// readyReason is the reason of a FitUser's Ready condition; empty when it has none.
func readyReason(object *v1alpha1.FitUser) string {
	ready := meta.FindStatusCondition(object.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil {
		return ""
	}
	return ready.Reason
}
