package fitusers

import (
	"context"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
)

// Unindexed returns a client that answers the lookups of this package from the API server itself, for a command that asks
// once and needs no cache. A lookup reads all FitUsers of the namespace, page by page.
func Unindexed(live client.Client) client.Client { return unindexed{live} }

type unindexed struct{ client.Client }

// listPage is how many FitUsers one request reads.
const listPage = 500

// List implements client.Reader.
func (c unindexed) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	found, ok := list.(*v1alpha1.FitUserList)
	applied := client.ListOptions{}
	applied.ApplyOptions(options)
	if !ok || applied.FieldSelector == nil {
		return c.Client.List(ctx, list, options...)
	}
	for index, values := range indexes() {
		if value, wanted := applied.FieldSelector.RequiresExactMatch(index); wanted {
			return c.scan(ctx, found, applied.Namespace, func(u *v1alpha1.FitUser) bool { return slices.Contains(values(u), value) })
		}
	}
	return c.Client.List(ctx, list, options...)
}

func (c unindexed) scan(ctx context.Context, into *v1alpha1.FitUserList, namespace string, keep func(*v1alpha1.FitUser) bool) error {
	options := &client.ListOptions{Namespace: namespace, Limit: listPage}
	for {
		var page v1alpha1.FitUserList
		if err := c.Client.List(ctx, &page, options); err != nil {
			return err
		}
		for i := range page.Items {
			if keep(&page.Items[i]) {
				into.Items = append(into.Items, page.Items[i])
			}
		}
		if options.Continue = page.Continue; options.Continue == "" {
			return nil
		}
	}
}
