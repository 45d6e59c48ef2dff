package preview

import (
	"context"
	"slices"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/fitusers"
)

// overlay holds the FitUsers and RoleRules that would differ from those of the cluster: because of manifests that are not
// applied yet, or because of writes that the preview has recorded.
type overlay struct {
	mu sync.RWMutex
	// fitUsers are by name; nil stands for a deleted one. Objects in it are never modified.
	fitUsers map[string]*v1alpha1.FitUser
	// values are the fields and indexes by which FitUsers are found, names are the names that each finds here.
	values map[string]client.IndexerFunc
	names  map[indexed][]string
	// rules replace all RoleRules once replacesRules is true.
	rules         []v1alpha1.RoleRule
	replacesRules bool
}

// indexed is a value of a field or of an index.
type indexed struct{ field, value string }

func newOverlay() *overlay {
	o := &overlay{
		fitUsers: map[string]*v1alpha1.FitUser{}, values: map[string]client.IndexerFunc{}, names: map[indexed][]string{},
	}
	_ = fitusers.AddIndex(context.Background(), o) // IndexField returns no error
	for field, value := range map[string]func(*v1alpha1.FitUser) string{
		v1alpha1.FieldClerkUserID:         func(u *v1alpha1.FitUser) string { return u.Spec.ClerkUserID },
		v1alpha1.FieldEmail:               func(u *v1alpha1.FitUser) string { return u.Spec.Email },
		v1alpha1.FieldObservedClerkUserID: func(u *v1alpha1.FitUser) string { return u.Status.ClerkUserID },
		v1alpha1.FieldObservedRole:        func(u *v1alpha1.FitUser) string { return string(u.Status.Role) },
	} {
		o.values[field] = func(object client.Object) []string {
			if u, ok := object.(*v1alpha1.FitUser); ok {
				return []string{value(u)}
			}
			return nil
		}
	}
	return o
}

// IndexField implements client.FieldIndexer.
func (o *overlay) IndexField(_ context.Context, _ client.Object, field string, values client.IndexerFunc) error {
	o.values[field] = values
	return nil
}

// put makes u the FitUser of its name.
func (o *overlay) put(u *v1alpha1.FitUser) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.remove(u.Name)
	kept := u.DeepCopy()
	o.fitUsers[u.Name] = kept
	for field, values := range o.values {
		for _, value := range values(kept) {
			key := indexed{field, value}
			o.names[key] = append(o.names[key], u.Name)
		}
	}
}

// drop makes the FitUser of a name deleted.
func (o *overlay) drop(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.remove(name)
	o.fitUsers[name] = nil
}

// remove removes a FitUser from the indexes.
func (o *overlay) remove(name string) {
	before := o.fitUsers[name]
	if before == nil {
		return
	}
	for field, values := range o.values {
		for _, value := range values(before) {
			key := indexed{field, value}
			o.names[key] = slices.DeleteFunc(o.names[key], func(n string) bool { return n == name })
		}
	}
}

// overlaid reads the cluster as it would be.
type overlaid struct {
	client.Reader
	overlay *overlay
}

// Get implements client.Reader.
func (r overlaid) Get(ctx context.Context, key client.ObjectKey, into client.Object, options ...client.GetOption) error {
	u, ok := into.(*v1alpha1.FitUser)
	if !ok {
		return r.Reader.Get(ctx, key, into, options...)
	}
	r.overlay.mu.RLock()
	kept, changed := r.overlay.fitUsers[key.Name]
	r.overlay.mu.RUnlock()
	switch {
	case !changed:
		return r.Reader.Get(ctx, key, into, options...)
	case kept == nil:
		return apierrors.NewNotFound(fitusers.Resource(), key.Name)
	}
	kept.DeepCopyInto(u)
	return nil
}

// List implements client.Reader.
func (r overlaid) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	if rules, ok := list.(*v1alpha1.RoleRuleList); ok && r.overlay.replacesRules {
		rules.Items = slices.Clone(r.overlay.rules)
		return nil
	}
	if err := r.Reader.List(ctx, list, options...); err != nil {
		return err
	}
	if found, ok := list.(*v1alpha1.FitUserList); ok {
		var applied client.ListOptions
		applied.ApplyOptions(options)
		r.overlay.addTo(found, applied)
	}
	return nil
}

// addTo replaces in a list what the overlay changes. What it adds comes with the last page; a list from a cache has one page
// and a continue token nevertheless.
func (o *overlay) addTo(list *v1alpha1.FitUserList, options client.ListOptions) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	list.Items = slices.DeleteFunc(list.Items, func(u v1alpha1.FitUser) bool {
		_, changed := o.fitUsers[u.Name]
		return changed
	})
	if options.Limit > 0 && list.Continue != "" {
		return
	}
	for _, name := range o.selected(options) {
		u := o.fitUsers[name]
		if u != nil && (options.LabelSelector == nil || options.LabelSelector.Matches(labelsOf(u))) {
			list.Items = append(list.Items, *u.DeepCopy())
		}
	}
}

// selected returns the names of the FitUsers here that a field selector selects.
func (o *overlay) selected(options client.ListOptions) []string {
	if options.FieldSelector == nil || options.FieldSelector.Empty() {
		names := make([]string, 0, len(o.fitUsers))
		for name := range o.fitUsers {
			names = append(names, name)
		}
		slices.Sort(names)
		return names
	}
	var names []string
	for _, r := range options.FieldSelector.Requirements() {
		names = append(names, o.names[indexed{r.Field, r.Value}]...) // every lookup has one requirement
	}
	return names
}
