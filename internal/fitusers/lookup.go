package fitusers

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

// AddIndex adds the cache index by Clerk id. It holds only FitUsers without a derived name: the others are nearly all,
// are found by name, and would make the cache half as large again. Call it before the cache starts.
func AddIndex(ctx context.Context, indexer client.FieldIndexer) error {
	err := indexer.IndexField(ctx, &v1alpha1.FitUser{}, v1alpha1.FieldClerkUserID, func(object client.Object) []string {
		u, ok := object.(*v1alpha1.FitUser)
		if !ok || HasDerivedName(u) {
			return nil
		}
		return []string{u.Spec.ClerkUserID}
	})
	if err != nil {
		return fmt.Errorf("indexing FitUsers by Clerk id: %w", err)
	}
	return nil
}

// Cached returns the FitUsers of a user as a cache with the index of [AddIndex] holds them. They are shared with the
// cache and must not be modified.
func Cached(ctx context.Context, cache client.Reader, namespace string, id user.ID) ([]*v1alpha1.FitUser, error) {
	indexed, err := fromIndex(ctx, cache, namespace, id)
	if err != nil {
		return nil, err
	}
	derived := &v1alpha1.FitUser{}
	key := client.ObjectKey{Namespace: namespace, Name: NameFor(string(id), 0)}
	err = cache.Get(ctx, key, derived, client.UnsafeDisableDeepCopy)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading FitUser %s: %w", key.Name, err)
	}
	if err == nil && derived.Spec.ClerkUserID == string(id) {
		return append(indexed, derived), nil
	}
	return indexed, nil
}

// Read returns the FitUsers of a user, each read by name from reader. Their names come from the index of cache, which
// may lag behind; a FitUser that has the derived name is found even when the cache does not have it yet.
func Read(ctx context.Context, cache, reader client.Reader, namespace string, id user.ID) ([]*v1alpha1.FitUser, error) {
	indexed, err := fromIndex(ctx, cache, namespace, id)
	if err != nil {
		return nil, err
	}
	names := []string{NameFor(string(id), 0)}
	for _, u := range indexed {
		names = append(names, u.Name)
	}
	var found []*v1alpha1.FitUser
	for _, name := range names {
		u := &v1alpha1.FitUser{}
		err := reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, u)
		if client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("reading FitUser %s: %w", name, err)
		}
		if err == nil && u.Spec.ClerkUserID == string(id) {
			found = append(found, u)
		}
	}
	return found, nil
}

// fromIndex returns the user's FitUsers that have no derived name.
func fromIndex(ctx context.Context, cache client.Reader, namespace string, id user.ID) ([]*v1alpha1.FitUser, error) {
	var list v1alpha1.FitUserList
	err := cache.List(ctx, &list, client.InNamespace(namespace), client.MatchingFields{v1alpha1.FieldClerkUserID: string(id)},
		client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency)
	if err != nil {
		return nil, fmt.Errorf("listing the FitUsers of %s: %w", id, err)
	}
	found := make([]*v1alpha1.FitUser, 0, 1+len(list.Items))
	for i := range list.Items {
		if u := &list.Items[i]; !HasDerivedName(u) { // a reader other than a cache knows no index and lists all
			found = append(found, u)
		}
	}
	return found, nil
}

// Live returns the FitUsers of a user as the API server has them.
func Live(ctx context.Context, live client.Reader, namespace string, id user.ID) ([]*v1alpha1.FitUser, error) {
	var list v1alpha1.FitUserList
	err := live.List(ctx, &list, client.InNamespace(namespace), client.MatchingFields{v1alpha1.FieldClerkUserID: string(id)})
	if err != nil {
		return nil, fmt.Errorf("listing the FitUsers of %s: %w", id, err)
	}
	found := make([]*v1alpha1.FitUser, len(list.Items))
	for i := range list.Items {
		found[i] = &list.Items[i]
	}
	return found, nil
}

// Count returns how many FitUsers a cache holds; 0 when it cannot be read.
func Count(ctx context.Context, cache client.Reader, namespace string) int {
	var all v1alpha1.FitUserList
	if err := cache.List(ctx, &all, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		return 0
	}
	return len(all.Items)
}
