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

// A global error is one value that all workers share. A pending revocation in it must not reach other users.
func TestReconcile_GlobalErrorDoesNotRevokeRoles(t *testing.T) {
	w := newWorld(t)
	jane, jim, joe := w.signUp("jane"), w.signUp("jim"), w.signUp("joe")
	coach := w.manifest("coach", jane, v1alpha1.FitUserSpec{Role: "trainer"})
	admin := w.manifest("admin", jim, v1alpha1.FitUserSpec{Role: "admin"})
	w.reconcileUntilStable(jane, jim, joe)
	w.change(coach, func(u *v1alpha1.FitUser) { u.Spec.Role = "" })
	w.change(admin, func(u *v1alpha1.FitUser) { u.Spec.Role = "" })

	w.Clerk = w.otherInstance()
	w.useKeyOf(w.Clerk)
	var workers sync.WaitGroup
	for _, id := range []user.ID{jane, jim, joe} {
		workers.Go(func() { _, _ = w.Reconcile(w.ctx, id) })
	}
	workers.Wait()
	w.reconcileUntilStable(jane, jim, joe)
	w.wantReason(joe, v1alpha1.ReasonWrongInstance)
	for id, role := range map[user.ID]string{jane: "trainer", jim: "admin"} {
		w.wantReason(id, v1alpha1.ReasonRevocationPending)
		message := meta.FindStatusCondition(w.fitUser(id).Status.Conditions, v1alpha1.ConditionReady).Message
		if !strings.HasPrefix(message, role+" is to be revoked, but is not yet: the secret key belongs") {
			t.Errorf("the condition of %s is: %s", id, message)
		}
	}
}

// clerkWithHook runs a hook before each Get.
type clerkWithHook struct {
	clerk.Client
	hook func()
}

func (g clerkWithHook) Get(ctx context.Context, id user.ID) (user.User, error) {
	g.hook()
	return g.Client.Get(ctx, id)
}

// The key may change while a request waits. Then another instance's 404 does not prove a deletion.
func TestReconcile_KeyChangesDuringRequest(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.reconcileUntilStable(jane)
	other := w.otherInstance()
	w.Clerk = clerkWithHook{other, func() { w.useKeyOf(other) }}
	w.reconcileUntilStable(jane)
	w.wantReason(jane, v1alpha1.ReasonWrongInstance)
	w.wantRow(jane, user.Client)
}

// storeWithHook runs a hook before a Put that moves addresses, once.
type storeWithHook struct {
	store.Store
	hook func()
}

func (p *storeWithHook) Put(ctx context.Context, row user.Row, moves []store.Move) (user.Row, error) {
	if hook := p.hook; hook != nil && len(moves) > 0 {
		p.hook = nil
		hook()
	}
	return p.Store.Put(ctx, row, moves)
}

// Two users who exchange addresses are often reconciled at the same time.
func TestRow_ConcurrentEmailSwap(t *testing.T) {
	w := newWorld(t)
	jane, joe := w.signUp("jane"), w.signUp("joe")
	w.reconcileUntilStable(jane, joe)
	w.clerk.SwapEmails(string(jane), string(joe))
	w.Store = &storeWithHook{w.Store, func() {
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
