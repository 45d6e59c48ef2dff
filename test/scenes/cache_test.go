package scenes_test

import (
	"context"
	"errors"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/fitai/fituser-operator/api/v1alpha1"
)

// cache returns the client that a process gets as its cached one. It reads FitUsers from the scene's view if that is set,
// and as they are now otherwise. All other calls go to c.
func (s *scene) cache(c client.WithWatch) client.WithWatch {
	return interceptor.NewClient(c, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			into, ok := o.(*v1alpha1.FitUser)
			if !ok {
				return c.Get(ctx, key, o, opts...)
			}
			return getFrom(s.cached(), key, into)
		},
		List: func(ctx context.Context, c client.WithWatch, o client.ObjectList, opts ...client.ListOption) error {
			if into, ok := o.(*v1alpha1.FitUserList); ok {
				return s.listCached(into, opts)
			}
			return c.List(ctx, o, opts...)
		},
	})
}

func (s *scene) cached() []*v1alpha1.FitUser {
	if s.view != nil {
		return *s.view
	}
	return s.current()
}

var errUnsupported = errors.New("the scene's cache supports no such option")

// listCached lists all FitUsers. They are shared, as lists from the operator's cache are, and must not be modified. The
// indexes of the cache are [fitusers.Unindexed].
func (s *scene) listCached(into *v1alpha1.FitUserList, opts []client.ListOption) error {
	var options client.ListOptions
	options.ApplyOptions(opts)
	if options.LabelSelector != nil || options.FieldSelector != nil {
		return errUnsupported
	}
	for _, u := range s.cached() {
		into.Items = append(into.Items, *u)
	}
	return nil
}
