package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// Places where a [Change] happens.
const (
	PlaceClerk   = "clerk"
	PlaceFitUser = "fituser"
	PlaceTable   = "table"
)

// Change is one write that a reconcile would make.
type Change struct {
	User  user.ID `json:"user"`
	Place string  `json:"place"`
	// Action is create, update, delete or status, and for Clerk what becomes of the role: give, take back, drop mark.
	Action string `json:"action"`
	// Name is the FitUser's.
	Name string `json:"name,omitempty"`
	// Fields are the columns or the parts of the status that change. No value of a person is here.
	Fields []string `json:"fields,omitempty"`
	// Role is the role that is given or taken back.
	Role user.Role `json:"role,omitempty"`
}

// Outlook is what the next reconcile of a user would do.
type Outlook struct {
	User    user.ID  `json:"user"`
	Changes []Change `json:"changes"`
	// Reason and Message are what the Ready condition of the user's FitUser would say; empty without a FitUser.
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	// Waits is what it waits for when it would change nothing and look again; empty when that is not known.
	Waits string `json:"waits,omitempty"`
	// Again is after what time it would look once more by itself; 0 when it would not.
	Again time.Duration `json:"-"`
	// Err is why it could not say more.
	Err error `json:"-"`
}

// DryRun lets a Reconciler decide and notes what it would write, so that what is announced is decided by the very code
// that will act. Nothing is written to Clerk or to the API server; the table is asked in transactions that are rolled back.
type DryRun struct {
	reconciler *Reconciler

	mu sync.Mutex
	// outlooks are the outlooks by the user who was looked at.
	outlooks map[user.ID]*Outlook
	// heard is what Clerk said last of each user who was asked for.
	heard map[user.ID]heard
	// made are the FitUsers that would be there by now.
	made []*v1alpha1.FitUser
}

// NewDryRun makes a dry run of r, which must not be used otherwise, and whose Store was opened with
// [store.Options.DryRun].
func NewDryRun(r *Reconciler) *DryRun {
	d := &DryRun{reconciler: r, outlooks: map[user.ID]*Outlook{}, heard: map[user.ID]heard{}}
	notes := *r.Instance.Notes
	notes.Client = dryClient{client.NewDryRunClient(notes.Client), d}
	r.Instance.Notes, r.Deletions.Notes = &notes, &notes
	r.Client = dryClient{client.NewDryRunClient(r.Client), d}
	r.Live = dryReader{r.Live, d}
	r.Clerk = dryClerk{r.Clerk, d}
	r.Store = dryStore{r.Store, d}
	nobody := &events.FakeRecorder{} // hears of what does not happen
	r.Metrics = NewMetrics(prometheus.NewRegistry())
	r.Deletions.Metrics = r.Metrics
	r.Recorder, r.Deletions.Recorder = nobody, nobody
	r.TakeBackGrace = 0 // a manifest that is gone now is taken for gone
	r.prepare()
	return d
}

// Look says what the next reconcile of a user would do.
func (d *DryRun) Look(ctx context.Context, id user.ID) Outlook {
	d.mu.Lock()
	d.outlooks[id] = &Outlook{User: id, Changes: []Change{}}
	d.mu.Unlock()
	result, err := d.reconciler.Reconcile(ctx, id)
	waits := d.waits(ctx, id, result.RequeueAfter)
	d.mu.Lock()
	defer d.mu.Unlock()
	o := d.outlooks[id]
	o.Err, o.Again = err, result.RequeueAfter
	if len(o.Changes) == 0 {
		o.Waits = waits
	}
	return *o
}

// lookers is how many users a dry run looks at side by side: they share requests to Clerk.
const lookers = 32

// Sweep says what a sweep would find, and what the reconciles after it would do, in the order of the users' ids. Users who
// agree are not among them.
func (d *DryRun) Sweep(ctx context.Context, s *Sweeper) (Report, []Outlook, error) {
	s.Reconciler = d.reconciler
	done := make(chan struct{})
	var workers sync.WaitGroup
	for range lookers {
		workers.Go(func() { d.lookUntil(ctx, done) })
	}
	report, err := s.RunOnce(ctx)
	close(done)
	workers.Wait()
	if err != nil {
		return report, nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var found []Outlook
	for _, id := range slices.Sorted(maps.Keys(d.outlooks)) {
		o := d.outlooks[id]
		waits := o.Again > 0 && o.Again <= d.reconciler.LagTolerance // longer waits are troubles, and the FitUser says them
		if len(o.Changes) > 0 || o.Err != nil || waits {
			found = append(found, *o)
		}
	}
	return report, found, ctx.Err()
}

// lookUntil looks at whomever the reconciler asks for, until the sweep is done and nobody is left.
func (d *DryRun) lookUntil(ctx context.Context, done <-chan struct{}) {
	for {
		select {
		case wish := <-d.reconciler.requests:
			d.Look(ctx, wish.Object.id)
			continue
		case <-ctx.Done():
			return
		case <-done:
		}
		select {
		case wish := <-d.reconciler.requests:
			d.Look(ctx, wish.Object.id)
		default:
			return
		}
	}
}

// note adds a change to the outlook of the user who is looked at.
func (d *DryRun) note(looked user.ID, change Change) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if o := d.outlooks[looked]; o != nil {
		o.Changes = append(o.Changes, change)
	}
}

// conclude notes what the FitUser that serves would say of itself.
func (d *DryRun) conclude(looked user.ID, ready *metav1.Condition) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if o := d.outlooks[looked]; o != nil && ready != nil && ready.Reason != v1alpha1.ReasonDuplicateUser {
		o.Reason, o.Message = ready.Reason, ready.Message
	}
}

// dryClient notes what would be written to FitUsers. All else would be refused or tried in vain: what is underneath asks
// the API server for dry runs.
type dryClient struct {
	client.Client
	run *DryRun
}

func (c dryClient) Create(_ context.Context, object client.Object, _ ...client.CreateOption) error {
	if made, ok := object.(*v1alpha1.FitUser); ok {
		made.UID, made.ResourceVersion, made.Generation = types.UID("would-be-"+made.Name), "0", 1
		c.run.mu.Lock()
		c.run.made = append(c.run.made, made)
		c.run.mu.Unlock()
		id := user.ID(made.Spec.ClerkUserID)
		c.run.note(id, Change{User: id, Place: PlaceFitUser, Action: "create", Name: made.Name})
	}
	return nil
}

func (c dryClient) Update(context.Context, client.Object, ...client.UpdateOption) error { return nil }

func (c dryClient) Delete(_ context.Context, object client.Object, _ ...client.DeleteOption) error {
	if gone, ok := object.(*v1alpha1.FitUser); ok {
		id := user.ID(gone.Spec.ClerkUserID)
		c.run.note(id, Change{User: id, Place: PlaceFitUser, Action: "delete", Name: gone.Name})
	}
	return nil
}

func (c dryClient) Status() client.SubResourceWriter {
	return dryStatus{c.Client.Status(), c.run}
}

type dryStatus struct {
	client.SubResourceWriter
	run *DryRun
}

func (s dryStatus) Patch(
	_ context.Context, object client.Object, patch client.Patch, _ ...client.SubResourcePatchOption,
) error {
	fitUser, ok := object.(*v1alpha1.FitUser)
	if !ok {
		return nil
	}
	data, err := patch.Data(object)
	if err != nil {
		return fmt.Errorf("making the patch of a status: %w", err)
	}
	var changed struct {
		Status map[string]json.RawMessage `json:"status"`
	}
	if err := json.Unmarshal(data, &changed); err != nil {
		return fmt.Errorf("reading the patch of a status: %w", err)
	}
	delete(changed.Status, "lastChangeTime") // it follows the others
	id := user.ID(fitUser.Spec.ClerkUserID)
	s.run.note(id, Change{
		User: id, Place: PlaceFitUser, Action: "status", Name: fitUser.Name, Fields: slices.Sorted(maps.Keys(changed.Status)),
	})
	s.run.conclude(id, meta.FindStatusCondition(fitUser.Status.Conditions, v1alpha1.ConditionReady))
	return nil
}

// dryReader reads what would be there.
type dryReader struct {
	client.Reader
	run *DryRun
}

func (r dryReader) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	if err := r.Reader.List(ctx, list, options...); err != nil {
		return err
	}
	var asked client.ListOptions
	asked.ApplyOptions(options)
	fitUsers, ok := list.(*v1alpha1.FitUserList)
	if !ok || asked.FieldSelector == nil {
		return nil
	}
	id, _ := asked.FieldSelector.RequiresExactMatch(v1alpha1.FieldClerkUserID)
	r.run.mu.Lock()
	defer r.run.mu.Unlock()
	for _, made := range r.run.made {
		if made.Spec.ClerkUserID == id {
			fitUsers.Items = append(fitUsers.Items, *made)
		}
	}
	return nil
}

// dryClerk answers a write with what Clerk would hold after it.
type dryClerk struct {
	clerk.Client
	run *DryRun
}

func (c dryClerk) WriteRole(ctx context.Context, id user.ID, change user.RoleChange, role user.Role) (user.User, error) {
	u, err := c.Get(ctx, id)
	if err != nil {
		return user.User{}, err
	}
	noted := Change{User: id, Place: PlaceClerk, Action: change.String(), Role: role}
	switch change {
	case user.GiveRole:
		u.Role, u.Marked, u.MarkedRole = string(role), true, string(role)
	case user.TakeBackRole:
		noted.Role = user.Role(u.Role)
		u.Role, u.Marked, u.MarkedRole = "", false, ""
	case user.DropMark:
		noted.Role = ""
		u.Marked, u.MarkedRole = false, ""
	case user.KeepRole:
	}
	c.run.note(id, noted)
	return u, nil
}

// dryStore notes what would be written to the table, once the table has not refused it.
type dryStore struct {
	store.Store
	run *DryRun
}

func (s dryStore) Put(ctx context.Context, row user.Row, moves []store.Move) error {
	before, readErr := s.Get(ctx, row.ID)
	if err := s.Store.Put(ctx, row, moves); err != nil {
		return err
	}
	for _, move := range moves {
		s.run.note(row.ID, Change{User: move.ID, Place: PlaceTable, Action: "update", Fields: []string{string(user.ColumnEmail)}})
	}
	change := Change{User: row.ID, Place: PlaceTable, Action: "create"}
	if readErr == nil {
		change.Action, change.Fields = "update", driftOfRow(true, row.Diff(before))
	}
	s.run.note(row.ID, change)
	return nil
}

func (s dryStore) Delete(ctx context.Context, id user.ID) (removed bool, err error) {
	if removed, err = s.Store.Delete(ctx, id); removed {
		s.run.note(id, Change{User: id, Place: PlaceTable, Action: "delete"})
	}
	return removed, err
}
