package scenes_test

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/user"
)

// signUp creates a user in Clerk. The e-mail address, names and phone number are canaries.
func (s *scene) signUp(name string) user.ID {
	return user.ID(s.clerk.SignUp(clerktest.Person{
		ID: "user_" + name, Email: address(name), FirstName: canary + name, LastName: canary + "Doe", Phone: s.phone(),
	}))
}

// canary is part of every personal value. It must not appear in any output.
const canary = "canary"

func address(name string) string { return canary + "." + name + "@example.com" }

const canaryPhone = "+1555019"

func (s *scene) phone() string { return fmt.Sprintf("%s%04d", canaryPhone, len(s.clerk.Users())) }

// hint records an event about the user's current state, as the receiver does.
func (s *scene) hint(id user.ID, eventType v1alpha1.EventType) {
	s.Helper()
	s.deliver(id, s.event(id, eventType))
}

// event returns the event that Clerk sends about the user's current state.
func (s *scene) event(id user.ID, eventType v1alpha1.EventType) v1alpha1.Hint {
	s.messages++
	now := s.clock.Now().UnixMilli()
	h := v1alpha1.Hint{MessageID: fmt.Sprintf("msg_%d", s.messages), Type: eventType, EventAt: now, ReceivedAt: now, UserUpdatedAt: now}
	if u, ok := s.clerk.User(string(id)); ok {
		h.UserUpdatedAt = u.UpdatedAt
	}
	return h
}

// deliver writes the hint to the user's FitUser, and creates the FitUser if needed, as the receiver does.
func (s *scene) deliver(id user.ID, h v1alpha1.Hint) {
	s.Helper()
	h.ReceivedAt = s.clock.Now().UnixMilli()
	theirs := fitusers.Select(id, s.objectsOf(id), nil)
	carrier := theirs.Active
	if carrier == nil && h.Type == v1alpha1.UserDeleted {
		if len(theirs.Terminating) == 0 {
			return
		}
		carrier = theirs.Terminating[0]
	}
	if carrier == nil {
		for attempt := range fitusers.MaxNameAttempts {
			made := fitusers.New(s.namespace, string(id), attempt)
			metav1.SetMetaDataAnnotation(&made.ObjectMeta, v1alpha1.AnnotationHint, h.Encode())
			if s.direct.Create(s.ctx, made) == nil {
				s.record()
				return
			}
		}
		s.Fatalf("no name is free for %s", id)
	}
	if old, ok := carrier.Hint(); ok {
		h = old.Merge(h)
	}
	s.edit(carrier, func(u *v1alpha1.FitUser) {
		metav1.SetMetaDataAnnotation(&u.ObjectMeta, v1alpha1.AnnotationHint, h.Encode())
	})
}

// manifest creates a FitUser for a user's id as a person does.
func (s *scene) manifest(name string, id user.ID, spec v1alpha1.FitUserSpec) *v1alpha1.FitUser {
	s.Helper()
	spec.ClerkUserID = string(id)
	return s.create(name, spec)
}

// byEmail creates a FitUser for an address as a person does.
func (s *scene) byEmail(name, address string, spec v1alpha1.FitUserSpec) *v1alpha1.FitUser {
	s.Helper()
	spec.Email = address
	return s.create(name, spec)
}

func (s *scene) create(name string, spec v1alpha1.FitUserSpec) *v1alpha1.FitUser {
	s.Helper()
	u := &v1alpha1.FitUser{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name}, Spec: spec}
	if err := s.direct.Create(s.ctx, u); err != nil {
		s.Fatalf("%v", err)
	}
	s.record()
	return u
}

// edit changes a FitUser as a person does. It bypasses the gate.
func (s *scene) edit(u *v1alpha1.FitUser, change func(*v1alpha1.FitUser)) {
	s.Helper()
	before := u.DeepCopy()
	change(u)
	if err := s.direct.Patch(s.ctx, u, client.MergeFrom(before)); err != nil {
		s.Fatalf("%v", err)
	}
	s.record()
}

// editStatus writes a status as a person with too many permissions does.
func (s *scene) editStatus(u *v1alpha1.FitUser, change func(*v1alpha1.FitUserStatus)) {
	s.Helper()
	before := u.DeepCopy()
	change(&u.Status)
	if err := s.direct.Status().Patch(s.ctx, u, client.MergeFrom(before)); err != nil {
		s.Fatalf("%v", err)
	}
}

// remove deletes a FitUser as a person does.
func (s *scene) remove(name string) {
	s.Helper()
	u := &v1alpha1.FitUser{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name}}
	if err := s.direct.Delete(s.ctx, u); err != nil {
		s.Fatalf("%v", err)
	}
	s.record()
}

// named returns a FitUser by name.
func (s *scene) named(name string) *v1alpha1.FitUser {
	s.Helper()
	u := &v1alpha1.FitUser{}
	if err := s.direct.Get(s.ctx, client.ObjectKey{Namespace: s.namespace, Name: name}, u); err != nil {
		s.Fatalf("%v", err)
	}
	return u
}

// at returns a time as a manifest has it.
func at(t time.Time) *metav1.Time { return &metav1.Time{Time: t} }
