package controllers_test

import (
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/user"
)

// signUp creates a user in Clerk.
func (w *world) signUp(name string) user.ID {
	return user.ID(w.clerk.SignUp(clerktest.Person{
		Email: name + "@example.com", FirstName: name, LastName: "Doe", Phone: "",
	}))
}

// event records an event about the user's current state, as the receiver does.
func (w *world) event(id user.ID, eventType v1alpha1.EventType) {
	w.Helper()
	hint := v1alpha1.Hint{
		MessageID: "msg_" + unique(), Type: eventType, ReceivedAt: w.clock.Now().UnixMilli(), EventAt: w.clock.Now().UnixMilli(),
	}
	if u, ok := w.clerk.User(string(id)); ok {
		hint.UserUpdatedAt = u.UpdatedAt
	}
	w.hint(id, hint)
}

func (w *world) hint(id user.ID, hint v1alpha1.Hint) {
	w.Helper()
	objects, err := fitusers.Read(w.ctx, w.client, w.client, w.namespace, id)
	if err != nil {
		w.Fatal(err)
	}
	serving := fitusers.Select(id, objects, nil).Active
	if serving == nil {
		made := fitusers.New(w.namespace, string(id), 0)
		setAnnotation(made, v1alpha1.AnnotationHint, hint.Encode())
		w.create(made)
		return
	}
	w.change(serving, func(u *v1alpha1.FitUser) {
		setAnnotation(u, v1alpha1.AnnotationHint, hint.Encode())
	})
}

// manifest creates a FitUser as a person does.
func (w *world) manifest(name string, id user.ID, spec v1alpha1.FitUserSpec) *v1alpha1.FitUser {
	w.Helper()
	spec.ClerkUserID = string(id)
	u := &v1alpha1.FitUser{Spec: spec}
	u.Namespace, u.Name = w.namespace, name
	w.create(u)
	return u
}

func (w *world) create(u *v1alpha1.FitUser) {
	w.Helper()
	if err := w.client.Create(w.ctx, u); err != nil {
		w.Fatal(err)
	}
	w.reload(u)
}

func (w *world) change(u *v1alpha1.FitUser, change func(*v1alpha1.FitUser)) {
	w.Helper()
	w.reload(u)
	w.patch(w.client, u, change)
	w.reload(u)
}

func (w *world) patch(with client.Client, u *v1alpha1.FitUser, change func(*v1alpha1.FitUser)) {
	w.Helper()
	before := u.DeepCopy()
	change(u)
	if err := with.Patch(w.ctx, u, client.MergeFrom(before)); err != nil {
		w.Fatal(err)
	}
}

// remove deletes a FitUser as a person does, and delivers the deletion as the watch does.
func (w *world) remove(u *v1alpha1.FitUser) {
	w.Helper()
	w.reload(u)
	if err := w.client.Delete(w.ctx, u); err != nil {
		w.Fatal(err)
	}
	w.EventHandler().Delete(w.ctx, event.TypedDeleteEvent[*v1alpha1.FitUser]{Object: u}, discardQueue{})
}

// reload reads u once the cache has this client's own writes to it.
func (w *world) reload(u *v1alpha1.FitUser) {
	w.Helper()
	if err := w.client.Get(w.ctx, client.ObjectKeyFromObject(u), u); err != nil {
		w.Fatal(err)
	}
}

// reconcile reconciles once. An error is a result like any other.
func (w *world) reconcile(id user.ID) (reconcile.Result, error) {
	w.Helper()
	return w.Reconcile(w.ctx, id)
}

// reconcileUntilStable reconciles each user until no reconcile is due soon, and fails if that takes too many.
func (w *world) reconcileUntilStable(ids ...user.ID) {
	w.Helper()
	for _, id := range ids {
		for round := 0; ; round++ {
			result, err := w.reconcile(id)
			if err == nil && (result.RequeueAfter == 0 || result.RequeueAfter > conflictDelay) {
				break
			}
			if round == 5 {
				w.Fatalf("reconciling %s does not end: %v, %v", id, result, err)
			}
		}
	}
}

// fitUser returns the active FitUser of a user, or nil.
func (w *world) fitUser(id user.ID) *v1alpha1.FitUser {
	w.Helper()
	found, err := fitusers.Read(w.ctx, w.client, w.client, w.namespace, id)
	if err != nil {
		w.Fatal(err)
	}
	if active := fitusers.Select(id, found, nil).Active; active != nil {
		return active
	}
	var all v1alpha1.FitUserList // the cache's index may not have a manifest's user yet
	if err := w.Live.List(w.ctx, &all, client.InNamespace(w.namespace)); err != nil {
		w.Fatal(err)
	}
	for i := range all.Items {
		if all.Items[i].UserID() == string(id) {
			found = append(found, &all.Items[i])
		}
	}
	return fitusers.Select(id, found, nil).Active
}
