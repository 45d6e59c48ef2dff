package preview

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/controllers/sweep"
	"github.com/fitai/fituser-operator/internal/budget"
	"github.com/fitai/fituser-operator/internal/instance"
	"github.com/fitai/fituser-operator/internal/state"
	"github.com/fitai/fituser-operator/internal/user"
)

// Change is one write that a reconcile would make.
type Change struct {
	User user.ID `json:"user"`
	// Place is one of fituser.PlaceClerk, fituser.PlaceFitUser and fituser.PlaceTable.
	Place string `json:"place"`
	// Action is create, update, delete or status, and for Clerk the role change: grant, revoke, remove_marker.
	Action string `json:"action"`
	// Name is the FitUser's.
	Name string `json:"name,omitempty"`
	// Fields are the columns or the parts of the status that change, without their values.
	Fields []string `json:"fields,omitempty"`
	// Role is the role that is granted or revoked.
	Role user.Role `json:"role,omitempty"`
}

// User is what the next reconcile of a user would do.
type User struct {
	User    user.ID  `json:"user"`
	Changes []Change `json:"changes"`
	// Reason and Message are those of the Ready condition that the active FitUser would have; empty without a FitUser.
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	// Waits is what the reconcile waits for when it would change nothing yet.
	Waits string `json:"waits,omitempty"`
	// RequeueAfter is when it would reconcile again by itself; 0 when it would not.
	RequeueAfter time.Duration `json:"-"`
	// Err is why the preview is incomplete.
	Err error `json:"-"`
}

// Preview runs a reconciler that records its writes.
type Preview struct {
	reconciler *fituser.Reconciler

	mu    sync.Mutex
	users map[user.ID]*User
	// created are the FitUsers that would exist.
	created []*v1alpha1.FitUser
}

// New returns a preview of the reconciler that config and limits describe. config.Store must be opened with the
// store.Options DryRun; config.Instance and config.Budget are made here.
func New(config fituser.Config, guard instance.Config, limits budget.Config) *Preview {
	p := &Preview{users: map[user.ID]*User{}}
	operatorState := &state.Store{
		Client: recordingClient{client.NewDryRunClient(guard.State.Client), p}, Namespace: guard.State.Namespace,
	}
	config.Client = recordingClient{client.NewDryRunClient(config.Client), p}
	config.Live = recordingReader{config.Live, p}
	config.Clerk = recordingClerk{config.Clerk, p}
	config.Store = recordingStore{config.Store, p}
	config.Recorder = &events.FakeRecorder{} // drops the events
	config.Metrics = fituser.NewMetrics(prometheus.NewRegistry())
	config.RevocationGrace = 0 // a manifest that is missing now counts as deleted
	guard.State, guard.Clerk = operatorState, config.Clerk
	limits.State, limits.Recorder = operatorState, config.Recorder
	config.Instance, config.Budget = instance.New(guard), budget.New(limits)
	p.reconciler = fituser.New(config)
	return p
}

// PreviewUser returns what the next reconcile of a user would do.
func (p *Preview) PreviewUser(ctx context.Context, id user.ID) User {
	p.mu.Lock()
	p.users[id] = &User{User: id, Changes: []Change{}}
	p.mu.Unlock()
	requeue, err := p.reconciler.ReconcileUser(ctx, id)
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.users[id]
	u.Err, u.RequeueAfter = err, requeue.After
	if len(u.Changes) == 0 {
		u.Waits = requeue.Waiting
	}
	return *u
}

// workers is how many users are previewed side by side: they share requests to Clerk.
const workers = 32

// Sweep returns what a sweep would find, and what the reconciles after it would do, in the order of user ids. Users in
// sync are left out.
func (p *Preview) Sweep(ctx context.Context, config sweep.Config) (sweep.Report, []User, error) {
	config.Reconciler, config.Metrics = p.reconciler, sweep.NewMetrics(prometheus.NewRegistry())
	done := make(chan struct{})
	var pool sync.WaitGroup
	for range workers {
		pool.Go(func() { p.previewUntil(ctx, done) })
	}
	report, err := sweep.New(config).RunOnce(ctx)
	close(done)
	pool.Wait()
	if err != nil {
		return report, nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []User
	for _, id := range slices.Sorted(maps.Keys(p.users)) {
		u := p.users[id]
		waits := u.RequeueAfter > 0 && u.RequeueAfter <= p.reconciler.LagTolerance // longer waits are in the FitUser's conditions
		if len(u.Changes) > 0 || u.Err != nil || waits {
			found = append(found, *u)
		}
	}
	return report, found, ctx.Err()
}

// previewUntil previews the users that the reconciler is requested for, until the sweep is done and no request is left.
func (p *Preview) previewUntil(ctx context.Context, done <-chan struct{}) {
	for {
		select {
		case req := <-p.reconciler.Requests():
			p.PreviewUser(ctx, req.Object.ID)
			continue
		case <-ctx.Done():
			return
		case <-done:
		}
		select {
		case req := <-p.reconciler.Requests():
			p.PreviewUser(ctx, req.Object.ID)
		default:
			return
		}
	}
}

// record adds a change to the preview of a user.
func (p *Preview) record(id user.ID, change Change) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if u := p.users[id]; u != nil {
		u.Changes = append(u.Changes, change)
	}
}

// recordReady sets the Ready condition that the active FitUser would have.
func (p *Preview) recordReady(id user.ID, ready *metav1.Condition) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if u := p.users[id]; u != nil && ready != nil && ready.Reason != v1alpha1.ReasonDuplicateUser {
		u.Reason, u.Message = ready.Reason, ready.Message
	}
}
