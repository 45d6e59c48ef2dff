package controllers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/user"
)

var (
	errSeenLate = errors.New("the FitUser exists, but was seen too late")
	errGone     = errors.New("the FitUser was there, and is gone")
)

func resource() schema.GroupResource {
	return schema.GroupResource{Group: v1alpha1.GroupVersion.Group, Resource: "fitusers"}
}

// fitUsers are the FitUsers of one user.
type fitUsers struct {
	// serving is the one whose spec counts; nil when there is none.
	serving *v1alpha1.FitUser
	// others are the rest, in the order in which they would serve.
	others []*v1alpha1.FitUser
	// leaving are those being deleted. Their spec counts no more.
	leaving []*v1alpha1.FitUser
}

func (f *fitUsers) all() []*v1alpha1.FitUser {
	all := slices.Concat(f.others, f.leaving)
	if f.serving != nil {
		all = append(all, f.serving)
	}
	return all
}

// seen reports whether any of them says that the operator has seen the user in Clerk: without that no row is removed.
func (f *fitUsers) seen() bool {
	return slices.ContainsFunc(f.all(), func(u *v1alpha1.FitUser) bool {
		return u.Status.Clerk != nil && u.Status.Clerk.CreatedAt != nil
	})
}

// sawInClerk reports whether the operator has seen the user in Clerk. The status says so; between the row and the status it
// is only remembered, as that write may be refused: the user may be leaving at that moment.
func (r *Reconciler) sawInClerk(id user.ID, f *fitUsers) bool {
	_, unnoted := r.unnoted.Load(id)
	return unnoted || f.seen()
}

// choose says which of a user's FitUsers serves.
func choose(objects []*v1alpha1.FitUser) fitUsers {
	var f fitUsers
	for _, object := range objects {
		if object.DeletionTimestamp.IsZero() {
			f.others = append(f.others, object)
		} else {
			f.leaving = append(f.leaving, object)
		}
	}
	slices.SortFunc(f.others, fitusers.CompareActive)
	if len(f.others) > 0 {
		f.serving, f.others = f.others[0], f.others[1:]
	}
	return f
}

// Serving says which of a user's FitUsers serves, nil if none does, and which are the others.
func Serving(objects []*v1alpha1.FitUser) (serving *v1alpha1.FitUser, others []*v1alpha1.FitUser) {
	f := choose(objects)
	return f.serving, slices.Concat(f.others, f.leaving)
}

// findFitUsers reads the FitUsers of k.id and the newest hint on any of them.
func (r *Reconciler) findFitUsers(ctx context.Context, k *known) error {
	objects, err := r.fitUsersOf(ctx, k.id)
	if err != nil {
		return err
	}
	k.fitUsers = choose(objects)
	for _, object := range k.all() {
		if hint, ok := object.Hint(); ok {
			k.hint = k.hint.Merge(hint)
		}
	}
	return nil
}

// fitUsersOf reads the FitUsers of a user. The index lacks the one with the name that we would give, and may lag behind our own
// writes; reading each object by name does not.
func (r *Reconciler) fitUsersOf(ctx context.Context, id user.ID) ([]*v1alpha1.FitUser, error) {
	var indexed v1alpha1.FitUserList
	err := r.Client.List(ctx, &indexed, client.InNamespace(r.Namespace), client.MatchingFields{v1alpha1.FieldClerkUserID: string(id)},
		client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency)
	if err != nil {
		return nil, fmt.Errorf("listing the FitUsers of %s: %w", id, err)
	}
	names := []string{fitusers.NameFor(string(id), 0)}
	for i := range indexed.Items {
		if name := indexed.Items[i].Name; name != names[0] {
			names = append(names, name)
		}
	}
	var objects []*v1alpha1.FitUser
	for _, name := range names {
		object := &v1alpha1.FitUser{}
		err := r.Client.Get(ctx, client.ObjectKey{Namespace: r.Namespace, Name: name}, object)
		if client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("reading FitUser %s: %w", name, err)
		}
		if err == nil && object.Spec.ClerkUserID == string(id) {
			objects = append(objects, object)
		}
	}
	return objects, nil
}

// confirm makes sure, before a row or a right goes or a right is given, that the FitUsers of k.id are as the cache showed
// them: it may be behind, and what was done on an old view could be put right only after somebody has noticed. The error
// is a conflict when they are not.
func (r *Reconciler) confirm(ctx context.Context, k *known) error {
	var live v1alpha1.FitUserList
	err := r.Live.List(ctx, &live, client.InNamespace(r.Namespace), client.MatchingFields{v1alpha1.FieldClerkUserID: string(k.id)})
	if err != nil {
		return fmt.Errorf("making sure of the FitUsers of %s: %w", k.id, err)
	}
	wishes := map[types.UID]wish{}
	for i := range live.Items {
		wishes[live.Items[i].UID] = wishOf(&live.Items[i])
	}
	shown := map[types.UID]wish{}
	for _, object := range k.all() {
		shown[object.UID] = wishOf(object)
	}
	if !maps.Equal(shown, wishes) {
		return apierrors.NewConflict(resource(), string(k.id), errSeenLate)
	}
	return nil
}

// wish is what of a FitUser decides what is done.
type wish struct {
	generation     int64 // counts changes of the spec, and the beginning of the deletion
	madeByOperator bool
}

func wishOf(object *v1alpha1.FitUser) wish {
	return wish{object.Generation, object.ManagedByOperator()}
}

// expendable are the operator's own FitUsers that nobody needs: those that do not serve, and the one that does once its
// user is gone from Clerk and the row is settled. What a person made is never among them, and nothing is while Clerk was
// not heard. The word that the user was ever seen stays as long as the row: whoever serves has noted it before the others go.
func (k *known) expendable() []*v1alpha1.FitUser {
	var candidates []*v1alpha1.FitUser
	switch {
	case k.gone && k.rowTrouble == nil:
		candidates = append([]*v1alpha1.FitUser{k.serving}, k.others...)
	case k.gone, k.clerk != nil:
		candidates = k.others
	}
	return slices.DeleteFunc(slices.Clone(candidates), func(u *v1alpha1.FitUser) bool { return !u.ManagedByOperator() })
}

// deleteFitUser deletes exactly the object that was looked at: if anything about it has changed since, the API server
// answers with a conflict.
func (r *Reconciler) deleteFitUser(ctx context.Context, k *known, object *v1alpha1.FitUser) error {
	r.deleted.Store(object.UID, true)
	err := r.Client.Delete(ctx, object, client.Preconditions{UID: &object.UID, ResourceVersion: &object.ResourceVersion})
	if err != nil {
		r.deleted.Delete(object.UID)
	}
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting FitUser %s: %w", object.Name, err)
	}
	k.log.Info("FitUser deleted", "name", object.Name)
	return nil
}
