package leader

import (
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
)

// LeaseName is the name of the Lease with which the replicas of one namespace elect their leader.
const LeaseName = "fituser-operator"

// The times of the lease. A leader that ends normally releases it. The others try to acquire it every RetryPeriod, and at
// the latest after 2.2 times that. A leader that is killed holds it until LeaseDuration is over.
const (
	LeaseDuration = 15 * time.Second
	RenewDeadline = 10 * time.Second
	RetryPeriod   = time.Second
)

// Election is this process's part in the leader election.
type Election struct {
	fence *Fence
	lock  *resourcelock.LeaseLock
}

// NewElection prepares the election in a namespace. It sends nothing. The config should have no tracing: renewals of the
// lease belong to no user.
func NewElection(config *rest.Config, namespace string) (*Election, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("naming this process for the election: %w", err)
	}
	config = rest.AddUserAgent(rest.CopyConfig(config), "leader-election") // which changes its argument
	config.Timeout = RenewDeadline / 2                                     // so that one request that hangs does not cost the lease
	api, err := coordinationv1client.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("creating the client for the lease: %w", err)
	}
	return &Election{fence: &Fence{}, lock: &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: namespace, Name: LeaseName},
		Client:     api,
		LockConfig: resourcelock.ResourceLockConfig{Identity: host + "_" + string(uuid.NewUUID())},
	}}, nil
}

// Fence is open while this process leads.
func (e *Election) Fence() *Fence { return e.fence }

// Configure makes the manager take part in the election. Its client writes only while the fence is open.
func (e *Election) Configure(o *ctrl.Options) {
	o.LeaderElection, o.LeaderElectionID = true, LeaseName // the id is a label of client-go's metrics
	o.LeaderElectionResourceLockInterface = fencedLock{e.lock, e.fence}
	o.LeaderElectionReleaseOnCancel = true // safe: the program ends when the manager does
	o.LeaseDuration, o.RenewDeadline, o.RetryPeriod = new(LeaseDuration), new(RenewDeadline), new(RetryPeriod)
	o.NewClient = func(config *rest.Config, options client.Options) (client.Client, error) {
		fenced := *options.HTTPClient
		fenced.Transport = e.fence.transport(fenced.Transport)
		options.HTTPClient = &fenced
		return client.New(config, options)
	}
}

// SetRecorder makes the lease's events name the leader. Configure comes first: the manager needs the lock, and its
// recorder exists only after it is created.
func (e *Election) SetRecorder(mgr manager.Manager) {
	e.lock.LockConfig.EventRecorder = mgr.GetEventRecorderFor(e.lock.Identity()) //nolint:staticcheck // client-go's election accepts only this recorder
}
