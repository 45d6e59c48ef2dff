package sweep

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/user"
)

// jitterShare spreads delays by a fifth, so that several operators do not act at the same moment.
const jitterShare = 0.2

// pageTries is how often one page is requested.
const pageTries = 6

// page is a page of Clerk's listing and when it was requested.
type page struct {
	clerk.Page
	requested time.Time
}

// pageResult is a page, or why there is none.
type pageResult struct {
	page page
	err  error
}

// pages yields Clerk's listing to its end or to the first error. The next page is requested while one is compared, so
// that a sweep takes hardly longer than the listing.
func (r *run) pages(ctx context.Context) iter.Seq2[page, error] {
	return func(yield func(page, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		ahead := make(chan pageResult)
		go func() {
			defer close(ahead)
			r.fetchPages(ctx, ahead)
		}()
		defer func() {
			cancel()
			for range ahead { // until fetchPages has returned
			}
		}()
		for next := range ahead {
			if !yield(next.page, next.err) {
				return
			}
		}
	}
}

func (r *run) fetchPages(ctx context.Context, into chan<- pageResult) {
	for after := user.ID(""); ; {
		next, err := r.fetchPage(ctx, after)
		into <- pageResult{next, err}
		if err != nil || next.Entries < clerk.PageSize {
			return
		}
		after = next.Last
	}
}

func (r *run) fetchPage(ctx context.Context, after user.ID) (next page, err error) {
	err = r.withRetry(ctx, func() error {
		next.requested = r.Clock.Now()
		next.Page, err = r.Reconciler.Clerk.List(ctx, after)
		return err
	})
	return next, err
}

func (r *run) count(ctx context.Context) (count int, err error) {
	err = r.withRetry(ctx, func() error {
		count, err = r.Reconciler.Clerk.Count(ctx)
		return err
	})
	return count, err
}

// withRetry makes a request within the sweep's share of the rate limit, and retries it after the delay that Clerk asks
// for, or after an increasing one.
func (r *run) withRetry(ctx context.Context, request func() error) error {
	delay := cmp.Or(r.RetryDelay, time.Second)
	for try := 1; ; try++ {
		if err := r.Pages.Wait(ctx); err != nil {
			return fmt.Errorf("waiting for a share of Clerk's rate limit: %w", err)
		}
		err := request()
		kind := clerk.KindOf(err)
		if err == nil || try == pageTries || kind == clerk.Rejected || kind == clerk.Unauthorized {
			return err
		}
		logr.FromContextOrDiscard(ctx).V(1).Info("Request to Clerk failed, retrying", "error", err.Error())
		select {
		case <-time.After(wait.Jitter(max(delay, clerk.RetryAfter(err)), jitterShare)):
			delay *= 2
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
