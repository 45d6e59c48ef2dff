package scenes_test

import (
	"cmp"
	"context"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/user"
)

// mirror holds what the API server contains of a scene, to save most requests. It is valid as long as no write has passed
// the connection since it was read: nothing else writes to a scene's namespace.
type mirror struct {
	mu sync.Mutex
	// fitUsers are the FitUsers by name after so many writes to FitUsers. They are shared and must not be modified.
	fitUsers      []*v1alpha1.FitUser
	fitUserWrites int64
	// operatorState is the ConfigMap after so many writes to ConfigMaps, nil where there is none.
	operatorState   *corev1.ConfigMap
	configMapWrites int64
}

// current returns the scene's FitUsers as the API server has them. It lists them only after a write whose result the
// mirror could not take over.
func (s *scene) current() []*v1alpha1.FitUser {
	s.Helper()
	s.mirror.mu.Lock()
	defer s.mirror.mu.Unlock()
	writes := s.writes.fitUsers.Load()
	if s.mirror.fitUserWrites == writes {
		return s.mirror.fitUsers
	}
	var all v1alpha1.FitUserList
	if err := s.api.List(s.ctx, &all, client.InNamespace(s.namespace)); err != nil {
		s.Fatalf("listing the scene's FitUsers: %v", err)
	}
	s.mirror.fitUserWrites, s.mirror.fitUsers = writes, nil
	for i := range all.Items {
		s.mirror.fitUsers = append(s.mirror.fitUsers, &all.Items[i])
	}
	return s.mirror.fitUsers
}

// objects returns copies of the scene's FitUsers.
func (s *scene) objects() []*v1alpha1.FitUser {
	s.Helper()
	var copies []*v1alpha1.FitUser
	for _, u := range s.current() {
		copies = append(copies, u.DeepCopy())
	}
	return copies
}

// objectsOf returns copies of a user's FitUsers.
func (s *scene) objectsOf(id user.ID) []*v1alpha1.FitUser {
	s.Helper()
	return slices.DeleteFunc(s.objects(), func(u *v1alpha1.FitUser) bool { return u.UserID() != string(id) })
}

// mirrored returns a client whose writes of FitUsers update the mirror and whose reads use it.
func (s *scene) mirrored(c client.WithWatch) client.WithWatch {
	return interceptor.NewClient(c, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			switch into := o.(type) {
			case *corev1.ConfigMap:
				return s.operatorState(ctx, key, into)
			case *v1alpha1.FitUser:
				return getFrom(s.current(), key, into)
			default:
				return c.Get(ctx, key, o, opts...)
			}
		},
		List: func(ctx context.Context, c client.WithWatch, o client.ObjectList, opts ...client.ListOption) error {
			if into, ok := o.(*v1alpha1.FitUserList); ok {
				return selectFrom(s.current(), into, opts)
			}
			return c.List(ctx, o, opts...)
		},
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			return s.mirrorWrite(o, func() error { return c.Create(ctx, o, opts...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			return s.mirrorWrite(o, func() error { return c.Patch(ctx, o, p, opts...) })
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			return s.mirrorWrite(o, func() error { return c.SubResource(sub).Patch(ctx, o, p, opts...) })
		},
	})
}

// getFrom reads one of the FitUsers by name.
func getFrom(all []*v1alpha1.FitUser, key client.ObjectKey, into *v1alpha1.FitUser) error {
	for _, u := range all {
		if u.Name == key.Name {
			u.DeepCopyInto(into)
			return nil
		}
	}
	return apierrors.NewNotFound(fitusers.Resource(), key.Name)
}

// selectFrom lists the FitUsers that a field selector selects, as the API server does.
func selectFrom(all []*v1alpha1.FitUser, into *v1alpha1.FitUserList, opts []client.ListOption) error {
	var options client.ListOptions
	options.ApplyOptions(opts)
	if options.LabelSelector != nil {
		return errUnsupported
	}
	for _, u := range all {
		values := fields.Set{
			v1alpha1.FieldClerkUserID: u.Spec.ClerkUserID, v1alpha1.FieldEmail: u.Spec.Email,
			v1alpha1.FieldObservedClerkUserID: u.Status.ClerkUserID, v1alpha1.FieldObservedRole: string(u.Status.Role),
		}
		if options.FieldSelector == nil || options.FieldSelector.Matches(values) {
			into.Items = append(into.Items, *u.DeepCopy())
		}
	}
	return nil
}

// mirrorWrite makes a write and takes over its result, if it is the only write since the mirror was valid. An object that
// is terminating may be deleted by the write.
func (s *scene) mirrorWrite(o client.Object, write func() error) error {
	before := s.writes.fitUsers.Load()
	err := write()
	s.mirror.mu.Lock()
	defer s.mirror.mu.Unlock()
	u, ok := o.(*v1alpha1.FitUser)
	valid := s.mirror.fitUserWrites == before && s.writes.fitUsers.Load() == before+1
	if err != nil || !ok || !valid || u.DeletionTimestamp != nil {
		return err
	}
	next := slices.DeleteFunc(slices.Clone(s.mirror.fitUsers), func(old *v1alpha1.FitUser) bool { return old.UID == u.UID })
	next = append(next, u.DeepCopy())
	slices.SortFunc(next, func(a, b *v1alpha1.FitUser) int { return cmp.Compare(a.Name, b.Name) })
	s.mirror.fitUsers, s.mirror.fitUserWrites = next, before+1
	return nil
}

// operatorState reads a ConfigMap. A scene has one at most.
func (s *scene) operatorState(ctx context.Context, key client.ObjectKey, into *corev1.ConfigMap) error {
	s.mirror.mu.Lock()
	defer s.mirror.mu.Unlock()
	writes := s.writes.configMaps.Load()
	if s.mirror.configMapWrites != writes {
		read := &corev1.ConfigMap{}
		err := s.api.Get(ctx, key, read)
		if client.IgnoreNotFound(err) != nil {
			return err
		}
		if err != nil {
			read = nil
		}
		s.mirror.operatorState, s.mirror.configMapWrites = read, writes
	}
	if s.mirror.operatorState == nil {
		return apierrors.NewNotFound(corev1.Resource("configmaps"), key.Name)
	}
	s.mirror.operatorState.DeepCopyInto(into)
	return nil
}
