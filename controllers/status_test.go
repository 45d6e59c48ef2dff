package controllers_test

import (
	"context"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
)

// interferingClient changes an object just before each write of its status.
type interferingClient struct {
	client.Client
	interfere func(*v1alpha1.FitUser)
}

func (m interferingClient) Status() client.SubResourceWriter {
	return interferingStatus{m.Client.Status(), m}
}

type interferingStatus struct {
	client.SubResourceWriter
	with interferingClient
}

func (m interferingStatus) Patch(ctx context.Context, o client.Object, p client.Patch, options ...client.SubResourcePatchOption) error {
	m.with.interfere(o.DeepCopyObject().(*v1alpha1.FitUser))
	return m.SubResourceWriter.Patch(ctx, o, p, options...)
}

// Another client that keeps changing metadata causes no further reconcile and no request to Clerk.
func TestStatus_WrittenDespiteMetadataChanges(t *testing.T) {
	w := newWorld(t)
	live := w.live()
	jane := w.signUp("jane")
	w.event(jane, v1alpha1.UserCreated)
	interferences := 0
	w.Reconciler.Client = interferingClient{w.Client, func(object *v1alpha1.FitUser) {
		if interferences++; interferences < 3 {
			w.patch(live, object, func(u *v1alpha1.FitUser) { setAnnotation(u, "example.com/seen", unique()) })
		}
	}}
	asked := w.clerk.RequestCount("")
	if result, err := w.reconcile(jane); err != nil || result.RequeueAfter != 0 {
		t.Errorf("result %v, error %v", result, err)
	}
	w.wantReady(jane)
	if got := w.clerk.RequestCount("") - asked; got != 1 {
		t.Errorf("%d requests to Clerk, want 1", got)
	}
}

// A new spec gets no status that belongs to the old one.
func TestStatus_NotWrittenOverNewSpec(t *testing.T) {
	w := newWorld(t)
	live := w.live()
	jane := w.signUp("jane")
	w.event(jane, v1alpha1.UserCreated)
	w.Reconciler.Client = interferingClient{w.Client, func(object *v1alpha1.FitUser) {
		w.patch(live, object, func(u *v1alpha1.FitUser) { u.Spec.Role = "trainer" })
	}}
	if result, err := w.reconcile(jane); err != nil || result.RequeueAfter != conflictDelay {
		t.Errorf("result %v, error %v", result, err)
	}
	if status := w.fitUser(jane).Status; status.Role != "" {
		t.Errorf("the status has role %s", status.Role)
	}
}
