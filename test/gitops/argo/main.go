// Command argo does with FitUsers what Argo CD does, by Argo CD's own libraries: sync, diff, health and refresh. The tests
// in the parent folder run it, because these libraries need other Kubernetes modules than the operator. It reads a request
// from stdin and writes the answer to stdout, both as JSON. KUBECONFIG names the cluster.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/argoproj/gitops-engine/pkg/cache"
	"github.com/argoproj/gitops-engine/pkg/utils/kube"
	"github.com/go-logr/logr"
	"github.com/sirupsen/logrus"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// request is what a command is about.
type request struct {
	Namespace     string `json:"namespace"`     // of the FitUsers
	ArgoNamespace string `json:"argoNamespace"` // of Argo CD's ConfigMap
	Application   string `json:"application"`   // Argo CD's, as YAML
	Manifests     string `json:"manifests"`     // the rendered overlay, as YAML
	Revision      string `json:"revision"`
	// Objects are live FitUsers, by any name.
	Objects map[string]*unstructured.Unstructured `json:"objects"`
}

func main() {
	logrus.SetOutput(io.Discard) // Argo CD's log
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	commands := map[string]func(context.Context, *argo) (any, error){
		"sync": syncAll, "diff": diffAll, "health": healthOf, "refresh": refreshed,
	}
	if len(os.Args) != 2 || commands[os.Args[1]] == nil {
		return errors.New("usage: argo sync|diff|health|refresh")
	}
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return err
	}
	a := &argo{config: config}
	if err := json.NewDecoder(os.Stdin).Decode(&a.request); err != nil {
		return fmt.Errorf("reading the request: %w", err)
	}
	answer, err := commands[os.Args[1]](ctx, a)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(answer)
}

// argo is Argo CD with one Application.
type argo struct {
	request
	config *rest.Config
}

// Argo CD's names in a cluster.
const (
	trackingAnnotation = "argocd.argoproj.io/tracking-id"
	fieldManager       = "argocd-controller"
)

// targets returns the manifests with the tracking id that Argo CD adds.
func (a *argo) targets() ([]*unstructured.Unstructured, error) {
	targets, err := kube.SplitYAML([]byte(a.Manifests))
	if err != nil {
		return nil, err
	}
	for _, target := range targets {
		target.SetAnnotations(map[string]string{trackingAnnotation: trackingID(kube.GetResourceKey(target))})
	}
	return targets, nil
}

func trackingID(key kube.ResourceKey) string {
	return fmt.Sprintf("people:%s/%s:%s/%s", key.Group, key.Kind, key.Namespace, key.Name)
}

func isManaged(r *cache.Resource) bool { return r.Info == trackingID(r.ResourceKey()) }

// cluster returns a cache of the namespace that keeps the objects with a tracking id.
func (a *argo) cluster() cache.ClusterCache {
	return cache.NewClusterCache(a.config, cache.SetNamespaces([]string{a.Namespace}), cache.SetLogr(logr.Discard()),
		cache.SetPopulateResourceInfoHandler(func(live *unstructured.Unstructured, _ bool) (info any, cacheManifest bool) {
			id := live.GetAnnotations()[trackingAnnotation]
			return id, id != ""
		}))
}
