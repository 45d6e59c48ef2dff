package main

import (
	"context"
	"fmt"

	"github.com/argoproj/argo-cd/v3/util/argo/normalizers"
	"github.com/argoproj/argo-cd/v3/util/lua"
	"github.com/argoproj/argo-cd/v3/util/settings"
	"github.com/argoproj/gitops-engine/pkg/health"
	"k8s.io/client-go/kubernetes"
)

// settings returns Argo CD's settings, from the ConfigMap argocd-cm in its namespace.
func (a *argo) settings(ctx context.Context) (*settings.SettingsManager, error) {
	clients, err := kubernetes.NewForConfig(a.config)
	if err != nil {
		return nil, err
	}
	return settings.NewSettingsManager(ctx, clients, a.ArgoNamespace), nil
}

func (a *argo) healthOverrides(ctx context.Context) (health.HealthOverride, error) {
	manager, err := a.settings(ctx)
	if err != nil {
		return nil, err
	}
	overrides, err := manager.GetResourceOverrides()
	return lua.ResourceHealthOverrides(overrides), err
}

// healthOf returns the health of each object.
func healthOf(ctx context.Context, a *argo) (any, error) {
	overrides, err := a.healthOverrides(ctx)
	if err != nil {
		return nil, err
	}
	found := map[string]*health.HealthStatus{}
	for name, object := range a.Objects {
		if found[name], err = health.GetResourceHealth(object, overrides); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return found, nil
}

// refreshed returns, for each object, what Argo CD compares after an update. If this differs from before, Argo CD refreshes
// the Application.
func refreshed(ctx context.Context, a *argo) (any, error) {
	manager, err := a.settings(ctx)
	if err != nil {
		return nil, err
	}
	overrides, err := manager.GetIgnoreResourceUpdatesOverrides()
	if err != nil {
		return nil, err
	}
	normalizer, err := normalizers.NewIgnoreNormalizer(nil, overrides, normalizers.IgnoreNormalizerOpts{})
	if err != nil {
		return nil, err
	}
	compared := map[string]any{}
	for name, object := range a.Objects {
		if err := normalizer.Normalize(object); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		compared[name] = object
	}
	return compared, nil
}
