package fitusers

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

// Keys of the cache's indexes. They are not field paths, because what they hold is normalized.
const (
	// indexUser finds the FitUsers of a Clerk id that have no derived name.
	indexUser = "user"
	// indexEmail finds manifests by the normalized address that they name, or all of them under anyEmail.
	indexEmail = "email"
	anyEmail   = ""
	// indexDated finds, under isDated, FitUsers whose user is reconciled at a certain time.
	indexDated = "dated"
	isDated    = "true"
	// indexRowKey finds the FitUsers whose row has another key than the Clerk id.
	indexRowKey = "rowKey"
	// indexDiffering finds, under isDiffering, FitUsers whose row cannot equal what Clerk has.
	indexDiffering = "differing"
	isDiffering    = "true"
)

// indexes are the indexes of a cache: the values under which each finds a FitUser.
func indexes() map[string]func(*v1alpha1.FitUser) []string {
	return map[string]func(*v1alpha1.FitUser) []string{
		indexUser: func(u *v1alpha1.FitUser) []string {
			if HasDerivedName(u) || u.UserID() == "" {
				return nil
			}
			return []string{u.UserID()}
		},
		indexEmail: func(u *v1alpha1.FitUser) []string {
			if u.Spec.Email == "" {
				return nil
			}
			return []string{user.NormalizeEmail(u.Spec.Email), anyEmail}
		},
		indexDated: func(u *v1alpha1.FitUser) []string {
			if u.Spec.RoleExpiresAt == nil && u.Status.RowDeletionAt == nil {
				return nil
			}
			return []string{isDated}
		},
		indexRowKey: func(u *v1alpha1.FitUser) []string {
			if u.Status.RowKey == "" {
				return nil
			}
			return []string{u.Status.RowKey}
		},
		indexDiffering: func(u *v1alpha1.FitUser) []string {
			ready := meta.FindStatusCondition(u.Status.Conditions, v1alpha1.ConditionReady)
			if u.Status.AlteredColumns == nil && (ready == nil || ready.Reason != v1alpha1.ReasonEmailMissing) {
				return nil
			}
			return []string{isDiffering}
		},
	}
}

// AddIndex adds the cache's indexes. By Clerk id they hold only FitUsers without a derived name: the others are nearly
// all, are found by name, and would make the cache half as large again. Call it before the cache starts.
func AddIndex(ctx context.Context, indexer client.FieldIndexer) error {
	for index, values := range indexes() {
		err := indexer.IndexField(ctx, &v1alpha1.FitUser{}, index, func(object client.Object) []string {
			u, ok := object.(*v1alpha1.FitUser)
			if !ok {
				return nil
			}
			return values(u)
		})
		if err != nil {
			return fmt.Errorf("indexing FitUsers by %s: %w", index, err)
		}
	}
	return nil
}

// Cached returns the FitUsers of a Clerk id as a cache with the indexes of [AddIndex] holds them. They are shared with the
// cache and must not be modified.
func Cached(ctx context.Context, cache client.Reader, namespace string, id user.ID) ([]*v1alpha1.FitUser, error) {
	indexed, err := fromIndex(ctx, cache, namespace, indexUser, string(id))
	if err != nil {
		return nil, err
	}
	derived := &v1alpha1.FitUser{}
	key := client.ObjectKey{Namespace: namespace, Name: NameFor(string(id), 0)}
	err = cache.Get(ctx, key, derived, client.UnsafeDisableDeepCopy)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading FitUser %s: %w", key.Name, err)
	}
	if err == nil && derived.UserID() == string(id) {
		return append(indexed, derived), nil
	}
	return indexed, nil
}

// Read returns the FitUsers of a Clerk id, each read by name from reader. Their names come from the index of cache, which
// may lag behind; a FitUser that has the derived name is found even when the cache does not have it yet.
func Read(ctx context.Context, cache, reader client.Reader, namespace string, id user.ID) ([]*v1alpha1.FitUser, error) {
	indexed, err := fromIndex(ctx, cache, namespace, indexUser, string(id))
	if err != nil {
		return nil, err
	}
	names := append([]string{NameFor(string(id), 0)}, namesOf(indexed)...)
	return readEach(ctx, reader, namespace, names, func(u *v1alpha1.FitUser) bool { return u.UserID() == string(id) })
}

// ReadByEmail returns the manifests that name one of the addresses, each read by name from reader. Their names come from
// the index of cache.
func ReadByEmail(ctx context.Context, cache, reader client.Reader, namespace string, addresses ...string) ([]*v1alpha1.FitUser, error) {
	var names []string
	for _, address := range addresses {
		normalized := user.NormalizeEmail(address)
		if normalized == anyEmail {
			continue
		}
		indexed, err := fromIndex(ctx, cache, namespace, indexEmail, normalized)
		if err != nil {
			return nil, err
		}
		names = append(names, namesOf(indexed)...)
	}
	return readEach(ctx, reader, namespace, names, func(u *v1alpha1.FitUser) bool { return u.Spec.Email != "" })
}

// CachedDiffering returns the FitUsers whose row cannot equal what Clerk has: the user has no address, or the table stores
// other values than it is given. They are shared with the cache.
func CachedDiffering(ctx context.Context, cache client.Reader, namespace string) ([]*v1alpha1.FitUser, error) {
	return fromIndex(ctx, cache, namespace, indexDiffering, isDiffering)
}

// CachedByEmail returns all manifests that name an address, by normalized address. They are shared with the cache.
func CachedByEmail(ctx context.Context, cache client.Reader, namespace string) (map[string][]*v1alpha1.FitUser, error) {
	all, err := fromIndex(ctx, cache, namespace, indexEmail, anyEmail)
	if err != nil {
		return nil, err
	}
	byEmail := make(map[string][]*v1alpha1.FitUser, len(all))
	for _, u := range all {
		address := user.NormalizeEmail(u.Spec.Email)
		byEmail[address] = append(byEmail[address], u)
	}
	return byEmail, nil
}

// Dated returns the FitUsers whose role expires, or whose row is deleted at a certain time. They are shared with the cache.
func Dated(ctx context.Context, cache client.Reader, namespace string) ([]*v1alpha1.FitUser, error) {
	return fromIndex(ctx, cache, namespace, indexDated, isDated)
}

// CachedByRowKey returns the FitUsers whose status names a row by a key that is not the Clerk id. They are shared with the
// cache.
func CachedByRowKey(ctx context.Context, cache client.Reader, namespace string, key user.ID) ([]*v1alpha1.FitUser, error) {
	return fromIndex(ctx, cache, namespace, indexRowKey, string(key))
}

// fromIndex returns what the cache has under a value of an index. The objects are shared with the cache.
func fromIndex(ctx context.Context, cache client.Reader, namespace, index, value string) ([]*v1alpha1.FitUser, error) {
	var list v1alpha1.FitUserList
	err := cache.List(ctx, &list, client.InNamespace(namespace), client.MatchingFields{index: value},
		client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency)
	if err != nil {
		return nil, fmt.Errorf("listing FitUsers by %s: %w", index, err)
	}
	found := make([]*v1alpha1.FitUser, 0, 1+len(list.Items))
	for i := range list.Items {
		found = append(found, &list.Items[i])
	}
	return found, nil
}

func namesOf(found []*v1alpha1.FitUser) []string {
	var names []string
	for _, u := range found {
		names = append(names, u.Name)
	}
	return names
}

// readEach reads FitUsers by name, and keeps those that still belong to what was looked up.
func readEach(
	ctx context.Context, reader client.Reader, namespace string, names []string, keep func(*v1alpha1.FitUser) bool,
) ([]*v1alpha1.FitUser, error) {
	var found []*v1alpha1.FitUser
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		u := &v1alpha1.FitUser{}
		err := reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, u)
		if client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("reading FitUser %s: %w", name, err)
		}
		if err == nil && keep(u) {
			found = append(found, u)
		}
	}
	return found, nil
}

// Search is what [Live] looks for.
type Search struct {
	ID user.ID
	// Addresses are those of the user. An address is found as it is written in lower case. For a user without any, such as
	// one who is deleted in Clerk, the manifests that were reconciled with the user are found.
	Addresses []string
	// Known are the names of further FitUsers, such as a manifest that the cache has with an address in capitals.
	Known []string
}

// Live returns the FitUsers of a user as the API server has them: those that name the id or one of the addresses, and those
// that are known. Each search costs the API server as much as there are FitUsers, some 2 µs each, so there are few.
func Live(ctx context.Context, live client.Reader, namespace string, search Search) ([]*v1alpha1.FitUser, error) {
	id := search.ID
	found, err := readEach(ctx, live, namespace, slices.Clone(search.Known), func(*v1alpha1.FitUser) bool { return true })
	if err != nil {
		return nil, err
	}
	selectors := []client.MatchingFields{{v1alpha1.FieldClerkUserID: string(id)}}
	for _, address := range search.Addresses {
		selectors = append(selectors, client.MatchingFields{v1alpha1.FieldEmail: address})
	}
	if len(search.Addresses) == 0 {
		selectors = append(selectors, client.MatchingFields{v1alpha1.FieldObservedClerkUserID: string(id)})
	}
	for _, selector := range selectors {
		var list v1alpha1.FitUserList
		err := live.List(ctx, &list, client.InNamespace(namespace), selector)
		if apierrors.IsBadRequest(err) {
			continue // an older CustomResourceDefinition has no such field, so no FitUser has it
		}
		if err != nil {
			return nil, fmt.Errorf("listing the FitUsers of %s: %w", id, err)
		}
		for i := range list.Items {
			found = append(found, &list.Items[i])
		}
	}
	return unique(found), nil
}

// unique drops further copies of the same object.
func unique(found []*v1alpha1.FitUser) []*v1alpha1.FitUser {
	slices.SortFunc(found, CompareActive)
	return slices.CompactFunc(found, func(a, b *v1alpha1.FitUser) bool { return a.UID == b.UID })
}

// Count returns how many FitUsers a cache holds; 0 when it cannot be read.
func Count(ctx context.Context, cache client.Reader, namespace string) int {
	var all v1alpha1.FitUserList
	if err := cache.List(ctx, &all, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		return 0
	}
	return len(all.Items)
}
