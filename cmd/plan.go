package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"sync"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/internal/inspect"
)

type planCommand struct {
	All bool `help:"Show all users that would change, not the first fifty."`

	Manifests     string `placeholder:"DIR" help:"Show what would follow if the FitUsers and RoleRules in DIR (with subfolders), or on stdin for -, were applied. Objects of other kinds are ignored."`
	PruneSelector string `placeholder:"KEY=VALUE" help:"With --manifests: live manifests with this label that are missing in DIR count as deleted, as with kubectl apply --prune -l. Default: none do."`
	Offline       bool   `help:"With --manifests: use the statuses of the FitUsers in place of Clerk and the table. Needs neither credentials."`
	Output        string `short:"o" default:"text" enum:"text, markdown, json" help:"Output format: ${enum}; markdown, with --manifests, is a comment for a pull request (default: ${default})."`
}

// Help describes what the flags do not.
func (planCommand) Help() string {
	return "Exit status: 0; 1 for an error, such as manifests that the API server refuses; 2, with --manifests, when something " +
		"would be deferred: by the deletion budget, LastAdmin, AddressChangedHands or OwnedElsewhere. Give the command the flags " +
		"of the operator, such as --max-deletions and --status-profile. It writes nothing."
}

// planUsers is how many users a plan shows without --all.
const planUsers = 50

// errDeferred ends the command with status 2: something would be deferred.
const errDeferred statusError = 2

// Validate implements kong's interface.
func (c planCommand) Validate() error {
	if c.Manifests == "" {
		switch {
		case c.PruneSelector != "":
			return errors.New("--prune-selector needs --manifests")
		case c.Offline:
			return errors.New("--offline needs --manifests")
		case c.Output == "markdown":
			return errors.New("--output=markdown needs --manifests")
		}
	}
	_, err := c.prune()
	return err
}

// prune returns what selects the manifests that count as deleted; nil for none.
func (c planCommand) prune() (labels.Selector, error) {
	if c.PruneSelector == "" {
		return nil, nil //nolint:nilnil // none is selected
	}
	selector, err := labels.Parse(c.PruneSelector)
	if err == nil && selector.Empty() {
		err = errors.New("it selects everything")
	}
	if err != nil {
		return nil, fmt.Errorf("--prune-selector: %w: want a label such as app.kubernetes.io/part-of=people", err)
	}
	return selector, nil
}

// limit is how many lines each part of a text has.
func (c planCommand) limit() int {
	if c.All {
		return math.MaxInt
	}
	return planUsers
}

// Run implements the command.
func (c planCommand) Run(ctx context.Context, in invocation) error {
	if c.Manifests != "" {
		return c.planManifests(ctx, in)
	}
	return in.inspect(func(inspector *inspect.Inspector, access *rest.Config) error {
		return withFitUsers(ctx, inspector, access, func(cache *fitUserCache, cached client.Client) error {
			plan, err := inspector.Plan(ctx, cache, cached)
			if err != nil {
				return err
			}
			format := output{c.Output}
			return format.print(in.stdout, plan, func() error { return plan.Text(in.stdout, c.limit()) })
		})
	})
}

// planManifests reads the manifests first: their faults need no cluster.
func (c planCommand) planManifests(ctx context.Context, in invocation) error {
	manifests, err := inspect.ReadManifests(c.Manifests, os.Stdin, in.Namespace)
	if err != nil {
		return err
	}
	selector, err := c.prune()
	if err != nil {
		return err
	}
	options := inspect.ManifestOptions{Prune: selector, Offline: c.Offline}
	var plan inspect.ManifestPlan
	err = in.inspect(func(inspector *inspect.Inspector, access *rest.Config) error {
		return withFitUsers(ctx, inspector, access, func(cache *fitUserCache, cached client.Client) (err error) {
			plan, err = inspector.PlanManifests(ctx, cache, cached, manifests, options)
			return err
		})
	})
	if err != nil {
		return err
	}
	if err := c.printManifests(in, plan); err != nil {
		return err
	}
	if plan.Deferred() {
		return errDeferred
	}
	return nil
}

func (c planCommand) printManifests(in invocation, plan inspect.ManifestPlan) error {
	if c.Output == "markdown" {
		return plan.Markdown(in.stdout)
	}
	format := output{c.Output}
	return format.print(in.stdout, plan, func() error { return plan.Text(in.stdout, c.limit()) })
}

// withFitUsers reads all FitUsers into a cache, and calls do with it and with a client that reads from it.
func withFitUsers(
	ctx context.Context, inspector *inspect.Inspector, access *rest.Config, do func(*fitUserCache, client.Client) error,
) error {
	fitUsers, err := newFitUserCache(ctx, inspector.Cluster, inspector.Namespace, access)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel()
	watch.Go(func() { _ = fitUsers.Start(ctx) }) // fill returns what is wrong
	if err := fitUsers.fill(ctx, cacheTimeout); err != nil {
		return err
	}
	cached, err := client.New(access, client.Options{
		Scheme: inspector.Cluster.Scheme(), Cache: &client.CacheOptions{Reader: fitUsers},
	})
	if err != nil {
		return fmt.Errorf("creating a client: %w", err)
	}
	return do(fitUsers, cached)
}
