package receiver

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

// fieldOwner marks what the receiver wrote in an object's managed fields.
const fieldOwner = client.FieldOwner("fituser-receiver")

// recorder puts hints on FitUsers.
type recorder struct {
	namespace   string
	writer      client.Writer
	cache, live client.Reader
	limits      Limits
	gatherer    *gatherer
}

// record puts hint on the FitUser of the user. The error is nil, or duplicate or ignored, when the event is safe; it
// has another outcome otherwise. Whatever may pass is tried again, within the limit: of two 503s in a row Svix makes
// five minutes.
func (r *recorder) record(ctx context.Context, id user.ID, hint v1alpha1.Hint) error {
	budget, cancel := context.WithTimeout(ctx, r.limits.Record)
	defer cancel()
	err := r.gatherer.write(budget, id, hint, func(all news) error { return r.persist(budget, id, all) })
	switch {
	case settled(err):
		return err
	case ctx.Err() != nil:
		return abandoned
	default:
		return fmt.Errorf("%w within %s: %w", unavailable, r.limits.Record, err)
	}
}

// persist tries until the API server has taken what is new, or ctx ends.
func (r *recorder) persist(ctx context.Context, id user.ID, all news) error {
	var last error
	look := r.cached
	err := betweenTries().DelayFunc().Until(ctx, true, true, func(ctx context.Context) (bool, error) {
		ctx, cancel := context.WithTimeout(ctx, r.limits.Try)
		defer cancel()
		last = r.try(ctx, look, id, all)
		look = r.reread // a refused write may mean that the cache is behind
		return settled(last), nil
	})
	return cmp.Or(last, err)
}

// settled reports whether another try would end no differently. Errors of the API server are settled where they have an
// outcome; the rest is taken for trouble that passes: timeouts, refused connections, 429, 5xx, conflicts.
func settled(err error) bool {
	var o outcome
	return err == nil || errors.As(err, &o)
}

// lookup finds the FitUsers of a user.
type lookup func(context.Context, user.ID) ([]v1alpha1.FitUser, error)

func (r *recorder) try(ctx context.Context, look lookup, id user.ID, all news) error {
	known, err := look(ctx, id)
	if err != nil {
		return fmt.Errorf("looking up the FitUsers of %s: %w", id, err)
	}
	kind := all[0].Type
	for _, u := range candidates(known, kind) {
		if err := r.put(ctx, &u, all); !apierrors.IsNotFound(err) {
			return err
		}
	}
	if kind == v1alpha1.UserDeleted {
		return r.putIfMade(ctx, id, all)
	}
	return r.create(ctx, id, all)
}

// cached looks into the cache: for an object under the name that the operator gives, and for those under other names,
// which alone are in the index. Nobody may write to what it returns.
func (r *recorder) cached(ctx context.Context, id user.ID) ([]v1alpha1.FitUser, error) {
	var list v1alpha1.FitUserList
	err := r.cache.List(ctx, &list, client.InNamespace(r.namespace),
		client.MatchingFields{v1alpha1.FieldClerkUserID: string(id)}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, err
	}
	var u v1alpha1.FitUser
	name := client.ObjectKey{Namespace: r.namespace, Name: v1alpha1.NameFor(string(id), 0)}
	err = r.cache.Get(ctx, name, &u, client.UnsafeDisableDeepCopy)
	if err == nil && u.Spec.ClerkUserID == string(id) {
		list.Items = append(list.Items, u)
	}
	return list.Items, client.IgnoreNotFound(err)
}

// reread asks the API server for what the cache has.
func (r *recorder) reread(ctx context.Context, id user.ID) ([]v1alpha1.FitUser, error) {
	known, err := r.cached(ctx, id)
	if err != nil {
		return nil, err
	}
	var fresh []v1alpha1.FitUser
	for _, old := range known {
		u, err := r.get(ctx, old.Name)
		if client.IgnoreNotFound(err) != nil {
			return nil, err
		}
		if err == nil && u.Spec.ClerkUserID == string(id) {
			fresh = append(fresh, *u)
		}
	}
	return fresh, nil
}

func (r *recorder) get(ctx context.Context, name string) (*v1alpha1.FitUser, error) {
	u := &v1alpha1.FitUser{}
	err := r.live.Get(ctx, client.ObjectKey{Namespace: r.namespace, Name: name}, u)
	return u, explain(err, "reading FitUser", name)
}

// candidates are the objects that can carry a hint, the one that serves first.
//
// An object that is being deleted may be gone before anybody reads its hint, so it counts as gone already. Not for
// user.deleted: the reconciler acts on what it has seen of the user, and that is known there and nowhere else.
func candidates(users []v1alpha1.FitUser, kind v1alpha1.EventType) []v1alpha1.FitUser {
	if kind != v1alpha1.UserDeleted {
		users = slices.DeleteFunc(users, terminating)
	}
	slices.SortFunc(users, func(a, b v1alpha1.FitUser) int {
		return cmp.Or(
			v1alpha1.FalseFirst(terminating(a), terminating(b)),
			v1alpha1.CompareServing(&a, &b),
		)
	})
	return users
}

func terminating(u v1alpha1.FitUser) bool { return !u.DeletionTimestamp.IsZero() }

// put records what is new on u, merged into the hint that u has. It is not found where u has gone, and a conflict where u has
// changed since it was read: the merge would be of an old hint.
func (r *recorder) put(ctx context.Context, u *v1alpha1.FitUser, all news) error {
	hint, fresh := all.onto(u.Hint())
	if !fresh {
		return duplicate
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"resourceVersion": u.ResourceVersion,
		"annotations":     map[string]string{v1alpha1.AnnotationHint: hint.Encode()},
	}})
	if err != nil {
		return fmt.Errorf("encoding the hint for FitUser %s: %w", u.Name, err)
	}
	target := &v1alpha1.FitUser{}
	target.Namespace, target.Name = r.namespace, u.Name
	err = r.writer.Patch(ctx, target, client.RawPatch(types.MergePatchType, patch), fieldOwner)
	return explain(err, "patching the hint of FitUser", u.Name)
}

// create makes the FitUser with the hint on it, in one write. Where the name is taken already, by another replica that
// took the same event a moment ago, the hint goes on that object; where another user's object has the name, or one that
// is being deleted, the next name is tried.
func (r *recorder) create(ctx context.Context, id user.ID, all news) error {
	hint, _ := all.onto(v1alpha1.Hint{}, false)
	for attempt := range v1alpha1.MaxNameAttempts {
		u := v1alpha1.NewFitUser(r.namespace, string(id), attempt)
		u.Annotations[v1alpha1.AnnotationHint] = hint.Encode()
		err := r.writer.Create(ctx, u, fieldOwner)
		if apierrors.IsNotFound(err) {
			return fmt.Errorf("%w: creating FitUser %s: %w: is the namespace there, and the FitUser CRD installed (kubectl apply -k config/default)?", unavailable, u.Name, err)
		}
		if !apierrors.IsAlreadyExists(err) {
			return explain(err, "creating FitUser", u.Name)
		}
		holder, err := r.get(ctx, u.Name)
		if err != nil {
			return err
		}
		if holder.Spec.ClerkUserID == string(id) && !terminating(*holder) {
			return r.put(ctx, holder, all)
		}
	}
	return fmt.Errorf("%w: other FitUsers have all %d names that the one for %s could get", unavailable, v1alpha1.MaxNameAttempts, id)
}

// putIfMade records a user.deleted for which the cache has no object. There may be one that was made a moment ago, under
// the name that the operator gives. If there is none, there is nothing to do: rows are only removed for users that a
// FitUser has seen.
func (r *recorder) putIfMade(ctx context.Context, id user.ID, all news) error {
	for attempt := range v1alpha1.MaxNameAttempts {
		u, err := r.get(ctx, v1alpha1.NameFor(string(id), attempt))
		if err == nil && u.Spec.ClerkUserID != string(id) {
			continue
		}
		if err == nil {
			err = r.put(ctx, u, all)
		}
		if apierrors.IsNotFound(err) {
			return ignored
		}
		return err
	}
	return ignored
}

// explain gives the API server's errors that do not pass by themselves their outcome, and the next step.
func explain(err error, doing, name string) error {
	switch {
	case err == nil:
		return nil
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return fmt.Errorf("%w: %s %s: %w", rejectedByAPI, doing, name, err)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%w: %s %s: %w: check the receiver's Role and RoleBinding (kubectl apply -k config/default), and quotas", unavailable, doing, name, err)
	default:
		return fmt.Errorf("%s %s: %w", doing, name, err)
	}
}
