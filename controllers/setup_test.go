package controllers_test

import (
	"sync/atomic"
	"testing"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/testenv/eventually"
	"github.com/fitai/fituser-operator/internal/user"
)

// A reconcile that panics fails for one user and is repeated. All other users are reconciled.
func TestReconcile_PanicAffectsOneUser(t *testing.T) {
	w := newWorld(t)
	jane, joe := w.signUp("jane"), w.signUp("joe")
	var panics atomic.Int32
	w.Clerk = clerkWithHook{w.Clerk, func() {
		if panics.Add(1) <= 3 {
			panic("a panic of the test")
		}
	}}
	yes := true
	mgr, err := ctrl.NewManager(w.env.Config, ctrl.Options{
		Scheme: testScheme(t), Cache: fituser.CacheOptions(w.namespace), Metrics: metricsserver.Options{BindAddress: "0"},
		Client:     client.Options{Cache: &client.CacheOptions{EnableReadYourWritesConsistency: &yes}},
		Controller: config.Controller{SkipNameValidation: &yes}, // with -count, several are made in one process
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Reconciler.Client = mgr.GetClient()
	if err := w.SetupWithManager(w.ctx, mgr); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(w.ctx) }()
	for _, id := range []user.ID{jane, joe} {
		w.manifest(fitusers.NameFor(string(id), 0), id, v1alpha1.FitUserSpec{})
	}
	eventually.Holds(w, "the state is reached", func() bool { return w.table.Row(jane) != nil && w.table.Row(joe) != nil })
	select {
	case err := <-ended:
		t.Errorf("the manager ended: %v", err)
	default:
	}
}
