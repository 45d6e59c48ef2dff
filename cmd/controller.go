package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
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
	"github.com/fitai/fituser-operator/internal/state"
	"github.com/fitai/fituser-operator/internal/store"
)

// sweepShare is the share of our requests to Clerk that a sweep may use: the rest is for users who wait.
const sweepShare = 0.25

// addController adds the reconciler and the sweep, with their way to Clerk and to the table. They write only while guard is
// open.
func (p *program) addController(ctx context.Context, o options, s *settings, guard *fence) error {
	mgr := p.manager
	table, err := openTable(ctx, store.Options{CreateTable: o.CreateTable, BeforeWrite: guard.open}, s.databaseURL, mgr.GetLogger())
	if err != nil {
		return err
	}
	p.onClose(table.Close)
	uncached, err := client.New(guard.guarded(mgr.GetConfig()), client.Options{Scheme: mgr.GetScheme()})
	if err != nil {
		return fmt.Errorf("making the client for the ConfigMap: %w", err)
	}
	warnOfListeners(mgr.GetLogger(), s)
	api := clerk.New(clerk.Config{
		URL: s.clerkURL.Get(), Key: s.secretKey.Get, RequestsPerSecond: o.ClerkRateLimit, Registerer: metrics.Registry,
		BeforeWrite: guard.open,
	})
	reconciler, err := newReconciler(mgr, o, s, backends{api: api, table: table, uncached: uncached})
	if err != nil {
		return err
	}
	if err := reconciler.SetupWithManager(ctx, mgr); err != nil {
		return err
	}
	return addSweep(mgr, o, reconciler)
}

// warnOfListeners says which secrets the settings let pass in the clear. They are not refused: a mesh may encrypt beneath.
func warnOfListeners(log logr.Logger, s *settings) {
	if showsKey(s.clerkURL.Get()) {
		log.Info("Clerk is asked without TLS: whoever is on the way can read the secret key", "setting", "CLERK_API_URL")
	}
	if store.Exposed(s.databaseURL.Get()) {
		log.Info("The database is asked without a checked certificate: whoever is on the way can read the password and the rows; "+
			"add sslmode=verify-full", "setting", "DATABASE_URL")
	}
}

// backends are what the reconciler reads and writes, besides FitUsers.
type backends struct {
	api      clerk.Client
	table    store.Store
	uncached client.Client
}

func newReconciler(mgr manager.Manager, o options, s *settings, b backends) (*fituser.Reconciler, error) {
	limit, err := budget.ParseMaxDeletions(o.MaxDeletions)
	if err != nil {
		return nil, fmt.Errorf("--max-deletions: %w", err)
	}
	operatorState := &state.Store{Client: b.uncached, Namespace: o.Namespace}
	recorder := mgr.GetEventRecorder("fituser-operator")
	return fituser.New(fituser.Config{
		Client:    mgr.GetClient(),
		Live:      mgr.GetAPIReader(),
		Namespace: o.Namespace,
		Clerk:     tracedClerk{b.api, s.tracer},
		Store:     tracedStore{store.Counted(b.table, metrics.Registry), s.tracer},
		Instance: instance.New(instance.Config{
			State: operatorState, Clerk: b.api, Key: s.secretKey.Get, Expected: s.instanceID.Get(), Clock: clock.RealClock{},
		}),
		Budget: budget.New(budget.Config{
			State: operatorState, Max: limit, Period: o.SyncPeriod, Recorder: recorder, Clock: clock.RealClock{},
			Users: func() int { return fitusers.Count(context.Background(), mgr.GetCache(), o.Namespace) },
			Log:   mgr.GetLogger().WithName("budget"),
		}),
		Recorder:        recorder,
		Metrics:         fituser.NewMetrics(metrics.Registry),
		Profile:         fituser.ProfileMode(o.StatusProfile),
		Clock:           clock.RealClock{},
		Tracer:          s.tracer,
		LagTolerance:    fituser.DefaultLagTolerance,
		RevocationGrace: fituser.DefaultRevocationGrace,
	}), nil
}

func addSweep(mgr manager.Manager, o options, reconciler *fituser.Reconciler) error {
	schedule := &sweep.Schedule{
		Sweeper: sweep.New(sweep.Config{
			Reconciler: reconciler,
			Cache:      mgr.GetCache(),
			Pages:      rate.NewLimiter(rate.Limit(o.ClerkRateLimit*sweepShare), 1),
			Clock:      clock.RealClock{},
			Metrics:    sweep.NewMetrics(metrics.Registry),
		}),
		Period: o.SyncPeriod,
		Log:    mgr.GetLogger().WithName("sweep"),
	}
	if err := mgr.Add(schedule); err != nil {
		return fmt.Errorf("adding the sweep: %w", err)
	}
	return nil
}

// checkTimeout bounds the look at the table at the start, and replaceTimeout that at another database together with what
// calls the old one still has to answer: meanwhile no other setting is read again.
const (
	checkTimeout   = 10 * time.Second
	replaceTimeout = 2 * checkTimeout
)

// openTable opens the users table. A table that does not fit ends the start; a database that does not answer does not:
// users wait with the reason until it does.
func openTable(ctx context.Context, o store.Options, address *setting, log logr.Logger) (*store.Switch, error) {
	db, err := store.Open(address.Get(), o)
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	var mismatch *store.SchemaError
	if err := db.Check(ctx); errors.As(err, &mismatch) {
		return nil, errors.Join(fmt.Errorf("DATABASE_URL: %w", err), db.Close())
	} else if err != nil {
		log.Error(err, "The database does not answer; users wait until it does")
	}
	table := store.NewSwitch(db)
	address.accept = func(ctx context.Context, value string) error {
		next, err := store.Open(value, o)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, replaceTimeout)
		defer cancel()
		return table.Replace(ctx, next)
	}
	return table, nil
}
