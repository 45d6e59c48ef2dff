package controllers

import (
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/user"
)

// A look that panics is a failed look at one user: it is repeated, and all others go on.
func TestAPanicIsOneUsersTrouble(t *testing.T) {
	w := newWorld(t)
	jane, joe := w.signUp("jane"), w.signUp("joe")
	var panics atomic.Int32
	w.Clerk = getting{w.Clerk, func() {
		if panics.Add(1) <= 3 {
			panic("a fault of the test")
		}
	}}
	yes := true
	mgr, err := ctrl.NewManager(w.env.Config, ctrl.Options{
		Scheme: testScheme(t), Cache: CacheOptions(w.namespace), Metrics: metricsserver.Options{BindAddress: "0"},
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
	w.eventually(func() bool { return w.table.Row(jane) != nil && w.table.Row(joe) != nil })
	select {
	case err := <-ended:
		t.Errorf("the manager ended: %v", err)
	default:
	}
}

// At the start a request for each user would be far dearer than the listing of the sweep that follows.
func TestWhoIsLookedAtBeforeTheFirstSweep(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, c := range map[string]struct {
		reason  string
		hinted  time.Duration // before now; none where 0
		change  func(*v1alpha1.FitUser)
		pending bool
	}{
		"agrees":                               {reason: v1alpha1.ReasonSynced},
		"agrees, and was edited since":         {reason: v1alpha1.ReasonSynced, change: func(u *v1alpha1.FitUser) { u.Generation++ }, pending: true},
		"agrees, and an event came since":      {reason: v1alpha1.ReasonSynced, hinted: time.Minute, pending: true},
		"agrees, and an event came long ago":   {reason: v1alpha1.ReasonSynced, hinted: 2 * time.Hour},
		"was never looked at":                  {change: func(u *v1alpha1.FitUser) { u.Status = v1alpha1.FitUserStatus{} }, pending: true},
		"waits for a database":                 {reason: v1alpha1.ReasonDatabaseUnavailable, pending: true},
		"waits for its user":                   {reason: v1alpha1.ReasonUserNotFound, pending: true},
		"has no address":                       {reason: v1alpha1.ReasonEmailMissing},
		"has no address, and an event is new":  {reason: v1alpha1.ReasonEmailMissing, hinted: time.Minute, pending: true},
		"has no address, and its event is old": {reason: v1alpha1.ReasonEmailMissing, hinted: 2 * time.Hour},
	} {
		u := fitusers.New("here", "user_jane", 0)
		u.Generation, u.Status.ObservedGeneration = 1, 1
		status := metav1.ConditionFalse
		if c.reason == v1alpha1.ReasonSynced {
			status = metav1.ConditionTrue
		}
		u.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: status, Reason: c.reason}}
		if c.hinted > 0 {
			hint := v1alpha1.Hint{MessageID: "msg_1", Type: v1alpha1.UserUpdated, ReceivedAt: now.Add(-c.hinted).UnixMilli()}
			setAnnotation(u, v1alpha1.AnnotationHint, hint.Encode())
		}
		if c.change != nil {
			c.change(u)
		}
		if got := pending(u, now); got != c.pending {
			t.Errorf("one who %s: pending %v", name, got)
		}
	}
}
