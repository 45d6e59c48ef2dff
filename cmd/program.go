package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel/trace"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/receiver"
	"github.com/fitai/fituser-operator/internal/tracing"
)

// program is the assembled operator.
type program struct {
	manager manager.Manager
	// closers release what the manager does not own.
	closers []func() error
}

func (p *program) run(ctx context.Context) error {
	err := p.manager.Start(ctx)
	return errors.Join(err, p.close())
}

func (p *program) onClose(release func() error) { p.closers = append(p.closers, release) }

func (p *program) close() error {
	var errs []error
	for _, release := range slices.Backward(p.closers) {
		errs = append(errs, release())
	}
	return errors.Join(errs...)
}

// assemble puts the parts together that the options ask for. It starts nothing, and after an error leaves nothing open.
func assemble(ctx context.Context, config *rest.Config, o options, s settings, log logr.Logger) (*program, error) {
	ctrl.SetLogger(log)
	shown, err := readCertificates(o)
	if err != nil {
		return nil, err
	}
	mgr, guard, err := newManager(config, o, shown, s.tracer, log)
	if err != nil {
		return nil, err
	}
	p := &program{manager: mgr}
	if err := p.addParts(ctx, o, &s, guard, shown); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

func (p *program) addParts(ctx context.Context, o options, s *settings, guard *fence, c certificates) (err error) {
	ready := map[string]healthz.Checker{}
	if o.Receiver {
		if ready["receiver"], err = addReceiver(p.manager, o, s, c.webhook); err != nil {
			return err
		}
	}
	if o.Controller {
		if err := p.addController(ctx, o, s, guard); err != nil {
			return err
		}
		ready["cache"] = cacheFilled(p.manager)
	}
	if err := addReloader(p.manager, s.files()); err != nil {
		return err
	}
	return errors.Join(addProbes(p.manager, ready), metrics.Registry.Register(newBuildMetric()))
}

// newManager makes the manager and, where there is an election, the fence that keeps those out who lost it.
func newManager(
	config *rest.Config, o options, c certificates, tracer trace.Tracer, log logr.Logger,
) (manager.Manager, *fence, error) {
	scheme, err := apiTypes()
	if err != nil {
		return nil, nil, err
	}
	asked, elected := managerOptions(o, c, scheme, log), (*election)(nil)
	if o.LeaderElect && o.Controller {
		if elected, err = newElection(config, o.Namespace); err != nil {
			return nil, nil, err
		}
		elected.enter(&asked)
	}
	config = rest.CopyConfig(config)
	config.Wrap(tracing.Transport(tracer))
	mgr, err := ctrl.NewManager(config, asked)
	if err != nil {
		return nil, nil, fmt.Errorf("making the manager: %w", err)
	}
	if elected == nil {
		return mgr, nil, c.watch(mgr)
	}
	elected.tell(mgr)
	return mgr, elected.fence, c.watch(mgr)
}

// apiTypes are the types of the API server's objects that are read and written here.
func apiTypes() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, fmt.Errorf("registering the API types: %w", err)
	}
	return scheme, nil
}

func managerOptions(o options, c certificates, scheme *runtime.Scheme, log logr.Logger) ctrl.Options {
	yes := true
	m := metricsserver.Options{BindAddress: o.MetricsBindAddress, SecureServing: o.MetricsSecure}
	if o.MetricsSecure {
		m.FilterProvider = filters.WithAuthenticationAndAuthorization
		m.TLSOpts = []func(*tls.Config){c.serveMetrics}
	}
	return ctrl.Options{
		Scheme:                 scheme,
		Logger:                 log,
		Cache:                  fituser.CacheOptions(o.Namespace),
		Client:                 client.Options{Cache: &client.CacheOptions{EnableReadYourWritesConsistency: &yes}},
		Metrics:                m,
		HealthProbeBindAddress: o.HealthProbeBindAddress,
	}
}

// addReceiver adds the webhook receiver with its own small cache, and gives its readiness check.
func addReceiver(mgr manager.Manager, o options, s *settings, certificate *certwatcher.CertWatcher) (healthz.Checker, error) {
	view, err := receiver.NewCluster(mgr.GetConfig(), mgr.GetScheme(), o.Namespace)
	if err != nil {
		return nil, err
	}
	keys, err := newKeyring(s.webhookSecret)
	if err != nil {
		return nil, err
	}
	config := receiver.Config{
		BindAddress: o.WebhookBindAddress,
		Namespace:   o.Namespace,
		InstanceID:  s.instanceID.Get(),
		Keys:        keys.Keys,
		Writer:      view.GetClient(),
		Cache:       view.GetCache(),
		Live:        view.GetAPIReader(),
		Registerer:  metrics.Registry,
		Tracer:      s.tracer,
		Log:         mgr.GetLogger().WithName("receiver"),
	}
	if certificate != nil {
		config.Certificate = certificate.GetCertificate
	}
	r, err := receiver.New(config)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(mgr.Add(view), mgr.Add(r)); err != nil {
		return nil, fmt.Errorf("adding the receiver: %w", err)
	}
	return r.Ready, nil
}

// addReloader adds the watch of the settings that are in files.
func addReloader(mgr manager.Manager, files []*setting) error {
	if len(files) == 0 {
		return nil
	}
	if err := mgr.Add(&reloader{files: files, clock: clock.RealClock{}, log: mgr.GetLogger().WithName("settings")}); err != nil {
		return fmt.Errorf("adding the watch of settings: %w", err)
	}
	return nil
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
