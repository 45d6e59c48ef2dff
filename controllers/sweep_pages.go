package controllers

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/go-logr/logr"

	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/user"
)

// pageTries bounds how often one page is asked for.
const pageTries = 6

// listed is a page of Clerk's listing, when it was asked for, and what the watch had seen until then.
type listed struct {
	clerk.Page
	asked time.Time
	seen  uint64
}

// pages is Clerk's listing to its end or to the first error. The next page is asked for while one is compared, so that a
// pass takes hardly longer than the listing.
func (p *pass) pages(ctx context.Context) iter.Seq2[listed, error] {
	return func(yield func(listed, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		ahead := make(chan fetched)
		go func() {
			defer close(ahead)
			p.fetch(ctx, ahead)
		}()
		defer func() {
			cancel()
			for range ahead { // until the fetching has ended
			}
		}()
		for next := range ahead {
			if !yield(next.page, next.err) {
				return
			}
		}
	}
}

// fetched is a page, or why there is none.
type fetched struct {
	page listed
	err  error
}

func (p *pass) fetch(ctx context.Context, into chan<- fetched) {
	for after := user.ID(""); ; {
		page, err := p.page(ctx, after)
		into <- fetched{page, err}
		if err != nil || page.Entries < clerk.PageSize {
			return
		}
		after = page.Last
	}
}

// page asks for a page, again if Clerk cannot answer for the moment.
func (p *pass) page(ctx context.Context, after user.ID) (page listed, err error) {
	err = p.patiently(ctx, func() error {
		page.asked, page.seen = p.Clock.Now(), p.Reconciler.newest.Load()
		page.Page, err = p.Reconciler.Clerk.List(ctx, after)
		return err
	})
	return page, err
}

func (p *pass) count(ctx context.Context) (count int, err error) {
	err = p.patiently(ctx, func() error {
		count, err = p.Reconciler.Clerk.Count(ctx)
		return err
	})
	return count, err
}

// patiently makes a request within the share of a pass, and again after as long as Clerk asks, or ever longer.
func (p *pass) patiently(ctx context.Context, request func() error) error {
	pause := cmp.Or(p.Patience, time.Second)
	for try := 1; ; try++ {
		if err := p.Pages.Wait(ctx); err != nil {
			return fmt.Errorf("waiting for a share of Clerk's rate limit: %w", err)
		}
		err := request()
		kind := clerk.KindOf(err)
		if err == nil || try == pageTries || kind == clerk.Rejected || kind == clerk.Unauthorized {
			return err
		}
		logr.FromContextOrDiscard(ctx).V(1).Info("Asking Clerk again", "error", err.Error())
		select {
		case <-time.After(jitter(max(pause, clerk.RetryAfter(err)))):
			pause *= 2
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
