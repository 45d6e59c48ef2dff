package receiver

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/fitusers"
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
		look = r.readLive // a refused write may mean that the cache is behind
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
type lookup func(context.Context, user.ID) ([]*v1alpha1.FitUser, error)

func (r *recorder) try(ctx context.Context, look lookup, id user.ID, all news) error {
	known, err := look(ctx, id)
	if err != nil {
		return fmt.Errorf("looking up the FitUsers of %s: %w", id, err)
	}
	kind := all[0].Type
	for _, u := range candidates(known, kind) {
		if err := r.put(ctx, u, all); !apierrors.IsNotFound(err) {
			return err
		}
	}
	if kind == v1alpha1.UserDeleted {
		return r.putIfMade(ctx, id, all)
	}
	return r.create(ctx, id, all)
}

// cached returns the user's FitUsers from the cache. They must not be modified.
func (r *recorder) cached(ctx context.Context, id user.ID) ([]*v1alpha1.FitUser, error) {
	return fitusers.Cached(ctx, r.cache, r.namespace, id)
}

// readLive reads the user's FitUsers from the API server.
func (r *recorder) readLive(ctx context.Context, id user.ID) ([]*v1alpha1.FitUser, error) {
	return fitusers.Read(ctx, r.cache, r.live, r.namespace, id)
}

func (r *recorder) get(ctx context.Context, name string) (*v1alpha1.FitUser, error) {
	u := &v1alpha1.FitUser{}
	err := r.live.Get(ctx, client.ObjectKey{Namespace: r.namespace, Name: name}, u)
	if err != nil {
		return nil, classifyAPIError(fmt.Errorf("reading FitUser %s: %w", name, err))
	}
	return u, nil
}

// candidates returns the FitUsers that can carry a hint, the active one first.
//
// A terminating FitUser may disappear before the reconciler reads its hint, so it does not count. For user.deleted it
// does: its status is the only record that the user was seen in Clerk.
func candidates(found []*v1alpha1.FitUser, eventType v1alpha1.EventType) []*v1alpha1.FitUser {
	set := fitusers.Select(found)
	if eventType != v1alpha1.UserDeleted {
		set.Terminating = nil
	}
	return set.All()
}

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
	if err != nil {
		return classifyAPIError(fmt.Errorf("patching the hint of FitUser %s: %w", u.Name, err))
	}
	return nil
}

// create creates the FitUser with the hint on it, in one write. Where another replica created it a moment ago, the hint
// goes on that FitUser.
func (r *recorder) create(ctx context.Context, id user.ID, all news) error {
	hint, _ := all.onto(v1alpha1.Hint{}, false)
	creator := fitusers.Creator{Writer: r.writer, Reader: r.live, Namespace: r.namespace, FieldOwner: fieldOwner}
	u, created, err := creator.Create(ctx, id, &hint)
	switch {
	case errors.Is(err, fitusers.ErrNowhere), errors.Is(err, fitusers.ErrNamesTaken):
		return fmt.Errorf("%w: %w", unavailable, err)
	case err != nil:
		return classifyAPIError(err)
	case created:
		return nil
	default:
		return r.put(ctx, u, all)
	}
}

// putIfMade records a user.deleted for which the cache has no object. There may be one that was made a moment ago, under
// the name that the operator gives. If there is none, there is nothing to do: rows are only removed for users that a
// FitUser has seen.
func (r *recorder) putIfMade(ctx context.Context, id user.ID, all news) error {
	for attempt := range fitusers.MaxNameAttempts {
		u, err := r.get(ctx, fitusers.NameFor(string(id), attempt))
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

// classifyAPIError gives the API server's permanent errors their outcome and the next step.
func classifyAPIError(err error) error {
	switch {
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return fmt.Errorf("%w: %w", rejectedByAPI, err)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%w: %w: check the receiver's Role and RoleBinding (kubectl apply -k config/default), and quotas", unavailable, err)
	default:
		return err
	}
}
