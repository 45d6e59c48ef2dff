package main

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/controllers/rolerule"
	"github.com/fitai/fituser-operator/controllers/sweep"
	"github.com/fitai/fituser-operator/internal/budget"
	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/instance"
	"github.com/fitai/fituser-operator/internal/leader"
	"github.com/fitai/fituser-operator/internal/state"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// sweepShare is the share of the requests to Clerk that a sweep may use. The rest is for users who wait.
const sweepShare = 0.25

// errObserve stops a write to Clerk or to the table at their door. The reconciler makes none in that mode; this holds even
// where it has a bug.
var errObserve = errors.New("--observe: the operator writes nothing to Clerk and to the table")

// addController adds the reconciler and the sweep, with their access to Clerk and to the table. They write only while the
// fence is open.
func (p *program) addController(ctx context.Context, w wiring, fence *leader.Fence) error {
	mgr := p.manager
	beforeWrite := fence.Check
	if w.Observe {
		beforeWrite = func() error { return errObserve }
	}
	source, err := w.tableSource(w.settings.DatabaseURL, store.Options{CreateTable: w.CreateTable && !w.Observe, BeforeWrite: beforeWrite})
	if err != nil {
		return err
	}
	p.watched = append(p.watched, source.config)
	tableChanged := make(chan struct{}, 1)
	table, err := openTable(ctx, source, tableChanged, w.log)
	if err != nil {
		return err
	}
	p.onClose(table.Close)
	warnInsecureTransport(w.log, w.settings)
	api := clerk.New(clerk.Config{
		URL: w.settings.ClerkURL.Get(), Key: w.settings.SecretKey.Get, RequestsPerSecond: w.ClerkRateLimit,
		Registerer: metrics.Registry, BeforeWrite: beforeWrite, Extra: furtherFields(table),
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
	rules, err := addRules(mgr, w, reconciler)
	if err != nil {
		return err
	}
	return addSweep(mgr, w, reconciler, sweepRequests{rules: rules, table: tableChanged})
}

// addRules adds the controller of RoleRules. Where an older version installed the CustomResourceDefinitions, that kind does
// not exist yet; everything else works without it.
func addRules(mgr manager.Manager, w wiring, reconciler *fituser.Reconciler) (*rolerule.Reconciler, error) {
	rules := rolerule.New(rolerule.Config{
		Lister: rolerule.Lister{Reader: mgr.GetClient(), Namespace: w.Namespace, Roles: reconciler.Roles},
		Client: mgr.GetClient(), Clock: clock.RealClock{},
	})
	_, err := mgr.GetRESTMapper().RESTMapping(v1alpha1.GroupVersion.WithKind("RoleRule").GroupKind(), v1alpha1.GroupVersion.Version)
	switch {
	case meta.IsNoMatchError(err):
		w.log.Info("RoleRules are not installed: apply the CustomResourceDefinitions of this version and restart to use them")
		reconciler.Rules = func(context.Context) (user.Rules, error) { return nil, nil }
		return rules, nil
	case err != nil:
		return nil, fmt.Errorf("looking up the kind RoleRule: %w", err)
	default:
		return rules, rules.SetupWithManager(mgr)
	}
}

// newRoleConfig returns what roles are decided by: the flags, the RoleRules that reader has, and the owner id.
func newRoleConfig(o options, reader client.Reader, owner func(context.Context) (string, error)) (fituser.RoleConfig, error) {
	roles, err := o.roles()
	if err != nil {
		return fituser.RoleConfig{}, err
	}
	rules := rolerule.Lister{Reader: reader, Namespace: o.Namespace, Roles: roles}
	return fituser.RoleConfig{Roles: roles, Owner: owner, AdoptedOwners: o.adoptedOwners(), Rules: rules.Rules}, nil
}

func newReconciler(
	mgr manager.Manager, w wiring, operatorState *state.Store, api clerk.API, table store.Store,
) (*fituser.Reconciler, error) {
	limit, err := budget.ParseMaxDeletions(w.MaxDeletions)
	if err != nil {
		return nil, fmt.Errorf("--max-deletions: %w", err)
	}
	owner := &state.Owner{Store: operatorState, Configured: w.OwnerID}
	roles, err := newRoleConfig(w.options, mgr.GetClient(), owner.ID)
	if err != nil {
		return nil, err
	}
	recorder := mgr.GetEventRecorder("fituser-operator")
	instrumented := clerk.Instrumented(api, w.tracer)
	return fituser.New(fituser.Config{
		Client:     mgr.GetClient(),
		Live:       mgr.GetAPIReader(),
		Namespace:  w.Namespace,
		RoleConfig: roles, MinProtected: w.MinProtected, Observe: w.Observe,
		DeletionPolicy: v1alpha1.DeletionPolicy(w.DeletionPolicy), DeletionDelay: w.DeletionDelay,
		Clerk: instrumented, ExternalIDs: instrumented,
		Store: store.Instrumented(table, metrics.Registry, w.tracer),
		Instance: instance.New(instance.Config{
			State: operatorState, Clerk: api, Key: w.settings.SecretKey.Get, Expected: w.settings.InstanceID.Get(), Clock: clock.RealClock{},
		}),
		Budget: budget.New(budget.Config{
			State: operatorState, Max: limit, Period: w.SyncPeriod, Recorder: recorder, Clock: clock.RealClock{},
			Users: func() int { return fitusers.Count(context.Background(), mgr.GetCache(), w.Namespace) },
			Log:   mgr.GetLogger().WithName("budget"),
		}),
		Recorder:        recorder,
		Metrics:         fituser.NewMetrics(metrics.Registry, roles.Roles, table.Table().Mapping),
		Profile:         fituser.ProfileMode(w.StatusProfile),
		Clock:           clock.RealClock{},
		Log:             mgr.GetLogger().WithName("fituser"),
		Tracer:          w.tracer,
		DigestKey:       w.settings.SecretKey.Get,
		LagTolerance:    fituser.DefaultLagTolerance,
		RevocationGrace: fituser.DefaultRevocationGrace,
	}), nil
}

// sweepRequests is what requests a sweep before its time.
type sweepRequests struct {
	rules *rolerule.Reconciler
	table <-chan struct{}
}

func addSweep(mgr manager.Manager, w wiring, reconciler *fituser.Reconciler, requests sweepRequests) error {
	schedule := &sweep.Schedule{
		Sweeper: sweep.New(sweep.Config{
			Reconciler: reconciler,
			Cache:      mgr.GetCache(),
			Pages:      rate.NewLimiter(rate.Limit(w.ClerkRateLimit*sweepShare), 1),
			Clock:      clock.RealClock{},
			Metrics:    sweep.NewMetrics(metrics.Registry),
			RuleUsers:  requests.rules.SetUsers,
		}),
		Requested:    requests.rules.Sweeps(),
		TableChanged: requests.table,
		Period:       w.SyncPeriod,
		Log:          mgr.GetLogger().WithName("sweep"),
	}
	if err := mgr.Add(schedule); err != nil {
		return fmt.Errorf("adding the sweep: %w", err)
	}
	return nil
}
