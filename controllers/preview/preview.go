package preview

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/controllers/sweep"
	"github.com/fitai/fituser-operator/internal/budget"
	"github.com/fitai/fituser-operator/internal/instance"
	"github.com/fitai/fituser-operator/internal/state"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// Change is one write that a reconcile would make.
type Change struct {
	User user.ID `json:"user"`
	// Place is one of fituser.PlaceClerk, fituser.PlaceFitUser and fituser.PlaceTable.
	Place string `json:"place"`
	// Action is create, update, delete or status, for Clerk the role change (grant, revoke, remove_marker) or set_external_id, and
	// for the table also adopt, anonymize and soft_delete.
	Action string `json:"action"`
	// Name is the FitUser's.
	Name string `json:"name,omitempty"`
	// Fields are the columns or the parts of the status that change, without their values.
	Fields []string `json:"fields,omitempty"`
	// Role is the role that is granted or revoked.
	Role user.Role `json:"role,omitempty"`
}

// RoleChange is how a user's role in force would change.
type RoleChange struct {
	From, To user.Role
	// Former is the marker of the role before, Marker the one after; zero without a marker.
	Former, Marker user.Marker
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
	// Role is how the role in force would change; nil when it would not.
	Role *RoleChange `json:"-"`
	// FitUser is the name of the active FitUser, if its status would change.
	FitUser string `json:"-"`
	// Err is why the preview is incomplete.
	Err error `json:"-"`
}

// Preview runs a reconciler that records its writes.
type Preview struct {
	reconciler *fituser.Reconciler
	overlay    *overlay
	// workers is how many users are previewed side by side: they share requests to Clerk.
	workers int

	mu    sync.Mutex
	users map[user.ID]*User
	// accounts are the users in Clerk, as they were read and would be written.
	accounts map[user.ID]user.User
	// adopted are the rows that users would adopt, by their new key.
	adopted map[user.ID]store.Holder
	// vacated are addresses whose user does not hold them any more.
	vacated []string
}

// manyWorkers is how many users are previewed side by side where their order does not count.
const manyWorkers = 32

// ownerPlaceholder stands for the owner id that the operator generates at its first start.
const ownerPlaceholder = "generated-at-the-first-start"

// New returns a preview of the reconciler that config and limits describe. config.Store must be opened with the
// store.Options DryRun; config.Instance and config.Budget are made here.
func New(config fituser.Config, guard instance.Config, limits budget.Config) *Preview {
	p := &Preview{
		adopted: map[user.ID]store.Holder{}, users: map[user.ID]*User{}, accounts: map[user.ID]user.User{}, overlay: newOverlay(),
		workers: manyWorkers,
	}
	operatorState := &state.Store{Client: p.recordingClient(guard.State.Client), Namespace: guard.State.Namespace}
	config.Client = p.recordingClient(config.Client)
	config.Live = overlaid{config.Live, p.overlay}
	config.Clerk, config.ExternalIDs = recordingClerk{config.Clerk, p}, recordingExternalIDs{p}
	config.Store = recordingStore{config.Store, p}
	config.Recorder = &events.FakeRecorder{} // drops the events
	config.Metrics = fituser.NewMetrics(prometheus.NewRegistry(), config.Roles, config.Store.Table().Mapping)
	config.RevocationGrace = 0 // a manifest that is missing now counts as deleted
	owner := config.Owner
	config.Owner = func(ctx context.Context) (string, error) {
		id, err := owner(ctx)
		return cmp.Or(id, ownerPlaceholder), err
	}
	config.Rules = once(config.Rules)
	guard.State, guard.Clerk = operatorState, config.Clerk
	limits.State, limits.Recorder = operatorState, config.Recorder
	config.Instance, config.Budget = instance.New(guard), budget.New(limits)
	p.reconciler = fituser.New(config)
	return p
}

// once returns read, which is called until it succeeds: a preview is about one moment.
func once[T any](read func(context.Context) (T, error)) func(context.Context) (T, error) {
	var mu sync.Mutex
	var value T
	var known bool
	return func(ctx context.Context) (T, error) {
		mu.Lock()
		defer mu.Unlock()
		if known {
			return value, nil
		}
		var err error
		value, err = read(ctx)
		known = err == nil
		return value, err
	}
}

// Objects are the FitUsers and RoleRules that manifests would leave.
type Objects struct {
	// FitUsers would be created or changed, Deleted are the names of those that would be deleted.
	FitUsers []*v1alpha1.FitUser
	Deleted  []string
	// RoleRules are all that there would be.
	RoleRules []v1alpha1.RoleRule
	// Rules reads them as the operator does.
	Rules func(client.Reader) func(context.Context) (user.Rules, error)
}

// Apply makes the preview one of the time after manifests are applied. Users are previewed one after the other from then on,
// so that a limit leaves out the same users each time.
func (p *Preview) Apply(objects Objects) {
	for _, u := range objects.FitUsers {
		p.overlay.put(u)
	}
	for _, name := range objects.Deleted {
		p.overlay.drop(name)
	}
	p.overlay.rules, p.overlay.replacesRules = objects.RoleRules, true
	p.reconciler.Rules = once(objects.Rules(p.reconciler.Client))
	p.workers = 1
}

// FitUsers returns the FitUsers as they would be. They are shared and must not be modified.
func (p *Preview) FitUsers(ctx context.Context) ([]v1alpha1.FitUser, error) {
	var all v1alpha1.FitUserList
	err := p.reconciler.Client.List(ctx, &all, client.InNamespace(p.reconciler.Namespace),
		client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency)
	if err != nil {
		return nil, fmt.Errorf("listing FitUsers: %w", err)
	}
	return all.Items, nil
}

// Account returns a user in Clerk, if the preview has read them.
func (p *Preview) Account(id user.ID) (user.User, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	u, known := p.accounts[id]
	return u, known
}

// PreviewUser returns what the next reconcile of a user would do, together with what earlier ones in this preview would.
func (p *Preview) PreviewUser(ctx context.Context, id user.ID) User {
	p.mu.Lock()
	u := p.users[id]
	if u == nil {
		u = &User{User: id, Changes: []Change{}}
		p.users[id] = u
	}
	p.mu.Unlock()
	requeue, err := p.reconciler.ReconcileUser(withPreviewedUser(ctx, id), id)
	p.mu.Lock()
	defer p.mu.Unlock()
	u.Err, u.RequeueAfter, u.Waits = err, requeue.After, ""
	if len(u.Changes) == 0 {
		u.Waits = requeue.Waiting
	}
	return *u
}

// Sweep returns what a sweep would find, and what the reconciles after it would do, in the order of user ids. Users in
// sync are left out. The users ids are reconciled although the sweep may not name them.
func (p *Preview) Sweep(ctx context.Context, config sweep.Config, ids ...user.ID) (sweep.Report, []User, error) {
	config.Reconciler, config.Metrics = p.reconciler, sweep.NewMetrics(prometheus.NewRegistry())
	config.Cache = overlaid{config.Cache, p.overlay}
	var report sweep.Report
	done := make(chan error, 1)
	go func() {
		var err error
		report, err = sweep.New(config).RunOnce(ctx)
		done <- err
	}()
	if err := p.previewRequested(ctx, done, nil); err != nil {
		return report, nil, err
	}
	ids = slices.DeleteFunc(slices.Clone(ids), func(id user.ID) bool { return id == "" || p.previewed(id) })
	if err := p.previewRequested(ctx, nil, ids); err != nil {
		return report, nil, err
	}
	if err := p.settle(ctx); err != nil {
		return report, nil, err
	}
	return report, p.found(), ctx.Err()
}

// found returns the previews of users who would change, or whose preview is not known yet.
func (p *Preview) found() []User {
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
	return found
}

// previewRequested previews queue and the users that the reconciler is requested for, until the sweep is done and no request
// is left. It receives requests all the time: a reconcile may request another one, and would wait for room.
func (p *Preview) previewRequested(ctx context.Context, swept <-chan error, queue []user.ID) (sweepErr error) {
	running, finished := 0, make(chan struct{})
	for {
		for ; running < p.workers && len(queue) > 0; running++ {
			id := queue[0]
			queue = queue[1:]
			go func() {
				p.PreviewUser(ctx, id)
				finished <- struct{}{}
			}()
		}
		if swept == nil && running == 0 && len(p.reconciler.Requests()) == 0 {
			return sweepErr
		}
		select {
		case req := <-p.reconciler.Requests():
			queue = append(queue, req.Object.ID)
		case <-finished:
			running--
		case sweepErr = <-swept:
			swept = nil
		}
	}
}

// settle previews what follows from the first previews: an address that one user lost may have another holder now, and the
// protected role can be revoked once others hold it.
func (p *Preview) settle(ctx context.Context) error {
	if err := p.followAddresses(ctx); err != nil {
		return err
	}
	for {
		kept, err := p.lastAdmins(ctx)
		if err != nil {
			return err
		}
		if err := p.previewRequested(ctx, nil, kept); err != nil {
			return err
		}
		if after, err := p.lastAdmins(ctx); err != nil || len(after) >= len(kept) {
			return err
		}
	}
}

func (p *Preview) followAddresses(ctx context.Context) error {
	for {
		p.mu.Lock()
		vacated := p.vacated
		p.vacated = nil
		p.mu.Unlock()
		if len(vacated) == 0 {
			return ctx.Err()
		}
		for _, address := range vacated {
			if _, err := p.reconciler.ReconcileAddress(ctx, address); err != nil {
				return err
			}
			if err := p.previewRequested(ctx, nil, nil); err != nil {
				return err
			}
		}
	}
}

// lastAdmins returns the users who would keep the protected role because too few others hold it.
func (p *Preview) lastAdmins(ctx context.Context) ([]user.ID, error) {
	all, err := p.FitUsers(ctx)
	if err != nil {
		return nil, err
	}
	var ids []user.ID
	for i := range all {
		id := user.ID(all[i].UserID())
		if fituser.ReadyReason(&all[i]) == v1alpha1.ReasonLastAdmin && id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}
