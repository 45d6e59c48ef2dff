package controllers

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
	// Action is create, update, delete or status, and for Clerk what becomes of the role: grant, revoke, remove_marker.
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
// the store.Options DryRun.
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
