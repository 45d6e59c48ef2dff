package receiver

import (
	"context"
	"fmt"
	"net/http"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/fitusers"
)

// NewCluster creates the receiver's client of the API server, with a cache of its own. The cache keeps only the fields of
// the namespace's FitUsers that the receiver reads. NewCluster makes no request. Add the cluster to the manager, which
// fills the cache before it starts the receiver.
func NewCluster(config *rest.Config, scheme *runtime.Scheme, namespace string) (cluster.Cluster, error) {
	c, err := cluster.New(config, func(o *cluster.Options) {
		o.Scheme = scheme
		o.MapperProvider = fitUsersOnly
		o.Cache.ReaderFailOnMissingInformer = true
		o.Cache.ByObject = map[client.Object]cache.ByObject{&v1alpha1.FitUser{}: {
			Namespaces: map[string]cache.Config{namespace: {}},
			Transform:  fitusers.Transform(fitusers.KeepHint, namespace),
		}}
	})
	if err != nil {
		return nil, fmt.Errorf("creating the receiver's API client: %w", err)
	}
	if err := fitusers.AddIndex(context.Background(), c.GetFieldIndexer()); err != nil {
		return nil, err
	}
	return c, nil
}

// fitUsersOnly returns a REST mapper that knows only FitUsers, so that the receiver makes no discovery requests.
func fitUsersOnly(*rest.Config, *http.Client) (meta.RESTMapper, error) {
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(v1alpha1.GroupVersion.WithKind("FitUser"), meta.RESTScopeNamespace)
	mapper.Add(v1alpha1.GroupVersion.WithKind("FitUserList"), meta.RESTScopeNamespace)
	return mapper, nil
}
