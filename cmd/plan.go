package main

import (
	"context"
	"fmt"
	"math"
	"sync"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/internal/inspect"
)

type planCommand struct {
	All bool `help:"Show all users that would change, not the first fifty."`
	output
}

// planUsers is how many users a plan shows without --all.
const planUsers = 50

// Run implements the command.
func (c planCommand) Run(ctx context.Context, in invocation) error {
	return in.inspect(func(inspector *inspect.Places, access *rest.Config) error {
		plan, err := makePlan(ctx, inspector, access)
		if err != nil {
			return err
		}
		limit := planUsers
		if c.All {
			limit = math.MaxInt
		}
		return c.print(in.stdout, plan, func() error { return plan.Text(in.stdout, limit) })
	})
}

// makePlan reads all FitUsers into a cache, and computes the plan from it.
func makePlan(ctx context.Context, inspector *inspect.Places, access *rest.Config) (inspect.Plan, error) {
	fitUsers, err := newFitUserCache(ctx, inspector.Cluster, inspector.Namespace, access)
	if err != nil {
		return inspect.Plan{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel()
	watch.Go(func() { _ = fitUsers.Start(ctx) }) // fill returns what is wrong
	if err := fitUsers.fill(ctx, cacheTimeout); err != nil {
		return inspect.Plan{}, err
	}
	cached, err := client.New(access, client.Options{
		Scheme: inspector.Cluster.Scheme(), Cache: &client.CacheOptions{Reader: fitUsers},
	})
	if err != nil {
		return inspect.Plan{}, fmt.Errorf("creating a client: %w", err)
	}
	return inspector.Plan(ctx, fitUsers, cached)
}
