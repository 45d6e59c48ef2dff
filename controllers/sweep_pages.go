package controllers

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/go-logr/logr"

	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/user"
)

// pageTries bounds how often one page is asked for.
const pageTries = 6

// page asks for a page, again if Clerk cannot answer for the moment, and tells what the watch had seen before.
func (p *pass) page(ctx context.Context, after user.ID) (page clerk.Page, seen uint64, err error) {
	err = p.patiently(ctx, func() error {
		seen = p.Reconciler.newest.Load()
		page, err = p.Reconciler.Clerk.List(ctx, after)
		return err
	})
	return page, seen, err
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
