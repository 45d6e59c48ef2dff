package receiver

import (
	"context"
	"fmt"
	"net/http"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"

	"github.com/fitai/fituser-operator/api/v1alpha1"
)

// NewCluster makes the receiver's view of the API server: a client, and a cache of its own that holds of each FitUser in
// namespace only what the receiver looks at. It makes no request; add it to the manager, which fills the cache before
// it starts the receiver.
func NewCluster(config *rest.Config, scheme *runtime.Scheme, namespace string) (cluster.Cluster, error) {
	c, err := cluster.New(config, func(o *cluster.Options) {
		o.Scheme = scheme
		o.MapperProvider = fitUsersOnly
		o.Cache.ReaderFailOnMissingInformer = true
		o.Cache.ByObject = map[client.Object]cache.ByObject{&v1alpha1.FitUser{}: {
			Namespaces: map[string]cache.Config{namespace: {}},
			Transform:  stripIn(namespace),
		}}
	})
	if err != nil {
		return nil, fmt.Errorf("making the receiver's API client: %w", err)
	}
	err = c.GetFieldIndexer().IndexField(context.Background(), &v1alpha1.FitUser{}, v1alpha1.FieldClerkUserID, clerkUserID)
	if err != nil {
		return nil, fmt.Errorf("indexing FitUsers by Clerk id: %w", err)
	}
	return c, nil
}

// fitUsersOnly is a REST mapper that knows what the receiver works with, so that it needs no discovery requests.
func fitUsersOnly(*rest.Config, *http.Client) (meta.RESTMapper, error) {
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(v1alpha1.GroupVersion.WithKind("FitUser"), meta.RESTScopeNamespace)
	mapper.Add(v1alpha1.GroupVersion.WithKind("FitUserList"), meta.RESTScopeNamespace)
	return mapper, nil
}

// stripIn keeps of a FitUser in namespace what the receiver looks at. With 10⁵ users the rest would be most of the
// process's memory, and a process that faces the internet had better not hold names and addresses.
func stripIn(namespace string) toolscache.TransformFunc {
	return func(object any) (any, error) {
		full, ok := object.(*v1alpha1.FitUser)
		if !ok {
			return object, nil // a tombstone: what is in it went through here before
		}
		kept := &v1alpha1.FitUser{ObjectMeta: metav1.ObjectMeta{
			Name:              full.Name,
			Namespace:         namespace, // one string for all
			UID:               full.UID,
			ResourceVersion:   full.ResourceVersion,
			CreationTimestamp: full.CreationTimestamp,
			DeletionTimestamp: full.DeletionTimestamp,
			Annotations:       keptAnnotations(full),
		}}
		kept.Spec.ClerkUserID = full.Spec.ClerkUserID
		return kept, nil
	}
}

func keptAnnotations(u *v1alpha1.FitUser) map[string]string {
	kept := map[string]string{}
	if u.MadeByOperator() { // asked here, because the answer also depends on fields that are dropped
		kept[v1alpha1.AnnotationMadeBy] = v1alpha1.MadeByOperator
	}
	if hint, ok := u.Annotations[v1alpha1.AnnotationHint]; ok {
		kept[v1alpha1.AnnotationHint] = hint
	}
	return kept
}

func clerkUserID(object client.Object) []string {
	u, ok := object.(*v1alpha1.FitUser)
	if !ok || v1alpha1.HasUsualName(u) {
		return nil
	}
	return []string{u.Spec.ClerkUserID}
}
