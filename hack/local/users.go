package main

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
)

// users reads FitUsers.
type users struct{ client client.Client }

func newUsers(config *rest.Config) (users, error) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return users{}, fmt.Errorf("registering the API types: %w", err)
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return users{}, fmt.Errorf("creating a client: %w", err)
	}
	return users{c}, nil
}

// checkReady returns an error for each Clerk id without a FitUser that is Ready, with the reason.
func (u users) checkReady(ctx context.Context, ids []string) error {
	var list v1alpha1.FitUserList
	if err := u.client.List(ctx, &list, client.InNamespace("default")); err != nil {
		return fmt.Errorf("listing FitUsers: %w", err)
	}
	found := map[string]*v1alpha1.FitUser{}
	for i := range list.Items {
		found[list.Items[i].Spec.ClerkUserID] = &list.Items[i]
	}
	var errs []error
	for _, id := range ids {
		errs = append(errs, checkOne(id, found[id]))
	}
	return errors.Join(errs...)
}

func checkOne(id string, fitUser *v1alpha1.FitUser) error {
	if fitUser == nil {
		return fmt.Errorf("%s has no FitUser", id)
	}
	ready := meta.FindStatusCondition(fitUser.Status.Conditions, v1alpha1.ConditionReady)
	switch {
	case ready == nil:
		return fmt.Errorf("%s has no status", fitUser.Name)
	case ready.Status != "True":
		return fmt.Errorf("%s is not ready: %s: %s", fitUser.Name, ready.Reason, ready.Message)
	}
	return nil
}
