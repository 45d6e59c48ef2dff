package controllers

import (
	"context"
	"runtime/debug"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// AnnotationSweep on the ConfigMap, set to any value by a person, asks for a sweep now. It is removed when one starts.
const AnnotationSweep = "identity.fitai.dev/sweep"

const (
	// attention is how often the ConfigMap is looked at for a person's word.
	attention = 10 * time.Second
	// minRetry is the pause after a pass that failed.
	minRetry = time.Minute
	// progressEvery is how often a long pass says how far it is.
	progressEvery = 10 * time.Second
)

// Schedule runs the sweep: at the start, every period, and when a person asks. It runs on the leader only, one pass at a
// time; a pass whose leader dies is begun anew by the next.
type Schedule struct {
	Sweeper   *Sweeper
	Deletions *Deletions
	Notes     *Notes
	Period    time.Duration
	Log       logr.Logger
}

var _ manager.LeaderElectionRunnable = (*Schedule)(nil)

// NeedLeaderElection is true: two sweeps find no more than one.
func (s *Schedule) NeedLeaderElection() bool { return true }

// Start sweeps until ctx ends.
func (s *Schedule) Start(ctx context.Context) error {
	s.Sweeper.Reconciler.Metrics.sweepPeriod.Set(s.Period.Seconds())
	for {
		pause := jitter(s.Period - s.Period/10)
		if err := s.sweep(ctx); err != nil {
			pause = min(pause, jitter(minRetry))
			s.Log.Error(err, "A sweep failed; nobody was taken for deleted", "next", pause.Round(time.Second).String())
		}
		if !s.pause(ctx, pause) {
			return nil
		}
	}
}

func (s *Schedule) sweep(ctx context.Context) error {
	started, told := time.Now(), time.Now()
	s.Sweeper.Progress = func(r Report) {
		if time.Since(told) >= progressEvery {
			told = time.Now()
			s.Log.Info("Sweeping", "users", r.Users, "of", r.Expected, "new", r.New, "differing", r.Differing)
		}
	}
	report, err := s.Sweeper.RunOnce(logr.NewContext(ctx, s.Log))
	// A pass reads everybody and keeps nobody, and at the start the cache was filled: what is left of that is given back now,
	// or the process would stay much larger than what it knows. It takes some milliseconds in each period.
	debug.FreeOSMemory()
	s.Sweeper.Reconciler.Metrics.sweepTook(time.Since(started), report, err)
	if err != nil {
		return err
	}
	s.Log.Info("Sweep done", "users", report.Users, "whole", report.Whole, "new", report.New,
		"differing", report.Differing, "gone", report.Gone, "heldBack", report.HeldBack, "missedWebhooks", report.Missed,
		"strangers", report.Strangers, "seconds", time.Since(started).Seconds())
	if !report.Whole {
		s.Log.Info("The listing was not whole, so nobody is taken for deleted", "listed", report.Users, "expected", report.Expected)
	}
	return nil
}

// pause waits, and ends early when a person asks for a sweep. Meanwhile it lets go those whose deletion was held back
// and no longer is. It is false when ctx ends.
func (s *Schedule) pause(ctx context.Context, pause time.Duration) bool {
	over := time.NewTimer(pause)
	defer over.Stop()
	look := time.NewTicker(attention)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-over.C:
			return true
		case <-look.C:
			if s.asked(ctx) {
				return true
			}
			s.release(ctx)
		}
	}
}

func (s *Schedule) asked(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, attention)
	defer cancel()
	asked := false
	_, err := s.Notes.update(ctx, func(notes *corev1.ConfigMap) bool {
		_, asked = notes.Annotations[AnnotationSweep]
		delete(notes.Annotations, AnnotationSweep)
		return asked
	})
	if err != nil {
		s.Log.Error(err, "Looking whether a sweep is asked for")
	}
	return asked && err == nil
}

func (s *Schedule) release(ctx context.Context) {
	bounded, cancel := context.WithTimeout(ctx, attention)
	defer cancel()
	released, err := s.Deletions.Released(bounded)
	if err != nil {
		s.Log.Error(err, "Looking whether deletions are let go")
		return
	}
	for _, id := range released {
		if err := s.Sweeper.Reconciler.enqueueLow(ctx, id); err != nil {
			return // ctx ended
		}
	}
}
