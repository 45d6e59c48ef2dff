package sweep

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/state"
	"github.com/fitai/fituser-operator/internal/user"
)

const (
	// pollInterval is how often the operator state is read for a person's annotations.
	pollInterval = 10 * time.Second
	// minRetry is the delay after a sweep that failed.
	minRetry = time.Minute
	// progressInterval is how often a long sweep logs its progress.
	progressInterval = 10 * time.Second
)

// Schedule runs sweeps: at the start, every period, and on request. It runs on the leader, one sweep at a time; the next
// leader starts over a sweep whose leader dies.
type Schedule struct {
	Sweeper *Sweeper
	Period  time.Duration
	Log     logr.Logger
	// Requested starts a sweep before its time; nil for never.
	Requested <-chan struct{}
	// TableChanged starts one when another mapping of the table is in force; nil for never.
	TableChanged <-chan struct{}
}

var _ manager.LeaderElectionRunnable = (*Schedule)(nil)

// NeedLeaderElection is true: two sweeps find no more than one.
func (s *Schedule) NeedLeaderElection() bool { return true }

// Start sweeps until ctx is done.
func (s *Schedule) Start(ctx context.Context) error {
	s.Sweeper.Metrics.period.Set(s.Period.Seconds())
	for {
		delay := wait.Jitter(s.Period-s.Period/10, jitterShare)
		if err := s.sweep(ctx); err != nil {
			delay = min(delay, wait.Jitter(minRetry, jitterShare))
			s.Log.Error(err, "Sweep failed; skipped deletion detection", "next", delay.Round(time.Second).String())
		}
		if !s.wait(ctx, delay) {
			return nil
		}
	}
}

func (s *Schedule) sweep(ctx context.Context) error {
	started, logged := time.Now(), time.Now()
	s.Sweeper.progress = func(r Report) {
		if time.Since(logged) >= progressInterval {
			logged = time.Now()
			s.Log.Info("Sweep in progress", "users", r.Users, "of", r.Expected, "new", r.New, "differing", r.Differing)
		}
	}
	report, err := s.Sweeper.RunOnce(logr.NewContext(ctx, s.Log))
	// A sweep reads everybody and keeps nobody, and at the start the cache was filled. The memory of that is returned now, or
	// the process would stay much larger than what it holds. It takes some milliseconds in each period.
	debug.FreeOSMemory()
	s.Sweeper.Metrics.finished(time.Since(started), report, err)
	if err != nil {
		return err
	}
	s.Log.Info("Sweep finished", "users", report.Users, "complete", report.Complete, "new", report.New,
		"differing", report.Differing, "missing", report.Missing, "deferred", report.Deferred,
		"missedWebhooks", report.MissedWebhooks, "orphanedRows", report.OrphanedRows, "seconds", time.Since(started).Seconds())
	if !report.Complete {
		s.Log.Info("Listing incomplete; skipped deletion detection", "listed", report.Users, "expected", report.Expected)
	}
	return nil
}

// wait waits for the next sweep, or until one is requested or due for deferred users. It returns false when ctx is done.
func (s *Schedule) wait(ctx context.Context, delay time.Duration) bool {
	over := time.NewTimer(delay)
	defer over.Stop()
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-over.C:
			return true
		case <-s.Requested:
			return true
		case <-s.TableChanged:
			return true
		case <-poll.C:
			if s.poll(ctx) {
				return true
			}
		}
	}
}

// poll reads a person's annotations and reports whether a sweep should run now.
func (s *Schedule) poll(ctx context.Context) bool {
	bounded, cancel := context.WithTimeout(ctx, pollInterval)
	defer cancel()
	requested, err := s.sweepRequested(bounded)
	if err != nil {
		s.Log.Error(err, "Reading whether a sweep is requested failed")
	}
	deferred, err := s.Sweeper.RequeueDeferred(ctx)
	if err != nil {
		s.Log.Error(err, "Requeueing deferred users failed")
	}
	return requested || deferred
}

func (s *Schedule) sweepRequested(ctx context.Context) (bool, error) {
	requested := false
	_, err := s.Sweeper.Reconciler.Budget.State.Update(ctx, func(s *state.State) bool {
		requested, s.SweepRequested = s.SweepRequested, false
		return requested
	})
	return requested && err == nil, err
}

// RequeueDeferred requests a reconcile of the users that report DeletionDeferred, if the deletion budget has room again.
// It reports whether a sweep is needed to find the users that the last sweep deferred without naming them.
func (s *Sweeper) RequeueDeferred(ctx context.Context) (sweep bool, err error) {
	bounded, cancel := context.WithTimeout(ctx, pollInterval)
	defer cancel()
	reopened, sweep, err := s.Reconciler.Budget.Reopened(bounded)
	if err != nil || !reopened {
		return false, err
	}
	var all v1alpha1.FitUserList
	if err := s.Cache.List(ctx, &all, client.InNamespace(s.Reconciler.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return false, fmt.Errorf("listing FitUsers: %w", err)
	}
	for i := range all.Items {
		if fituser.ReadyReason(&all.Items[i]) != v1alpha1.ReasonDeletionDeferred {
			continue
		}
		if err := s.Reconciler.EnqueueLow(ctx, user.ID(all.Items[i].UserID())); err != nil {
			return false, err
		}
	}
	return sweep, nil
}
