package main

import (
	"context"
	"fmt"

	"golang.org/x/time/rate"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/fitai/fituser-operator/controllers"
	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/leader"
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
	notes := &controllers.Notes{Client: uncached, Namespace: w.Namespace}
	reconciler, err := newReconciler(mgr, w, notes, api, table)
	if err != nil {
		return err
	}
	if err := reconciler.SetupWithManager(ctx, mgr); err != nil {
		return err
	}
	return addSweep(mgr, w, reconciler, notes)
}

func newReconciler(
	mgr manager.Manager, w wiring, notes *controllers.Notes, api clerk.Client, table *store.Switch,
) (*controllers.Reconciler, error) {
	limit, err := controllers.ParseMaxDeletions(w.MaxDeletions)
	if err != nil {
		return nil, fmt.Errorf("--max-deletions: %w", err)
	}
	recorder, reconcilerMetrics := mgr.GetEventRecorder("fituser-operator"), controllers.NewMetrics(metrics.Registry)
	return &controllers.Reconciler{
		Client:    mgr.GetClient(),
		Live:      mgr.GetAPIReader(),
		Namespace: w.Namespace,
		Clerk:     clerk.Instrumented(api, w.tracer),
		Store:     tracedStore{store.Counted(table, metrics.Registry), w.tracer},
		Instance: &controllers.InstanceGuard{
			Notes: notes, Clerk: api, Key: w.settings.SecretKey.Get, Expected: w.settings.InstanceID.Get(), Clock: clock.RealClock{},
		},
		Deletions: &controllers.Deletions{
			Notes: notes, Max: limit, Period: w.SyncPeriod, Users: controllers.CountFitUsers(mgr.GetCache(), w.Namespace),
			Recorder: recorder, Metrics: reconcilerMetrics, Clock: clock.RealClock{}, Log: mgr.GetLogger().WithName("deletions"),
		},
		Recorder:      recorder,
		Metrics:       reconcilerMetrics,
		Profile:       controllers.ProfileMode(w.StatusProfile),
		Clock:         clock.RealClock{},
		Tracer:        w.tracer,
		LagTolerance:  controllers.DefaultLagTolerance,
		TakeBackGrace: controllers.DefaultTakeBackGrace,
	}, nil
}

func addSweep(mgr manager.Manager, w wiring, reconciler *controllers.Reconciler, notes *controllers.Notes) error {
	schedule := &controllers.Schedule{
		Sweeper: &controllers.Sweeper{
			Reconciler: reconciler,
			Cache:      mgr.GetCache(),
			Pages:      rate.NewLimiter(rate.Limit(w.ClerkRateLimit*sweepShare), 1),
			Clock:      clock.RealClock{},
		},
		Deletions: reconciler.Deletions,
		Notes:     notes,
		Period:    w.SyncPeriod,
		Log:       mgr.GetLogger().WithName("sweep"),
	}
	if err := mgr.Add(schedule); err != nil {
		return fmt.Errorf("adding the sweep: %w", err)
	}
	return nil
}
