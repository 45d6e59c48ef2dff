package controllers_test

import (
	"context"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
)

// meddling changes an object each time that its status is about to be written.
type meddling struct {
	client.Client
	meddle func(*v1alpha1.FitUser)
}

func (m meddling) Status() client.SubResourceWriter { return meddlingStatus{m.Client.Status(), m} }

type meddlingStatus struct {
	client.SubResourceWriter
	with meddling
}

func (m meddlingStatus) Patch(ctx context.Context, o client.Object, p client.Patch, options ...client.SubResourcePatchOption) error {
	m.with.meddle(o.DeepCopyObject().(*v1alpha1.FitUser))
	return m.SubResourceWriter.Patch(ctx, o, p, options...)
}

// A label that somebody else writes again and again costs a status no look, and Clerk no request.
func TestStatusIsWrittenThoughOthersWriteToTheObject(t *testing.T) {
	w := newWorld(t)
	live := w.live()
	jane := w.signUp("jane")
	w.event(jane, v1alpha1.UserCreated)
	meddled := 0
	w.Reconciler.Client = meddling{w.Client, func(object *v1alpha1.FitUser) {
		if meddled++; meddled < 3 {
			w.patch(live, object, func(u *v1alpha1.FitUser) { setAnnotation(u, "example.com/seen", unique()) })
		}
	}}
	asked := w.clerk.RequestCount("")
	if result, err := w.reconcile(jane); err != nil || result.RequeueAfter != 0 {
		t.Errorf("result %v, error %v", result, err)
	}
	w.wantReady(jane)
	if got := w.clerk.RequestCount("") - asked; got != 1 {
		t.Errorf("Clerk was asked %d times", got)
	}
}

// What nobody has looked at yet gets no status of something else.
func TestStatusIsNotWrittenOverANewWish(t *testing.T) {
	w := newWorld(t)
	live := w.live()
	jane := w.signUp("jane")
	w.event(jane, v1alpha1.UserCreated)
	w.Reconciler.Client = meddling{w.Client, func(object *v1alpha1.FitUser) {
		w.patch(live, object, func(u *v1alpha1.FitUser) { u.Spec.Role = "trainer" })
	}}
	if result, err := w.reconcile(jane); err != nil || result.RequeueAfter != conflictDelay {
		t.Errorf("result %v, error %v", result, err)
	}
	if status := w.fitUser(jane).Status; status.Role != "" {
		t.Errorf("the status says %s", status.Role)
	}
}
