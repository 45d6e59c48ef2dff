package fituser

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/user"
)

var (
	errStaleRead = errors.New("the FitUser was read before its latest change")
	errDeleted   = errors.New("the FitUser was deleted after it was read")
)

// observation is what one reconcile read about a user. Steps do not modify it but return a new one; only finish sets the
// statuses of its FitUsers.
type observation struct {
	id  user.ID
	now time.Time
	log logr.Logger
	// policy decides the role.
	policy user.Policy
	// swept is true when the sweep requested the reconcile: differences found now are drift.
	swept bool
	// found are all FitUsers that may be the user's; fitUsers are they, sorted by what Clerk has.
	found    []*v1alpha1.FitUser
	fitUsers fitusers.Set
	hint     v1alpha1.Hint
	// mapping is the one in force before Clerk was read: the account has the fields that it needs.
	mapping *user.Mapping
	// adopted is true when this reconcile has made a row from before Clerk the user's.
	adopted bool
	// account is the user in Clerk; nil when Clerk was not read or has no such user.
	account *user.User
	// deletedInClerk is true when Clerk answered 404 for this very id.
	deletedInClerk bool
	// facts decide the role. currentRole is the role in force now, rolePlan the change that they require.
	facts                 user.RoleFacts
	currentRole, rolePlan user.RolePlan
}

// withFitUsers returns o with the FitUsers that may be the user's.
func (o observation) withFitUsers(found []*v1alpha1.FitUser) observation {
	o.found = found
	o.fitUsers = fitusers.Select(o.id, found, o.account)
	o.hint = o.fitUsers.Hint()
	return o
}

// withAccount returns o with the user in Clerk: which FitUsers are the user's, and the role plan that follows.
func (o observation) withAccount(account *user.User) observation {
	o.account = account
	o.fitUsers = fitusers.Select(o.id, o.found, account)
	o.facts = o.factsOf(account)
	o.currentRole, o.rolePlan = o.policy.Observed(o.facts), o.policy.Plan(o.facts)
	return o
}

// withActive returns o with a FitUser that was just created for the user.
func (o observation) withActive(created *v1alpha1.FitUser) observation {
	o.found = append(slices.Clone(o.found), created)
	return o.withAccount(o.account)
}

// factsOf joins the user as Clerk has them with what the active FitUser desires.
func (o observation) factsOf(account *user.User) user.RoleFacts {
	facts := user.RoleFacts{
		Rule: o.policy.Rules.Match(*account), Current: account.Role, HasMarker: account.HasMarker, Marker: account.Marker,
	}
	active := o.fitUsers.Active
	if active == nil {
		return facts
	}
	facts.TakeOwnership = active.Annotations[v1alpha1.AnnotationTakeOwnership] == "true"
	if active.Spec.Role == "" || o.expired(active) || o.changedHands(active) {
		return facts
	}
	facts.Desired = user.Role(active.Spec.Role)
	if active.Spec.RoleExpiresAt != nil {
		facts.Until = active.Spec.RoleExpiresAt.UTC()
	}
	return facts
}

// observeFitUsers reads the FitUsers that name the user, and what roles are decided by.
func (r *Reconciler) observeFitUsers(ctx context.Context, id user.ID) (observation, error) {
	swept := r.swept.remove(id)
	found, err := fitusers.Read(ctx, r.Client, r.Client, r.Namespace, id)
	if err != nil {
		return observation{}, err
	}
	obs := observation{id: id, now: r.Clock.Now(), log: logf.FromContext(ctx).WithValues("user", id), swept: swept}
	return obs.withFitUsers(found), nil
}

// observeClerk reads the user from Clerk, and the manifests that name the user's addresses. Only Clerk's own 404 for this
// very id means that the user is deleted.
func (r *Reconciler) observeClerk(ctx context.Context, obs observation) (observation, error) {
	if err := r.Instance.Check(ctx); err != nil {
		return obs, err
	}
	obs.mapping = r.Store.Table().Mapping
	account, err := r.Clerk.Get(ctx, obs.id)
	switch {
	case err == nil:
		return r.observeAccount(ctx, obs, &account)
	case clerk.KindOf(err) == clerk.NotFound:
		// The request may have waited, and the key may have changed meanwhile.
		if err := r.Instance.Check(ctx); err != nil {
			return obs, err
		}
		obs.deletedInClerk = true
		return obs, nil
	default:
		return obs, err
	}
}

func (r *Reconciler) observeAccount(ctx context.Context, obs observation, account *user.User) (observation, error) {
	byEmail, err := fitusers.ReadByEmail(ctx, r.Client, r.Client, r.Namespace, account.VerifiedEmails...)
	if err != nil {
		return obs, err
	}
	if obs.policy, err = r.Policy(ctx); err != nil {
		return obs, err
	}
	known := obs.found
	byEmail = slices.DeleteFunc(byEmail, func(u *v1alpha1.FitUser) bool {
		return slices.ContainsFunc(known, func(k *v1alpha1.FitUser) bool { return k.UID == u.UID })
	})
	obs.account = account
	obs = obs.withFitUsers(append(slices.Clone(known), byEmail...))
	return obs.withAccount(account), nil
}

const (
	minLagDelay = 500 * time.Millisecond
	maxLagDelay = 5 * time.Second
)

// readLag returns how long to wait before Clerk is read again, because its answer does not contain its own event yet; 0
// when it does, or when the event is too old to wait any longer.
func (r *Reconciler) readLag(obs observation) time.Duration {
	age := obs.now.Sub(obs.hint.OccurredAt())
	// An event from the future comes from a wrong clock or an attacker: its time is not waited for.
	if !contradicts(obs.hint, obs.account) || age.Abs() >= r.LagTolerance {
		return 0
	}
	return min(max(age, minLagDelay), maxLagDelay, r.LagTolerance-age+time.Millisecond)
}

// contradicts reports whether Clerk's answer (nil: no such user) is older than the event of the hint.
func contradicts(hint v1alpha1.Hint, account *user.User) bool {
	switch hint.Type {
	case v1alpha1.UserDeleted:
		return account != nil && account.UpdatedAt.UnixMilli() <= hint.UserUpdatedAt
	case "":
		return false
	default:
		return account == nil || account.UpdatedAt.UnixMilli() < hint.UserUpdatedAt
	}
}

// verifyLive makes sure, before a row is deleted or a role is changed, that the FitUsers are as the cache has them: the
// cache may lag behind, and a wrong write would stay until somebody notices. The error is a conflict when they differ.
func (r *Reconciler) verifyLive(ctx context.Context, obs observation) error {
	search := fitusers.Search{ID: obs.id}
	if obs.account != nil {
		search.Addresses = obs.account.VerifiedEmails
	}
	for _, u := range obs.found {
		if u.Spec.Email != "" {
			search.Known = append(search.Known, u.Name)
		}
	}
	live, err := fitusers.Live(ctx, r.Live, r.Namespace, search)
	if err != nil {
		return fmt.Errorf("verifying live: %w", err)
	}
	return obs.verify(fitusers.Select(obs.id, live, obs.account).All())
}

// verifyKnownLive is [Reconciler.verifyLive] without the search for further FitUsers, which costs the API server as much as
// there are FitUsers. It serves changes of rules, which concern many users and are made again once a manifest appears.
func (r *Reconciler) verifyKnownLive(ctx context.Context, obs observation) error {
	var live []*v1alpha1.FitUser
	for _, u := range obs.fitUsers.All() {
		latest := &v1alpha1.FitUser{}
		err := r.Live.Get(ctx, client.ObjectKeyFromObject(u), latest)
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("verifying live: %w", err)
		}
		if err == nil {
			live = append(live, latest)
		}
	}
	return obs.verify(live)
}

func (o observation) verify(live []*v1alpha1.FitUser) error {
	if !maps.Equal(revisions(live), revisions(o.fitUsers.All())) {
		return apierrors.NewConflict(fitusers.Resource(), string(o.id), errStaleRead)
	}
	return nil
}

// revision is the part of a FitUser that decides.
type revision struct {
	generation        int64 // increases with the spec, and when the deletion begins
	managedByOperator bool
	// previousUser is who had the address before, permissions are the annotations by which a person allows a role change.
	// Neither changes the generation.
	previousUser string
	permissions  [3]string
	// policy is the deletion policy that a manifest by e-mail has left.
	policy v1alpha1.DeletionPolicy
}

func revisions(found []*v1alpha1.FitUser) map[types.UID]revision {
	all := map[types.UID]revision{}
	for _, u := range found {
		all[u.UID] = revision{u.Generation, u.ManagedByOperator(), u.Status.PreviousClerkUserID, [...]string{
			u.Annotations[v1alpha1.AnnotationTakeOwnership], u.Annotations[v1alpha1.AnnotationRebind],
			u.Annotations[v1alpha1.AnnotationAllowLastAdmin],
		}, u.Status.DeletionPolicy}
	}
	return all
}
