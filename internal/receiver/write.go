package receiver

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/user"
)

// fieldOwner names the receiver in the managed fields of an object.
const fieldOwner = client.FieldOwner("fituser-receiver")

// hintWriter writes hints to FitUsers.
type hintWriter struct {
	namespace   string
	writer      client.Writer
	cache, live client.Reader
	timeout     time.Duration // Limits.Try
}

// lookup finds the FitUsers of a user.
type lookup func(context.Context, user.ID) ([]*v1alpha1.FitUser, error)

// write retries until an attempt ends with a terminal result, or ctx ends.
func (w *hintWriter) write(ctx context.Context, id user.ID, pending hints) error {
	var last error
	find := w.cached
	err := retryBackoff().DelayFunc().Until(ctx, true, true, func(ctx context.Context) (bool, error) {
		ctx, cancel := context.WithTimeout(ctx, w.timeout)
		defer cancel()
		last = w.attempt(ctx, find, id, pending)
		find = w.readLive // a refused write may mean that the cache lags behind
		return isTerminal(last), nil
	})
	return cmp.Or(last, err)
}

// attempt writes the hints once: to a FitUser that find returns, else to a new one.
func (w *hintWriter) attempt(ctx context.Context, find lookup, id user.ID, pending hints) error {
	found, err := find(ctx, id)
	if err != nil {
		return fmt.Errorf("looking up the FitUsers of %s: %w", id, err)
	}
	eventType := pending[0].Type
	for _, u := range candidates(id, found, eventType) {
		if err := w.patch(ctx, u, pending); !apierrors.IsNotFound(err) {
			return err
		}
	}
	if eventType == v1alpha1.UserDeleted {
		return w.recordDeletion(ctx, id, pending)
	}
	return w.create(ctx, id, pending)
}

// cached returns the user's FitUsers from the cache. They must not be modified.
func (w *hintWriter) cached(ctx context.Context, id user.ID) ([]*v1alpha1.FitUser, error) {
	return fitusers.Cached(ctx, w.cache, w.namespace, id)
}

// readLive reads the user's FitUsers from the API server.
func (w *hintWriter) readLive(ctx context.Context, id user.ID) ([]*v1alpha1.FitUser, error) {
	return fitusers.Read(ctx, w.cache, w.live, w.namespace, id)
}

// candidates returns the FitUsers that can carry a hint, the active one first.
//
// A terminating FitUser may disappear before the reconciler reads its hint, so it does not count. For user.deleted it
// does: its status is the only record that the user was seen in Clerk.
func candidates(id user.ID, found []*v1alpha1.FitUser, eventType v1alpha1.EventType) []*v1alpha1.FitUser {
	set := fitusers.Select(id, found, nil)
	if eventType != v1alpha1.UserDeleted {
		set.Terminating = nil
	}
	return set.All()
}

// patch merges the pending hints into the hint of u. It returns NotFound when u was deleted, and Conflict when u changed
// since it was read: the merge would be based on an old hint.
func (w *hintWriter) patch(ctx context.Context, u *v1alpha1.FitUser, pending hints) error {
	merged, changed := pending.mergeInto(u.Hint())
	if !changed {
		return duplicate
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"resourceVersion": u.ResourceVersion,
		"annotations":     map[string]string{v1alpha1.AnnotationHint: merged.Encode()},
	}})
	if err != nil {
		return fmt.Errorf("encoding the hint for FitUser %s: %w", u.Name, err)
	}
	target := &v1alpha1.FitUser{}
	target.Namespace, target.Name = w.namespace, u.Name
	err = w.writer.Patch(ctx, target, client.RawPatch(types.MergePatchType, patch), fieldOwner)
	if err != nil {
		return classifyAPIError(fmt.Errorf("patching the hint of FitUser %s: %w", u.Name, err))
	}
	return nil
}

// mergeInto merges the hints, in their order, into the recorded one. changed is false when all of them are recorded
// already.
func (h hints) mergeInto(old v1alpha1.Hint, recorded bool) (merged v1alpha1.Hint, changed bool) {
	merged = old
	for _, next := range h {
		switch {
		case recorded && next.MessageID == old.MessageID:
			continue
		case recorded || changed:
			merged = merged.Merge(next)
		default:
			merged = next
		}
		changed = true
	}
	return merged, changed
}

// create creates the FitUser with the hint on it, in one write. When another replica has just created the FitUser, create
// patches the hint of that one.
func (w *hintWriter) create(ctx context.Context, id user.ID, pending hints) error {
	hint, _ := pending.mergeInto(v1alpha1.Hint{}, false)
	creator := fitusers.Creator{Writer: w.writer, Reader: w.live, Namespace: w.namespace, FieldOwner: fieldOwner}
	u, created, err := creator.Create(ctx, id, &hint)
	switch {
	case errors.Is(err, fitusers.ErrNotInstalled), errors.Is(err, fitusers.ErrNamesTaken):
		return fmt.Errorf("%w: %w", unavailable, err)
	case err != nil:
		return classifyAPIError(err)
	case created:
		return nil
	default:
		return w.patch(ctx, u, pending)
	}
}

// recordDeletion records a user.deleted when the lookup found no FitUser. The operator may have just created one, so
// recordDeletion reads the derived names. Without a FitUser the event is ignored: a row is deleted only when a FitUser's
// status records that the user was seen in Clerk.
func (w *hintWriter) recordDeletion(ctx context.Context, id user.ID, pending hints) error {
	for attempt := range fitusers.MaxNameAttempts {
		u, err := w.get(ctx, fitusers.NameFor(string(id), attempt))
		if err == nil && u.Spec.ClerkUserID != string(id) {
			continue
		}
		if err == nil {
			err = w.patch(ctx, u, pending)
		}
		if apierrors.IsNotFound(err) {
			return ignored
		}
		return err
	}
	return ignored
}

func (w *hintWriter) get(ctx context.Context, name string) (*v1alpha1.FitUser, error) {
	u := &v1alpha1.FitUser{}
	err := w.live.Get(ctx, client.ObjectKey{Namespace: w.namespace, Name: name}, u)
	if err != nil {
		return nil, classifyAPIError(fmt.Errorf("reading FitUser %s: %w", name, err))
	}
	return u, nil
}

// classifyAPIError adds the outcome to the API server's permanent errors, and to Forbidden what a person can do.
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
