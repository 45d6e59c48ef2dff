package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/fitai/fituser-operator/internal/leader"
	"github.com/fitai/fituser-operator/internal/settings"
)

// program is the assembled operator.
type program struct {
	manager manager.Manager
	// closers release what the manager does not own.
	closers []func() error
	// watched are the settings that only one part has.
	watched []*settings.Setting
}

// assemble builds the parts that the options select. It starts nothing, and after an error leaves nothing open.
func assemble(ctx context.Context, w wiring) (*program, error) {
	certs, err := readCertificates(w.options)
	if err != nil {
		return nil, err
	}
	mgr, fence, err := newManager(w, certs)
	if err != nil {
		return nil, err
	}
	p := &program{manager: mgr}
	if err := p.addParts(ctx, w, fence, certs); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

func (p *program) addParts(ctx context.Context, w wiring, fence *leader.Fence, certs certificates) (err error) {
	ready := map[string]healthz.Checker{}
	if w.Receiver {
		if ready["receiver"], err = addReceiver(p.manager, w, certs.webhook); err != nil {
			return err
		}
	}
	if w.Controller {
		if err := p.addController(ctx, w, fence); err != nil {
			return err
		}
		ready["cache"] = cacheFilled(p.manager)
	}
	reloader := settings.NewReloader(clock.RealClock{}, p.manager.GetLogger().WithName("settings"), append(w.watched, p.watched...)...)
	if err := p.manager.Add(reloader); err != nil {
		return fmt.Errorf("adding the watch of settings: %w", err)
	}
	return errors.Join(addProbes(p.manager, ready), metrics.Registry.Register(newBuildMetric()))
}

// run returns when ctx ends and everything is released.
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

// cacheFilled is ready when the controller's cache holds all FitUsers, on the leader and on every other replica.
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
