package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers"
	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/receiver"
	"github.com/fitai/fituser-operator/internal/store"
)

// program is the assembled operator.
type program struct {
	manager manager.Manager
	// close releases what the manager does not own.
	close func() error
}

func (p program) run(ctx context.Context) error {
	err := p.manager.Start(ctx)
	return errors.Join(err, p.close())
}

// assemble puts the parts together that the options ask for. It starts nothing.
func assemble(ctx context.Context, config *rest.Config, o options, s settings, log logr.Logger) (program, error) {
	ctrl.SetLogger(log)
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return program{}, fmt.Errorf("registering the API types: %w", err)
	}
	mgr, err := ctrl.NewManager(config, managerOptions(o, scheme, log))
	if err != nil {
		return program{}, fmt.Errorf("making the manager: %w", err)
	}
	p := program{manager: mgr, close: func() error { return nil }}
	ready := map[string]healthz.Checker{}
	if o.Receiver {
		if ready["receiver"], err = addReceiver(mgr, o, &s); err != nil {
			return program{}, err
		}
	}
	if o.Controller {
		if p.close, err = addController(ctx, mgr, o, &s); err != nil {
			return program{}, err
		}
		ready["cache"] = cacheFilled(mgr)
	}
	if files := s.files(); len(files) > 0 {
		if err := mgr.Add(&reloader{files: files, log: log.WithName("settings")}); err != nil {
			return program{}, fmt.Errorf("adding the watch of settings: %w", err)
		}
	}
	return p, addProbes(mgr, ready)
}

func managerOptions(o options, scheme *runtime.Scheme, log logr.Logger) ctrl.Options {
	yes := true
	m := metricsserver.Options{BindAddress: o.MetricsBindAddress, SecureServing: o.MetricsSecure}
	if o.MetricsSecure {
		m.FilterProvider = filters.WithAuthenticationAndAuthorization
	}
	return ctrl.Options{
		Scheme:                        scheme,
		Logger:                        log,
		Cache:                         controllers.CacheOptions(o.Namespace),
		Client:                        client.Options{Cache: &client.CacheOptions{EnableReadYourWritesConsistency: &yes}},
		Metrics:                       m,
		HealthProbeBindAddress:        o.HealthProbeBindAddress,
		LeaderElection:                o.LeaderElect && o.Controller,
		LeaderElectionID:              "fituser-operator",
		LeaderElectionNamespace:       o.Namespace,
		LeaderElectionReleaseOnCancel: true, // safe: the program ends when the manager does
	}
}

// addReceiver adds the webhook receiver with its own small cache, and gives its readiness check.
func addReceiver(mgr manager.Manager, o options, s *settings) (healthz.Checker, error) {
	view, err := receiver.NewCluster(mgr.GetConfig(), mgr.GetScheme(), o.Namespace)
	if err != nil {
		return nil, err
	}
	keys, err := newKeyring(s.webhookSecret)
	if err != nil {
		return nil, err
	}
	r, err := receiver.New(receiver.Config{
		BindAddress: o.WebhookBindAddress,
		Namespace:   o.Namespace,
		InstanceID:  s.instanceID,
		Keys:        keys.Keys,
		Writer:      view.GetClient(),
		Cache:       view.GetCache(),
		Live:        view.GetAPIReader(),
		Registerer:  metrics.Registry,
		Log:         mgr.GetLogger().WithName("receiver"),
	})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(mgr.Add(view), mgr.Add(r)); err != nil {
		return nil, fmt.Errorf("adding the receiver: %w", err)
	}
	return r.Ready, nil
}

// addController adds the reconciler with its way to Clerk and to the table.
func addController(ctx context.Context, mgr manager.Manager, o options, s *settings) (closeStore func() error, err error) {
	table, err := openTable(ctx, o, s.databaseURL, mgr.GetLogger())
	if err != nil {
		return nil, err
	}
	uncached, err := client.New(mgr.GetConfig(), client.Options{Scheme: mgr.GetScheme()})
	if err != nil {
		return nil, fmt.Errorf("making the client for the ConfigMap: %w", err)
	}
	api := clerk.New(clerk.Config{
		URL: s.clerkURL, Key: s.secretKey.Get, RequestsPerSecond: o.ClerkRateLimit, Registerer: metrics.Registry,
	})
	reconciler := &controllers.Reconciler{
		Client:    mgr.GetClient(),
		Namespace: o.Namespace,
		Clerk:     api,
		Store:     table,
		Instance: &controllers.InstanceGuard{
			Client: uncached, Namespace: o.Namespace, Clerk: api,
			Key: s.secretKey.Get, Expected: s.instanceID, Clock: clock.RealClock{},
		},
		Recorder:      mgr.GetEventRecorder("fituser-operator"),
		Metrics:       controllers.NewMetrics(metrics.Registry),
		Profile:       controllers.ProfileMode(o.StatusProfile),
		Clock:         clock.RealClock{},
		LagTolerance:  controllers.DefaultLagTolerance,
		TakeBackGrace: controllers.DefaultTakeBackGrace,
	}
	return table.Close, reconciler.SetupWithManager(ctx, mgr)
}

// checkTimeout bounds the look at the table at the start.
const checkTimeout = 10 * time.Second

// openTable opens the users table. A table that does not fit ends the start; a database that does not answer does not:
// users wait with the reason until it does.
func openTable(ctx context.Context, o options, address *setting, log logr.Logger) (*store.Switch, error) {
	tableOptions := store.Options{CreateTable: o.CreateTable}
	db, err := store.Open(address.Get(), tableOptions)
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
		next, err := store.Open(value, tableOptions)
		if err != nil {
			return err
		}
		return table.Replace(ctx, next)
	}
	return table, nil
}

func addProbes(mgr manager.Manager, ready map[string]healthz.Checker) error {
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return fmt.Errorf("adding /healthz: %w", err)
	}
	for name, check := range ready {
		if err := mgr.AddReadyzCheck(name, check); err != nil {
			return fmt.Errorf("adding /readyz: %w", err)
		}
	}
	return nil
}

// cacheFilled is ready when the controller's cache holds all FitUsers, leader or not.
func cacheFilled(mgr manager.Manager) healthz.Checker {
	return func(request *http.Request) error {
		ctx, cancel := context.WithTimeout(request.Context(), time.Second)
		defer cancel()
		if !mgr.GetCache().WaitForCacheSync(ctx) {
			return errors.New("the cache of FitUsers is not filled yet")
		}
		return nil
	}
}
