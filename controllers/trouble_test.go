package controllers_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// otherInstance returns a client of another Clerk instance.
func (w *world) otherInstance() clerk.Client {
	w.Helper()
	server := httptest.NewServer(clerktest.NewServer(clerktest.Config{InstanceID: "ins_other"}))
	w.Cleanup(server.Close)
	return clerk.New(clerk.Config{URL: server.URL + "/v1", Key: testKey, RequestsPerSecond: 10_000})
}

// useKeyOf makes the reconciler use another instance's key.
func (w *world) useKeyOf(other clerk.Client) {
	w.Instance.Clerk, w.Instance.Key = other, func() string { return "another key" }
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

	w.Clerk = w.otherInstance()
	w.useKeyOf(w.Clerk)
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
		if !strings.HasPrefix(message, role+" is to be revoked, but is not yet: the secret key belongs") {
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
	other := w.otherInstance()
	w.Clerk = getting{other, func() { w.useKeyOf(other) }}
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
