package importer

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

const (
	// lookups is how many addresses are looked up at once. The client puts them into shared requests.
	lookups = 100
	// creations is how many users are created at once, so that Clerk's latency does not slow down an import. The client's rate
	// limit applies.
	creations = 8
)

// result is what becomes of a row.
type result struct {
	plan
	// clerkID is the row's user, or the one who is in the way; empty when there is none.
	clerkID user.ID
	// existed is true where an earlier import created the user, created where this one does.
	existed, created bool
	// rekeyed is true when the row gets the Clerk id as its key.
	rekeyed bool
	// code is Clerk's error code beside a reason.
	code string
	// finished is false for a row that the import did not get to.
	finished bool
}

func (r *result) refuse(reason Reason, code string) {
	r.reason, r.code, r.finished = reason, code, true
}

// page imports the rows of one page that are from before Clerk. The report contains what it did also beside an error.
func (r *run) page(ctx context.Context, page []store.LegacyRow) error {
	var results []*result
	for i := range page {
		if isLegacy(&page[i]) {
			results = append(results, &result{plan: r.policy.plan(&page[i], r.survey.copiesOf(&page[i]))})
		}
	}
	err := r.decideAndAct(ctx, results)
	for _, result := range results {
		if result.finished || result.created {
			r.report.add(result)
		}
	}
	return err
}

func (r *run) decideAndAct(ctx context.Context, results []*result) error {
	var candidates []*result
	for _, result := range results {
		if result.reason != "" {
			r.finish(result)
			continue
		}
		candidates = append(candidates, result)
	}
	existing, fresh, err := r.findExisting(ctx, candidates)
	if err != nil {
		return err
	}
	free, err := r.findTaken(ctx, fresh)
	if err != nil {
		return err
	}
	free = r.within(free)
	for _, result := range free {
		if err := r.Export(result.user); err != nil {
			return fmt.Errorf("writing the export: %w", err)
		}
	}
	return r.act(ctx, slices.Concat(existing, free))
}

// findExisting separates the rows whose users an earlier import created from the others.
func (r *run) findExisting(ctx context.Context, candidates []*result) (existing, fresh []*result, err error) {
	ids := make([]string, len(candidates))
	for i, result := range candidates {
		ids[i] = result.user.ExternalID
	}
	found, err := r.findByExternalID(ctx, ids...)
	if err != nil {
		return nil, nil, err
	}
	for _, result := range candidates {
		switch u, exists := found[result.user.ExternalID]; {
		case !exists:
			fresh = append(fresh, result)
		case r.policy.rekeys() && !lists(u, result.user.Email):
			result.clerkID = u.ID
			result.refuse(ExternalIDForeign, "")
			r.finish(result)
		default:
			result.clerkID, result.existed = u.ID, true
			existing = append(existing, result)
		}
	}
	return existing, fresh, nil
}

// within returns the rows up to the limit. The others stay unfinished.
func (r *run) within(free []*result) []*result {
	if r.Limit == 0 {
		return free
	}
	remaining := max(r.Limit-r.report.Created, 0)
	r.report.LimitReached = len(free) > remaining
	return free[:min(len(free), remaining)]
}

// findTaken returns the rows whose addresses no other Clerk user has. It finishes the others.
func (r *run) findTaken(ctx context.Context, fresh []*result) (free []*result, err error) {
	group, inGroup := errgroup.WithContext(ctx)
	group.SetLimit(lookups)
	for _, result := range fresh {
		group.Go(func() (err error) {
			result.clerkID, err = r.holderOf(inGroup, result.user.Email)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for _, result := range fresh {
		if result.clerkID == "" {
			free = append(free, result)
			continue
		}
		result.refuse(AddressTaken, "")
		r.finish(result)
	}
	return free, nil
}

// act creates users and gives rows their keys. Without [Config].Act it only records that it would.
func (r *run) act(ctx context.Context, results []*result) error {
	var group errgroup.Group // without a context of its own: what has begun is finished, so that the report counts it
	group.SetLimit(creations)
	var failed atomic.Bool
	for _, result := range results {
		if failed.Load() {
			break
		}
		if !r.Act {
			result.created, result.rekeyed = !result.existed, r.policy.rekeys()
			r.finish(result)
			continue
		}
		group.Go(func() error {
			err := r.actOne(ctx, result)
			if err != nil {
				failed.Store(true)
			}
			return err
		})
	}
	return group.Wait()
}

// finish marks a row as one that the import is done with.
func (r *run) finish(result *result) {
	result.finished = true
	r.Progress(int(r.done.Add(1)), r.survey.legacy)
}
