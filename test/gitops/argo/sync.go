package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/gitops-engine/pkg/diff"
	"github.com/argoproj/gitops-engine/pkg/engine"
	"github.com/argoproj/gitops-engine/pkg/sync"
	"github.com/argoproj/gitops-engine/pkg/sync/common"
	"github.com/argoproj/gitops-engine/pkg/utils/kube"
	"github.com/argoproj/gitops-engine/pkg/utils/tracing"
	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// syncAll applies the manifests as the Application prescribes. It returns what was done to each object, by name.
func syncAll(ctx context.Context, a *argo) (any, error) {
	targets, err := a.targets()
	if err != nil {
		return nil, err
	}
	options, err := a.syncOptions()
	if err != nil {
		return nil, err
	}
	health, err := a.healthOverrides(ctx)
	if err != nil {
		return nil, err
	}
	gitops := engine.NewEngine(a.config, a.cluster(), engine.WithLogr(logr.Discard()))
	stop, err := gitops.Run()
	if err != nil {
		return nil, err
	}
	defer stop()
	options = append(options, sync.WithServerSideApplyManager(fieldManager), sync.WithHealthOverride(health),
		sync.WithLogr(logr.Discard()))
	results, err := gitops.Sync(ctx, targets, isManaged, a.Revision, a.Namespace, options...)
	done := map[string]string{}
	for _, result := range results {
		done[result.ResourceKey.Name] = string(result.Status)
	}
	return done, err
}

// syncOptions returns what the Application's sync policy prescribes.
func (a *argo) syncOptions() ([]sync.SyncOpt, error) {
	var application v1alpha1.Application
	if err := yaml.UnmarshalStrict([]byte(a.Application), &application); err != nil {
		return nil, fmt.Errorf("decoding the Application: %w", err)
	}
	policy := application.Spec.SyncPolicy
	if !policy.IsAutomatedSyncEnabled() || !policy.Automated.SelfHeal {
		return nil, errors.New("the Application does not correct drift")
	}
	return []sync.SyncOpt{
		sync.WithPrune(policy.Automated.Prune),
		sync.WithServerSideApply(policy.SyncOptions.HasOption(common.SyncOptionServerSideApply)),
		sync.WithPrunePropagationPolicy(new(metav1.DeletePropagationForeground)), // Argo CD's default
	}, nil
}

// diffAll returns the names of the objects that are OutOfSync, by each of Argo CD's three ways to compare.
func diffAll(ctx context.Context, a *argo) (any, error) {
	targets, err := a.targets()
	if err != nil {
		return nil, err
	}
	cluster := a.cluster()
	if err := cluster.EnsureSynced(); err != nil {
		return nil, err
	}
	defer cluster.Invalidate()
	live, err := cluster.GetManagedLiveObjs(targets, isManaged)
	if err != nil {
		return nil, err
	}
	pairs := sync.Reconcile(targets, live, a.Namespace, cluster)
	dryRuns, stop, err := kube.ManageServerSideDiffDryRuns(a.config, cluster.GetOpenAPISchema(), tracing.NopTracer{},
		logr.Discard(), func(string) (kube.CleanupFunc, error) { return func() {}, nil })
	if err != nil {
		return nil, err
	}
	defer stop()
	shared := []diff.Option{
		diff.WithLogr(logr.Discard()), diff.WithGVKParser(cluster.GetGVKParser()), diff.WithManager(fieldManager),
		diff.WithServerSideDryRunner(diff.NewK8sServerSideDryRunner(dryRuns)),
	}
	found := map[string][]string{}
	for way, option := range map[string]diff.Option{
		"three-way":        diff.WithStructuredMergeDiff(false),
		"structured merge": diff.WithStructuredMergeDiff(true),
		"server-side":      diff.WithServerSideDiff(true),
	} {
		result, err := diff.DiffArray(pairs.Target, pairs.Live, append(slices.Clip(shared), option)...)
		if err != nil {
			return nil, err
		}
		found[way] = []string{}
		for i, one := range result.Diffs {
			if one.Modified {
				found[way] = append(found[way], nameOf(pairs.Target[i], pairs.Live[i]))
			}
		}
	}
	return found, ctx.Err()
}

// nameOf returns the name of a target or, where it is pruned, of the live object.
func nameOf(target, live *unstructured.Unstructured) string {
	if target != nil {
		return target.GetName()
	}
	return live.GetName()
}
