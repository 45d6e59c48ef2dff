package main

import (
	"context"
	"fmt"

	"golang.org/x/time/rate"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/controllers/sweep"
	"github.com/fitai/fituser-operator/internal/budget"
	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/instance"
	"github.com/fitai/fituser-operator/internal/leader"
	"github.com/fitai/fituser-operator/internal/state"
	"github.com/fitai/fituser-operator/internal/store"
)

// sweepShare is the share of the requests to Clerk that a sweep may use. The rest is for users who wait.
const sweepShare = 0.25

// addController adds the reconciler and the sweep, with their access to Clerk and to the table. They write only while the
// fence is open.
func (p *program) addController(ctx context.Context, w wiring, fence *leader.Fence) error {
	mgr := p.manager
	table, err := openTable(ctx, store.Options{CreateTable: w.CreateTable, BeforeWrite: fence.Check}, w.settings.DatabaseURL, w.log)
	if err != nil {
		return err
	}
	p.onClose(table.Close)
	warnInsecureTransport(w.log, w.settings)
	api := clerk.New(clerk.Config{
		URL: w.settings.ClerkURL.Get(), Key: w.settings.SecretKey.Get, RequestsPerSecond: w.ClerkRateLimit,
		Registerer: metrics.Registry, BeforeWrite: fence.Check,
	})
	uncached, err := client.New(fence.Guard(mgr.GetConfig()), client.Options{Scheme: mgr.GetScheme()})
	if err != nil {
		return fmt.Errorf("creating the client for the ConfigMap: %w", err)
	}
	reconciler, err := newReconciler(mgr, w, &state.Store{Client: uncached, Namespace: w.Namespace}, api, table)
	if err != nil {
		return err
	}
	if err := reconciler.SetupWithManager(ctx, mgr); err != nil {
		return err
	}
	return addSweep(mgr, w, reconciler)
}

func newReconciler(
	mgr manager.Manager, w wiring, operatorState *state.Store, api clerk.Client, table store.Store,
) (*fituser.Reconciler, error) {
	limit, err := budget.ParseMaxDeletions(w.MaxDeletions)
	if err != nil {
		return nil, fmt.Errorf("--max-deletions: %w", err)
	}
	recorder := mgr.GetEventRecorder("fituser-operator")
	return fituser.New(fituser.Config{
		Client:    mgr.GetClient(),
		Live:      mgr.GetAPIReader(),
		Namespace: w.Namespace,
		Clerk:     clerk.Instrumented(api, w.tracer),
		Store:     store.Instrumented(table, metrics.Registry, w.tracer),
		Instance: instance.New(instance.Config{
			State: operatorState, Clerk: api, Key: w.settings.SecretKey.Get, Expected: w.settings.InstanceID.Get(), Clock: clock.RealClock{},
		}),
		Budget: budget.New(budget.Config{
			State: operatorState, Max: limit, Period: w.SyncPeriod, Recorder: recorder, Clock: clock.RealClock{},
			Users: func() int { return fitusers.Count(context.Background(), mgr.GetCache(), w.Namespace) },
			Log:   mgr.GetLogger().WithName("budget"),
		}),
		Recorder:        recorder,
		Metrics:         fituser.NewMetrics(metrics.Registry),
		Profile:         fituser.ProfileMode(w.StatusProfile),
		Clock:           clock.RealClock{},
		Tracer:          w.tracer,
		LagTolerance:    fituser.DefaultLagTolerance,
		RevocationGrace: fituser.DefaultRevocationGrace,
	}), nil
}

func addSweep(mgr manager.Manager, w wiring, reconciler *fituser.Reconciler) error {
	schedule := &sweep.Schedule{
		Sweeper: sweep.New(sweep.Config{
			Reconciler: reconciler,
			Cache:      mgr.GetCache(),
			Pages:      rate.NewLimiter(rate.Limit(w.ClerkRateLimit*sweepShare), 1),
			Clock:      clock.RealClock{},
			Metrics:    sweep.NewMetrics(metrics.Registry),
		}),
		Period: w.SyncPeriod,
		Log:    mgr.GetLogger().WithName("sweep"),
	}
	if err := mgr.Add(schedule); err != nil {
		return fmt.Errorf("adding the sweep: %w", err)
	}
	return nil
}
