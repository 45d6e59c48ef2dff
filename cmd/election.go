package main

import (
	"context"
	"fmt"
	"os"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	coordinationv1client "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/fitai/fituser-operator/internal/state"
)

// The lease of the leader. A leader that ends normally gives it back, and the next one asks every retryPeriod, at the
// latest after 2.2 times that; one that is killed holds it until leaseDuration is over.
const (
	leaseDuration = 15 * time.Second
	renewDeadline = 10 * time.Second
	retryPeriod   = time.Second
)

// election is this process's part in the election of the leader, and the fence that goes with it.
type election struct {
	fence *fence
	lock  *resourcelock.LeaseLock
}

// newElection is made of a config without traces: the renewals of the lease belong to no user.
func newElection(config *rest.Config, namespace string) (*election, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("naming this process for the election: %w", err)
	}
	config = rest.AddUserAgent(config, "leader-election")
	config.Timeout = renewDeadline / 2 // so that one request that hangs does not cost the lease
	api, err := coordinationv1client.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making the client for the lease: %w", err)
	}
	return &election{fence: &fence{}, lock: &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: namespace, Name: state.LeaseName},
		Client:     api,
		LockConfig: resourcelock.ResourceLockConfig{Identity: host + "_" + string(uuid.NewUUID())},
	}}, nil
}

// enter makes the manager take part, and write only while the fence is open.
func (e *election) enter(o *ctrl.Options) {
	o.LeaderElection, o.LeaderElectionID = true, state.LeaseName // the id is a label of client-go's metrics
	o.LeaderElectionResourceLockInterface = fencedLock{e.lock, e.fence}
	o.LeaderElectionReleaseOnCancel = true // safe: the program ends when the manager does
	o.LeaseDuration, o.RenewDeadline, o.RetryPeriod = new(leaseDuration), new(renewDeadline), new(retryPeriod)
	o.NewClient = func(config *rest.Config, options client.Options) (client.Client, error) {
		behind := *options.HTTPClient
		behind.Transport = e.fence.guard(behind.Transport)
		options.HTTPClient = &behind
		return client.New(config, options)
	}
}

// tell lets the lease's events say who leads. The manager that records them needs the lock to be made.
func (e *election) tell(mgr manager.Manager) {
	e.lock.LockConfig.EventRecorder = mgr.GetEventRecorderFor(e.lock.Identity()) //nolint:staticcheck // client-go's election knows no other recorder
}

// fencedLock is the lease, whose renewals open the fence.
type fencedLock struct {
	resourcelock.Interface
	fence *fence
}

// Create implements [resourcelock.Interface].
func (l fencedLock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.write(ctx, record, l.Interface.Create)
}

// Update implements [resourcelock.Interface]. To give the lease back is an update too.
func (l fencedLock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.write(ctx, record, l.Interface.Update)
}

func (l fencedLock) write(
	ctx context.Context, record resourcelock.LeaderElectionRecord, write func(context.Context, resourcelock.LeaderElectionRecord) error,
) error {
	if record.HolderIdentity != l.Identity() {
		l.fence.renewed.Store(nil) // before others can see it
		return write(ctx, record)
	}
	sent := time.Now() // whoever else sees the renewal sees it later
	err := write(ctx, record)
	if err == nil {
		l.fence.renewed.Store(&sent)
	}
	return err
}
