package scenes_test

import (
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/user"
)

// observed gives a FitUser a status that is older than everything else.
func (s *scene) observed(u *v1alpha1.FitUser) { s.boundTo(u, "") }

// boundTo gives a FitUser the status after a reconcile of a user.
func (s *scene) boundTo(u *v1alpha1.FitUser, id user.ID) {
	s.editStatus(u, func(status *v1alpha1.FitUserStatus) {
		status.ObservedGeneration, status.Role, status.RoleSource = u.Generation, "trainer", "Clerk"
		status.ClerkUserID = string(id)
		status.Clerk = &v1alpha1.AccountState{CreatedAt: &metav1.Time{Time: s.base}, Banned: true}
		status.Profile = &v1alpha1.Profile{Email: "old@example.com"}
		meta.SetStatusCondition(&status.Conditions, metav1.Condition{
			Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonSynced, ObservedGeneration: u.Generation,
		})
	})
}

// rowWaits gives a FitUser the status of a user whose row is deleted at a time.
func (s *scene) rowWaits(u *v1alpha1.FitUser, at time.Time) {
	s.observed(u)
	s.editStatus(u, func(status *v1alpha1.FitUserStatus) { status.RowDeletionAt = &metav1.Time{Time: at} })
}

// hadBefore records in the status that another user had the address before.
func (s *scene) hadBefore(u *v1alpha1.FitUser, id user.ID) {
	s.editStatus(u, func(status *v1alpha1.FitUserStatus) { status.PreviousClerkUserID = string(id) })
}

func (s *scene) operatorManaged(c startState) *v1alpha1.FitUser {
	u := fitusers.New(s.namespace, string(c.id), 0)
	if err := s.direct.Create(s.ctx, u); err != nil {
		s.Fatalf("%v", err)
	}
	return u
}

func (s *scene) userManaged(c startState, role v1alpha1.Role) *v1alpha1.FitUser {
	return s.manifest(string(role)+"-"+c.name(), c.id, v1alpha1.FitUserSpec{Role: role})
}

// namesAddress creates a manifest for the address of a start state.
func (s *scene) namesAddress(c startState, spec v1alpha1.FitUserSpec) *v1alpha1.FitUser {
	return s.byEmail("address-"+c.name(), address(c.name()), spec)
}

// terminating deletes a FitUser that somebody else's finalizer keeps.
func (s *scene) terminating(u *v1alpha1.FitUser) {
	s.edit(u, func(u *v1alpha1.FitUser) { u.Finalizers = []string{"example.com/theirs"} })
	s.observed(u)
	s.remove(u.Name)
}

// annotate annotates a FitUser as a person does.
func (s *scene) annotate(u *v1alpha1.FitUser, name, value string) {
	s.edit(u, func(u *v1alpha1.FitUser) { metav1.SetMetaDataAnnotation(&u.ObjectMeta, name, value) })
}

// objectStates create the FitUsers.
func objectStates() map[string]func(*scene, startState) {
	states := map[string]func(*scene, startState){
		"absent":                         func(*scene, startState) {},
		"operator-managed":               func(s *scene, c startState) { s.operatorManaged(c) },
		"operator-managed, stale status": func(s *scene, c startState) { s.observed(s.operatorManaged(c)) },
		"user-managed":                   func(s *scene, c startState) { s.userManaged(c, "trainer") },
		"user-managed, stale status":     func(s *scene, c startState) { s.observed(s.userManaged(c, "trainer")) },
		"suspended, stale status": func(s *scene, c startState) {
			u := s.userManaged(c, "trainer")
			s.edit(u, func(u *v1alpha1.FitUser) { u.Spec.Suspend = true })
			s.observed(u)
		},
		"retained, stale status": func(s *scene, c startState) {
			u := s.userManaged(c, "trainer")
			s.edit(u, func(u *v1alpha1.FitUser) { u.Spec.DeletionPolicy = v1alpha1.DeletionPolicyRetain })
			s.observed(u)
		},
		"anonymized, stale status": func(s *scene, c startState) {
			u := s.userManaged(c, "trainer")
			s.edit(u, func(u *v1alpha1.FitUser) { u.Spec.DeletionPolicy = v1alpha1.DeletionPolicyAnonymize })
			s.observed(u)
		},
		"the row waits": func(s *scene, c startState) { s.rowWaits(s.operatorManaged(c), s.base.Add(24*time.Hour)) },
		"the row waits no longer": func(s *scene, c startState) {
			s.rowWaits(s.userManaged(c, "trainer"), s.base.Add(-time.Hour))
		},
		"terminating, with a finalizer":     func(s *scene, c startState) { s.terminating(s.userManaged(c, "admin")) },
		"user-managed and operator-managed": func(s *scene, c startState) { s.observed(s.operatorManaged(c)); s.userManaged(c, "trainer") },
		"two user-managed":                  func(s *scene, c startState) { s.userManaged(c, "trainer"); s.observed(s.userManaged(c, "admin")) },
		"takes ownership": func(s *scene, c startState) {
			s.annotate(s.userManaged(c, "trainer"), v1alpha1.AnnotationTakeOwnership, "true")
		},
		"role expired long ago": func(s *scene, c startState) {
			s.manifest("expired-"+c.name(), c.id, v1alpha1.FitUserSpec{
				Role: "trainer", RoleExpiresAt: &metav1.Time{Time: s.base.Add(-time.Hour)},
			})
		},
	}
	for name, create := range addressStates() {
		states["by e-mail, "+name] = create
	}
	return states
}

// addressStates create manifests that name the address.
func addressStates() map[string]func(*scene, startState) {
	trainer := v1alpha1.FitUserSpec{Role: "trainer"}
	return map[string]func(*scene, startState){
		"unbound": func(s *scene, c startState) { s.namesAddress(c, trainer) },
		"in capitals": func(s *scene, c startState) {
			s.byEmail("address-"+c.name(), strings.ToUpper(address(c.name())), trainer)
		},
		"bound": func(s *scene, c startState) { s.boundTo(s.namesAddress(c, trainer), c.id) },
		"bound to another user": func(s *scene, c startState) {
			if _, there := s.clerk.User(string(c.another())); !there {
				s.clerk.SignUp(clerktest.Person{ID: string(c.another()), Email: "other." + address(c.name())})
			}
			s.boundTo(s.namesAddress(c, trainer), c.another())
		},
		"bound to a deleted user": func(s *scene, c startState) {
			s.boundTo(s.namesAddress(c, trainer), c.id+"d")
			s.insertRow(string(c.id)+"d", "deleted."+address(c.name()), "trainer")
		},
		"bound, suspended": func(s *scene, c startState) {
			s.boundTo(s.namesAddress(c, v1alpha1.FitUserSpec{Role: "trainer", Suspend: true}), c.id)
		},
		"unbound, suspended": func(s *scene, c startState) { s.namesAddress(c, v1alpha1.FitUserSpec{Role: "admin", Suspend: true}) },
		"bound, retained": func(s *scene, c startState) {
			s.boundTo(s.namesAddress(c, v1alpha1.FitUserSpec{Role: "trainer", DeletionPolicy: v1alpha1.DeletionPolicyRetain}), c.id)
		},
		"admin, another user had it": func(s *scene, c startState) { s.hadBefore(s.namesAddress(c, admin), c.another()) },
		"admin, bound, another user had it": func(s *scene, c startState) {
			u := s.namesAddress(c, admin)
			s.boundTo(u, c.id)
			s.hadBefore(u, c.another())
		},
		"admin, another user had it, rebind": func(s *scene, c startState) {
			u := s.namesAddress(c, admin)
			s.hadBefore(u, c.another())
			s.annotate(u, v1alpha1.AnnotationRebind, string(c.id))
		},
		"bound, terminating": func(s *scene, c startState) {
			u := s.namesAddress(c, trainer)
			s.edit(u, func(u *v1alpha1.FitUser) { u.Finalizers = []string{"example.com/theirs"} })
			s.boundTo(u, c.id)
			s.remove(u.Name)
		},
		"and operator-managed": func(s *scene, c startState) { s.observed(s.operatorManaged(c)); s.namesAddress(c, trainer) },
		"and by id": func(s *scene, c startState) {
			s.boundTo(s.namesAddress(c, admin), c.id)
			s.userManaged(c, "trainer")
		},
		"and by id, suspended": func(s *scene, c startState) {
			s.boundTo(s.namesAddress(c, admin), c.id)
			u := s.userManaged(c, "trainer")
			s.edit(u, func(u *v1alpha1.FitUser) { u.Spec.Suspend = true })
			s.boundTo(u, c.id)
		},
		"two": func(s *scene, c startState) {
			s.boundTo(s.namesAddress(c, trainer), c.id)
			s.byEmail("second-"+c.name(), address(c.name()), admin)
		},
	}
}
