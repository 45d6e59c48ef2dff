package scenes_test

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

// coach is the name of the manifest in most workloads, and the local part of the address that it names.
const coach = "coach"

// boundByEmail creates Jane, Joe and a manifest for an address that Jane holds, and reconciles them.
func boundByEmail(role v1alpha1.Role) func(*scene) {
	return func(s *scene) {
		signedUp("jane", "joe")(s)
		s.clerk.AddEmail(string(jane), address(coach), true)
		s.byEmail(coach, address(coach), v1alpha1.FitUserSpec{Role: role})
		s.reconcileUntilIdle()
	}
}

// updated delivers the event of a change of each user.
func (s *scene) updated(ids ...user.ID) {
	for _, id := range ids {
		s.hint(id, v1alpha1.UserUpdated)
	}
}

// loseAddress removes the address of the manifest from Jane.
func (s *scene) loseAddress() { s.clerk.RemoveEmail(string(jane), address(coach)) }

// moveToJoe moves the address of the manifest from Jane to Joe.
func (s *scene) moveToJoe() {
	s.loseAddress()
	s.clerk.AddEmail(string(joe), address(coach), true)
}

// addressWorkloads are changes to manifests that name an address, and to who holds it.
func addressWorkloads() map[string]workload {
	return map[string]workload{
		"by e-mail, existing user": {prepare: signedUp("jane"), act: func(s *scene) {
			s.byEmail(coach, address("jane"), admin)
		}},
		"by e-mail, before the sign-up": {
			prepare: func(s *scene) { s.byEmail(coach, address("jane"), admin); s.reconcileUntilIdle() },
			act:     signUpAndHint,
		},
		"by e-mail, verified": {
			prepare: func(s *scene) {
				signedUp("jane")(s)
				s.clerk.AddEmail(string(jane), address(coach), false)
				s.byEmail(coach, address(coach), admin)
				s.updated(jane)
				s.reconcileUntilIdle()
			},
			act: func(s *scene) { s.clerk.VerifyEmail(string(jane), address(coach)); s.updated(jane) },
		},
		"by e-mail, address lost":  {prepare: boundByEmail("admin"), act: func(s *scene) { s.loseAddress(); s.updated(jane) }},
		"by e-mail, address moved": {prepare: boundByEmail("trainer"), act: func(s *scene) { s.moveToJoe(); s.updated(joe, jane) }},
		"by e-mail, address moved, no event": {prepare: boundByEmail("trainer"), needsSweep: true, act: func(s *scene) {
			s.moveToJoe()
		}},
		"by e-mail, protected role": {prepare: boundByEmail("admin"), act: func(s *scene) { s.moveToJoe(); s.updated(jane, joe) }},
		"by e-mail, protected role, later": {
			prepare: func(s *scene) { boundByEmail("admin")(s); s.loseAddress(); s.updated(jane); s.reconcileUntilIdle() },
			act:     func(s *scene) { s.clerk.AddEmail(string(joe), address(coach), true); s.updated(joe) },
		},
		"by e-mail, rebind withdrawn": {
			prepare: func(s *scene) {
				boundByEmail("admin")(s)
				s.moveToJoe()
				s.updated(jane, joe)
				s.reconcileUntilIdle()
				s.annotate(s.named(coach), v1alpha1.AnnotationRebind, string(joe))
				s.annotate(s.named(coach), v1alpha1.AnnotationRebind, "")
			},
			act: func(s *scene) { s.clerk.SetNames(string(joe), canary+"Joseph", ""); s.updated(joe) },
		},
		"by e-mail, rebind": {
			prepare: func(s *scene) { boundByEmail("admin")(s); s.moveToJoe(); s.updated(jane, joe); s.reconcileUntilIdle() },
			act:     func(s *scene) { s.annotate(s.named(coach), v1alpha1.AnnotationRebind, string(joe)) },
		},
		"by e-mail, there and back": {
			prepare: func(s *scene) { boundByEmail("admin")(s); s.moveToJoe(); s.updated(jane, joe); s.reconcileUntilIdle() },
			act: func(s *scene) {
				s.clerk.RemoveEmail(string(joe), address(coach))
				s.clerk.AddEmail(string(jane), address(coach), true)
				s.updated(jane, joe)
			},
		},
		"by e-mail, user deleted": {prepare: boundByEmail("trainer"), act: func(s *scene) {
			s.clerk.Delete(string(jane))
			s.hint(jane, v1alpha1.UserDeleted)
		}},
		"by e-mail, user deleted, address taken": {prepare: boundByEmail("trainer"), act: func(s *scene) {
			s.clerk.Delete(string(jane))
			s.clerk.AddEmail(string(joe), address(coach), true)
			s.hint(jane, v1alpha1.UserDeleted)
			s.updated(joe)
		}},
		"by e-mail, manifest deleted": {prepare: boundByEmail("admin"), act: func(s *scene) { s.remove(coach) }},
		"by e-mail, then by id": {prepare: boundByEmail("trainer"), act: func(s *scene) {
			s.manifest("by-id", jane, v1alpha1.FitUserSpec{Role: "trainer"})
			s.reconcileUntilIdle()
			s.remove(coach)
		}},
		"by id, then by e-mail": {prepare: withManifest(admin), act: func(s *scene) {
			s.byEmail("by-email", address("jane"), admin)
			s.remove(coach)
		}},
	}
}

func signUpAndHint(s *scene) { s.hint(s.signUp("jane"), v1alpha1.UserCreated) }

// grantedBy creates Jane with the trainer's role, which an installation granted, and reconciles her.
func grantedBy(owner string) func(*scene) {
	return func(s *scene) {
		s.clerk.SignUp(clerktest.Person{
			ID: string(jane), Email: address("jane"), PublicMetadata: clerktest.Metadata{"role": "trainer"},
			PrivateMetadata: clerktest.Metadata{"fituser": map[string]any{"role": "trainer", "owner": owner}},
		})
		s.hint(jane, v1alpha1.UserCreated)
		s.reconcileUntilIdle()
	}
}

// ownerWorkloads are changes to users of another installation, and expiries.
func ownerWorkloads() map[string]workload {
	return map[string]workload{
		"owned elsewhere": {prepare: grantedBy(otherOwner), act: func(s *scene) { s.manifest(coach, jane, admin) }},
		"taken over": {
			prepare: func(s *scene) { grantedBy(otherOwner)(s); s.manifest(coach, jane, admin); s.reconcileUntilIdle() },
			act:     func(s *scene) { s.annotate(s.named(coach), v1alpha1.AnnotationTakeOwnership, "true") },
		},
		"taken over, withdrawn": {
			prepare: func(s *scene) {
				grantedBy(otherOwner)(s)
				s.annotate(s.manifest(coach, jane, admin), v1alpha1.AnnotationTakeOwnership, "true")
				s.annotate(s.named(coach), v1alpha1.AnnotationTakeOwnership, "false")
				s.reconcileUntilIdle()
			},
			act: func(s *scene) { s.clerk.SetNames(string(jane), canary+"Janet", ""); s.updated(jane) },
		},
		"adopted": {prepare: grantedBy(formerOwner), act: func(s *scene) { s.manifest(coach, jane, v1alpha1.FitUserSpec{Role: "trainer"}) }},
		"adopted and deleted": {
			prepare: func(s *scene) {
				grantedBy(formerOwner)(s)
				s.manifest(coach, jane, v1alpha1.FitUserSpec{Role: "trainer"})
				s.reconcileUntilIdle()
			},
			act: func(s *scene) { s.remove(coach) },
		},
		"expired": {
			prepare: func(s *scene) {
				withManifest(v1alpha1.FitUserSpec{Role: "admin", RoleExpiresAt: &metav1.Time{Time: s.base.Add(time.Hour)}})(s)
			},
			act: func(s *scene) { s.clock.SetTime(s.base.Add(time.Hour)) },
		},
		"expired, then extended": {
			prepare: func(s *scene) {
				withManifest(v1alpha1.FitUserSpec{Role: "admin", RoleExpiresAt: &metav1.Time{Time: s.base.Add(-time.Hour)}})(s)
			},
			act: func(s *scene) {
				s.edit(s.named(coach), func(u *v1alpha1.FitUser) { u.Spec.RoleExpiresAt.Time = s.base.Add(time.Hour) })
			},
		},
	}
}
