package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/fitusers"
)

// fitUserCache is a cache of FitUsers that reports why it cannot be filled. A plain cache retries forever in silence.
type fitUserCache struct {
	cache.Cache
	namespace string
	// watchError is the error of the last attempt to list or watch FitUsers.
	watchError atomic.Pointer[error]
}

// cacheTimeout is how long a command waits until all FitUsers are read.
const cacheTimeout = time.Minute

// newFitUserCache lists one FitUser first, so that a missing permission or CRD is reported at once.
func newFitUserCache(ctx context.Context, cluster client.Client, namespace string, access *rest.Config) (*fitUserCache, error) {
	c := &fitUserCache{namespace: namespace}
	one := client.ListOptions{Namespace: namespace, Limit: 1}
	if err := cluster.List(ctx, &v1alpha1.FitUserList{}, &one); err != nil {
		return nil, c.unfilled(err)
	}
	o := fituser.CacheOptions(namespace)
	o.Scheme, o.DefaultWatchErrorHandler = cluster.Scheme(), c.recordWatchError
	var err error
	if c.Cache, err = cache.New(access, o); err != nil {
		return nil, fmt.Errorf("creating a cache of FitUsers: %w", err)
	}
	return c, fitusers.AddIndex(ctx, c)
}

func (c *fitUserCache) recordWatchError(_ context.Context, _ *toolscache.Reflector, err error) {
	c.watchError.Store(&err)
}

// fill waits until the cache holds all FitUsers, for as long as timeout.
func (c *fitUserCache) fill(ctx context.Context, timeout time.Duration) error {
	waiting, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if c.WaitForCacheSync(waiting) {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := c.watchError.Load(); err != nil {
		return c.unfilled(*err)
	}
	return c.unfilled(fmt.Errorf("not done within %s", timeout))
}

func (c *fitUserCache) unfilled(err error) error {
	return fmt.Errorf("reading the FitUsers of namespace %s: %w: a plan needs their CustomResourceDefinition, and permission to list "+
		"and watch them there (kubectl auth can-i list fitusers -n %s)", c.namespace, err, c.namespace)
}
