package scenes_test

import (
	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

// workload is a change to users, during which faults are injected.
type workload struct {
	// configure changes how the operator is configured. Optional.
	configure func(*installation)
	// prepare creates the state before the change. Optional.
	prepare func(*scene)
	act     func(*scene)
	// needsSweep is true for a change without an event, which only a sweep finds.
	needsSweep bool
}

const (
	jane = user.ID("user_jane")
	joe  = user.ID("user_joe")
	jim  = user.ID("user_jim")
)

// signedUp creates users and reconciles them.
func signedUp(names ...string) func(*scene) {
	return func(s *scene) {
		for _, name := range names {
			s.hint(s.signUp(name), v1alpha1.UserCreated)
		}
		s.reconcileUntilIdle()
	}
}

// withManifest creates Jane, with a manifest, and reconciles her.
func withManifest(spec v1alpha1.FitUserSpec) func(*scene) {
	return func(s *scene) {
		s.clerk.SetPublicMetadata(string(s.signUp("jane")), clerktest.Metadata{"theme": "dark"})
		s.manifest("coach", jane, spec)
		s.reconcileUntilIdle()
	}
}

var admin = v1alpha1.FitUserSpec{Role: "admin"}

func workloads() map[string]workload {
	all := map[string]workload{}
	for _, some := range []map[string]workload{userWorkloads(), emailWorkloads(), roleWorkloads(), deletionWorkloads(), departureWorkloads(), addressWorkloads(), ownerWorkloads()} {
		for name, w := range some {
			all[name] = w
		}
	}
	return all
}

func userWorkloads() map[string]workload {
	return map[string]workload{
		"created":  {act: func(s *scene) { s.hint(s.signUp("jane"), v1alpha1.UserCreated) }},
		"imported": {act: func(s *scene) { s.signUp("jane"); s.signUp("joe") }, needsSweep: true},
		"changed": {prepare: signedUp("jane"), act: func(s *scene) {
			s.clerk.SetNames(string(jane), canary+"Janet", "")
			s.hint(jane, v1alpha1.UserUpdated)
		}},
		"webhook missed": {prepare: signedUp("jane"), needsSweep: true, act: func(s *scene) {
			s.clerk.SetNames(string(jane), canary+"Janet", "")
		}},
		"row lost": {prepare: signedUp("jane", "joe"), needsSweep: true, act: func(s *scene) {
			s.raw.Exec("DELETE FROM users WHERE id = $1", string(jane))
		}},
		"row edited": {prepare: signedUp("jane"), needsSweep: true, act: func(s *scene) {
			s.raw.Exec("UPDATE users SET role = 'admin', phone = '0', password = 'theirs'")
		}},
		"FitUser deleted": {prepare: signedUp("jane"), act: func(s *scene) { s.remove(s.objects()[0].Name) }},
		"resumed": {
			prepare: withManifest(v1alpha1.FitUserSpec{Role: "admin", Suspend: true}),
			act:     func(s *scene) { s.edit(s.named("coach"), func(u *v1alpha1.FitUser) { u.Spec.Suspend = false }) },
		},
		"unknown user": {act: func(s *scene) { s.deliver("user_ghost", s.event("user_ghost", v1alpha1.UserUpdated)) }},
	}
}

func emailWorkloads() map[string]workload {
	updated := func(s *scene, ids ...user.ID) {
		for _, id := range ids {
			s.hint(id, v1alpha1.UserUpdated)
		}
	}
	return map[string]workload{
		"e-mail moved": {prepare: signedUp("jane", "joe"), act: func(s *scene) {
			s.clerk.SetPrimaryEmail(string(jane), address("new"))
			s.clerk.SetPrimaryEmail(string(joe), address("jane"))
			updated(s, joe, jane)
		}},
		"e-mails swapped": {prepare: signedUp("jane", "joe"), act: func(s *scene) {
			s.clerk.SwapEmails(string(jane), string(joe))
			updated(s, jane, joe)
		}},
		"e-mails in a ring": {prepare: signedUp("jane", "joe", "jim"), act: func(s *scene) {
			s.clerk.SwapEmails(string(jane), string(joe))
			s.clerk.SwapEmails(string(joe), string(jim))
			updated(s, jim, jane, joe)
		}},
		"e-mail swapped without an event": {prepare: signedUp("jane", "joe"), needsSweep: true, act: func(s *scene) {
			s.clerk.SwapEmails(string(jane), string(joe))
		}},
		"e-mail lost and found": {
			prepare: func(s *scene) {
				signedUp("jane")(s)
				s.clerk.SetPrimaryEmail(string(jane), "")
				updated(s, jane)
			},
			act: func(s *scene) {
				s.clerk.SetPrimaryEmail(string(jane), address("found"))
				updated(s, jane)
			},
		},
	}
}

func roleWorkloads() map[string]workload {
	return map[string]workload{
		"role granted": {prepare: signedUp("jane"), act: func(s *scene) { s.manifest("coach", jane, admin) }},
		"role granted before the first reconcile": {act: func(s *scene) {
			s.signUp("jane")
			s.manifest("coach", jane, admin)
		}},
		"role changed": {prepare: withManifest(admin), act: func(s *scene) {
			s.edit(s.named("coach"), func(u *v1alpha1.FitUser) { u.Spec.Role = "trainer" })
		}},
		"role cleared": {prepare: withManifest(admin), act: func(s *scene) {
			s.edit(s.named("coach"), func(u *v1alpha1.FitUser) { u.Spec.Role = "" })
		}},
		"role left to Clerk": {prepare: withManifest(admin), act: func(s *scene) {
			s.clerk.SetPublicMetadata(string(jane), clerktest.Metadata{"role": "trainer", "theme": "light"})
			s.edit(s.named("coach"), func(u *v1alpha1.FitUser) { u.Spec.Role = "" })
		}},
		"manifest deleted": {prepare: withManifest(admin), act: func(s *scene) { s.remove("coach") }},
		"manifest deleted while the operator is down": {prepare: withManifest(admin), act: func(s *scene) {
			s.remove("coach")
			s.restart()
		}, needsSweep: true},
		"manifest replaced": {prepare: withManifest(admin), act: func(s *scene) {
			s.remove("coach")
			s.reconcileUntilIdle()
			s.manifest("trainer", jane, v1alpha1.FitUserSpec{Role: "trainer"})
		}},
		"manifest created and deleted": {prepare: signedUp("jane"), act: func(s *scene) {
			s.manifest("coach", jane, admin)
			s.remove("coach")
			s.clerk.SetNames(string(jane), canary+"Janet", "")
			s.hint(jane, v1alpha1.UserUpdated)
		}},
		"role overwritten in Clerk": {prepare: withManifest(admin), act: func(s *scene) {
			s.clerk.SetPublicMetadata(string(jane), clerktest.Metadata{"role": "client", "theme": "light"})
			s.hint(jane, v1alpha1.UserUpdated)
		}},
	}
}

func deletionWorkloads() map[string]workload {
	leave := func(s *scene) {
		s.clerk.Delete(string(jane))
		s.hint(jane, v1alpha1.UserDeleted)
	}
	return map[string]workload{
		"deleted":           {prepare: signedUp("jane", "joe"), act: leave},
		"deleted, manifest": {prepare: withManifest(admin), act: leave},
		"deleted, retained": {prepare: withManifest(v1alpha1.FitUserSpec{DeletionPolicy: v1alpha1.DeletionPolicyRetain}), act: leave},
		"deleted, no longer retained": {
			prepare: func(s *scene) {
				withManifest(v1alpha1.FitUserSpec{DeletionPolicy: v1alpha1.DeletionPolicyRetain})(s)
				leave(s)
				s.reconcileUntilIdle()
			},
			act: func(s *scene) {
				s.edit(s.named("coach"), func(u *v1alpha1.FitUser) { u.Spec.DeletionPolicy = v1alpha1.DeletionPolicyDelete })
			},
		},
		"deleted without an event": {prepare: signedUp("jane", "joe"), act: func(s *scene) { s.clerk.Delete(string(jane)) }, needsSweep: true},
		"deleted, manifest at the same time": {prepare: signedUp("jane"), act: func(s *scene) {
			leave(s)
			s.manifest("coach", jane, admin)
		}},
		"deleted, retained at the last moment": {prepare: signedUp("jane"), act: func(s *scene) {
			s.manifest("coach", jane, v1alpha1.FitUserSpec{DeletionPolicy: v1alpha1.DeletionPolicyRetain})
			leave(s)
		}},
		"deleted, suspended at the last moment": {prepare: withManifest(admin), act: func(s *scene) {
			s.edit(s.named("coach"), func(u *v1alpha1.FitUser) { u.Spec.Suspend = true })
			leave(s)
		}},
		"signed up again": {prepare: signedUp("jane", "joe"), act: func(s *scene) {
			leave(s)
			s.signUpAgain("again", address("jane"))
			s.hint("user_again", v1alpha1.UserCreated)
		}},
		"signed up again, the later event first": {prepare: signedUp("jane", "joe"), act: func(s *scene) {
			s.clerk.Delete(string(jane))
			late := s.event(jane, v1alpha1.UserDeleted)
			s.signUpAgain("again", address("jane"))
			s.hint("user_again", v1alpha1.UserCreated)
			s.reconcileUntilIdle()
			s.deliver(jane, late)
		}},
	}
}

// signUpAgain creates a user with an address that another user had before.
func (s *scene) signUpAgain(name, address string) {
	s.clerk.SignUp(clerktest.Person{ID: "user_" + name, Email: address, FirstName: canary + name, LastName: canary + "Doe"})
}
