package controllers

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// anotherInstance makes the reconciler use another instance's key from the next look on.
func (w *world) anotherInstance() {
	w.Helper()
	server := httptest.NewServer(clerktest.NewServer(clerktest.Config{InstanceID: "ins_other"}))
	w.Cleanup(server.Close)
	w.Clerk = clerk.New(clerk.Config{URL: server.URL + "/v1", Key: testKey, RequestsPerSecond: 10_000})
	w.Instance.Clerk, w.Instance.Key = w.Clerk, func() string { return "another key" }
}

// What stops everybody is one finding, shared by all workers. What it means for a right is for its user alone.
func TestTroubleOfAllIsNoReasonToTakeBackTheRightOfEach(t *testing.T) {
	w := newWorld(t)
	jane, jim, joe := w.signUp("jane"), w.signUp("jim"), w.signUp("joe")
	coach := w.manifest("coach", jane, v1alpha1.FitUserSpec{Role: "trainer"})
	admin := w.manifest("admin", jim, v1alpha1.FitUserSpec{Role: "admin"})
	w.settle(jane, jim, joe)
	w.change(coach, func(u *v1alpha1.FitUser) { u.Spec.Role = "" })
	w.change(admin, func(u *v1alpha1.FitUser) { u.Spec.Role = "" })

	w.anotherInstance()
	var workers sync.WaitGroup
	for _, id := range []user.ID{jane, jim, joe} {
		workers.Go(func() { _, _ = w.Reconcile(w.ctx, id) })
	}
	workers.Wait()
	w.settle(jane, jim, joe)
	w.wantReason(joe, v1alpha1.ReasonWrongInstance)
	for id, role := range map[user.ID]string{jane: "trainer", jim: "admin"} {
		w.wantReason(id, v1alpha1.ReasonRevocationPending)
		message := meta.FindStatusCondition(w.fitUser(id).Status.Conditions, v1alpha1.ConditionReady).Message
		if !strings.HasPrefix(message, role+" is to be taken back, but is not yet: the secret key belongs") {
			t.Errorf("of %s it is said: %s", id, message)
		}
	}
}

// getting lets something happen while Clerk is asked about a user.
type getting struct {
	clerk.Client
	meanwhile func()
}

func (g getting) Get(ctx context.Context, id user.ID) (user.User, error) {
	g.meanwhile()
	return g.Client.Get(ctx, id)
}

// A request waits for its turn, and is sent with the key of that moment: another instance's "no such user" proves nothing.
func TestKeyThatChangesWhileClerkIsAsked(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.settle(jane)
	wrong := *w
	wrong.Reconciler = &Reconciler{Instance: &InstanceGuard{}}
	wrong.anotherInstance()
	w.Clerk = getting{wrong.Clerk, func() { w.Instance.Clerk, w.Instance.Key = wrong.Clerk, wrong.Instance.Key }}
	w.settle(jane)
	w.wantReason(jane, v1alpha1.ReasonWrongInstance)
	w.wantRow(jane, user.Client)
}

// putting lets something happen before a row is written, as often as it is not nil.
type putting struct {
	store.Store
	meanwhile func()
}

func (p *putting) Put(ctx context.Context, row user.Row, moves []store.Move) error {
	if meanwhile := p.meanwhile; meanwhile != nil && len(moves) > 0 {
		p.meanwhile = nil
		meanwhile()
	}
	return p.Store.Put(ctx, row, moves)
}

// Two users whose addresses are exchanged are often looked at in the same moment.
func TestAddressesExchangedByTwoAtTheSameMoment(t *testing.T) {
	w := newWorld(t)
	jane, joe := w.signUp("jane"), w.signUp("joe")
	w.settle(jane, joe)
	w.clerk.SwapEmails(string(jane), string(joe))
	w.Store = &putting{w.Store, func() {
		if _, err := w.reconcile(joe); err != nil {
			t.Error(err)
		}
	}}
	if _, err := w.reconcile(jane); err != nil {
		t.Error(err)
	}
	w.wantReady(jane)
	w.wantReady(joe)
	w.wantRow(jane, user.Client)
	w.wantRow(joe, user.Client)
}

// Whoever keeps winning the race for an address is another row, and not the database.
func TestRaceForAnAddressIsNoTroubleOfTheDatabase(t *testing.T) {
	t.Parallel()
	for _, err := range []error{store.ErrConflict, store.ErrNotFound} {
		if got := storeTrouble(err); got.reason != v1alpha1.ReasonRowPending || got.status() != metav1.ConditionUnknown || !errors.Is(got.err, err) {
			t.Errorf("of %v it is said: %+v", err, got)
		}
	}
}

// askingInstance lets something happen while Clerk is asked whose key it is.
type askingInstance struct {
	clerk.Client
	meanwhile func()
}

func (a askingInstance) Instance(ctx context.Context) (string, error) {
	a.meanwhile()
	return a.Client.Instance(ctx)
}

// The right answer to another key's question makes no key right.
func TestKeyThatChangesWhileItIsChecked(t *testing.T) {
	w := newWorld(t)
	key := "the first key"
	w.Instance.Key = func() string { return key }
	ours := w.Instance.Clerk
	w.Instance.Clerk = askingInstance{ours, func() { key = "the second key" }}
	if trouble := w.Instance.check(w.ctx); trouble == nil || trouble.status() != metav1.ConditionUnknown {
		t.Errorf("trouble: %+v", trouble)
	}
	w.Instance.Clerk = ours
	if trouble := w.Instance.check(w.ctx); trouble != nil {
		t.Errorf("the second key: %s", trouble.message)
	}
	if w.Instance.verified != "the second key" {
		t.Errorf("verified: %s", w.Instance.verified)
	}
}
