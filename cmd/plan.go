package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/inspect"
)

type planCommand struct {
	All bool `help:"Show all users that would change, not the first fifty."`
	output
}

// planShows is how many users a plan shows to a person who did not ask for all.
const planShows = 50

func (c planCommand) answer(ctx context.Context, places *inspect.Inspector, config *rest.Config, stdout io.Writer) error {
	v, err := newView(ctx, places, config)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	watching.Go(func() { _ = v.Start(ctx) }) // whoever reads says what is wrong
	if err := v.fill(ctx, patience); err != nil {
		return err
	}
	cached, err := client.New(config, client.Options{Scheme: places.Cluster.Scheme(), Cache: &client.CacheOptions{Reader: v}})
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	plan, err := places.Plan(ctx, v, cached)
	if err != nil {
		return err
	}
	limit := planShows
	if c.All {
		limit = math.MaxInt
	}
	return c.print(stdout, plan, func() error { return plan.Text(stdout, limit) })
}

// view is a cache of FitUsers that says what keeps it from being filled. By itself a cache tries for ever, without a word.
type view struct {
	cache.Cache
	namespace string
	// trouble is why FitUsers could not be listed or watched, when that was tried last.
	trouble atomic.Pointer[error]
}

// patience is how long a person waits for all FitUsers to be read.
const patience = time.Minute

func newView(ctx context.Context, places *inspect.Inspector, config *rest.Config) (*view, error) {
	v := &view{namespace: places.Namespace}
	one := client.ListOptions{Namespace: places.Namespace, Limit: 1}
	if err := places.Cluster.List(ctx, &v1alpha1.FitUserList{}, &one); err != nil { // so that a refusal is told at once
		return nil, v.unfilled(err)
	}
	o := fituser.CacheOptions(places.Namespace)
	o.Scheme, o.DefaultWatchErrorHandler = places.Cluster.Scheme(), v.note
	var err error
	if v.Cache, err = cache.New(config, o); err != nil {
		return nil, fmt.Errorf("making a cache of FitUsers: %w", err)
	}
	return v, fitusers.AddIndex(ctx, v)
}

func (v *view) note(_ context.Context, _ *toolscache.Reflector, err error) { v.trouble.Store(&err) }

// fill waits until the cache is filled.
func (v *view) fill(ctx context.Context, patience time.Duration) error {
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if v.WaitForCacheSync(waiting) {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if trouble := v.trouble.Load(); trouble != nil {
		return v.unfilled(*trouble)
	}
	return v.unfilled(fmt.Errorf("not done within %s", patience))
}

func (v *view) unfilled(err error) error {
	return fmt.Errorf("reading the FitUsers of namespace %s: %w: a plan takes their CustomResourceDefinition, and the right to list "+
		"and watch them there (kubectl auth can-i list fitusers -n %s)", v.namespace, err, v.namespace)
}
