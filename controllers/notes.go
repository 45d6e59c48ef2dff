package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ConfigMapName is the ConfigMap in which the operator notes what must outlive it, and in which a person answers.
const ConfigMapName = "fituser-operator"

// Notes is that ConfigMap. It is small and seldom used, so it is read from the API server itself.
type Notes struct {
	// Client has no cache.
	Client    client.Client
	Namespace string
}

// read is the ConfigMap as it is; one that is not there is empty.
func (n *Notes) read(ctx context.Context) (*corev1.ConfigMap, error) {
	configMap := &corev1.ConfigMap{}
	configMap.Namespace, configMap.Name = n.Namespace, ConfigMapName
	err := n.Client.Get(ctx, client.ObjectKeyFromObject(configMap), configMap)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading ConfigMap %s: %w", ConfigMapName, err)
	}
	if configMap.Data == nil {
		configMap.Data = map[string]string{}
	}
	return configMap, nil
}

// update lets change change the ConfigMap, as often as it takes to do so on its latest version, and writes it if change
// says that it did. It returns the ConfigMap as it then is.
func (n *Notes) update(ctx context.Context, change func(*corev1.ConfigMap) (changed bool)) (*corev1.ConfigMap, error) {
	var latest *corev1.ConfigMap
	err := retry.OnError(retry.DefaultRetry, mayRepeat, func() (err error) {
		if latest, err = n.read(ctx); err != nil || !change(latest) {
			return err
		}
		if latest.ResourceVersion == "" {
			return n.Client.Create(ctx, latest)
		}
		return n.Client.Update(ctx, latest)
	})
	if err != nil {
		return nil, fmt.Errorf("writing ConfigMap %s: %w", ConfigMapName, err)
	}
	return latest, nil
}

func mayRepeat(err error) bool { return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) }
