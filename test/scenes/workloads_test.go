package scenes_test

import (
	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

// workload is something that happens to users, in the middle of which things go wrong.
type workload struct {
	// prepare makes what is there before. Optional.
	prepare func(*scene)
	happens func(*scene)
	// swept is true for what no event tells of, so that only a sweep finds it.
	swept bool
}

const (
	jane = user.ID("user_jane")
	joe  = user.ID("user_joe")
	jim  = user.ID("user_jim")
)

// arrive makes users whom the operator has worked off.
func arrive(names ...string) func(*scene) {
	return func(s *scene) {
		for _, name := range names {
			s.hint(s.signUp(name), v1alpha1.UserCreated)
		}
		s.run()
	}
}

// coached is a user to whom a manifest gives a role.
func coached(spec v1alpha1.FitUserSpec) func(*scene) {
	return func(s *scene) {
		s.clerk.SetPublicMetadata(string(s.signUp("jane")), clerktest.Metadata{"theme": "dark"})
		s.manifest("coach", jane, spec)
		s.run()
	}
}

var admin = v1alpha1.FitUserSpec{Role: "admin"}

func workloads() map[string]workload {
	all := map[string]workload{}
	for _, some := range []map[string]workload{userWorkloads(), emailWorkloads(), roleWorkloads(), departures()} {
		for name, w := range some {
			all[name] = w
		}
	}
	return all
}

func userWorkloads() map[string]workload {
	return map[string]workload{
		"created":  {happens: func(s *scene) { s.hint(s.signUp("jane"), v1alpha1.UserCreated) }},
		"imported": {happens: func(s *scene) { s.signUp("jane"); s.signUp("joe") }, swept: true},
		"changed": {prepare: arrive("jane"), happens: func(s *scene) {
			s.clerk.SetNames(string(jane), canary+"Janet", "")
			s.hint(jane, v1alpha1.UserUpdated)
		}},
		"webhook missed": {prepare: arrive("jane"), swept: true, happens: func(s *scene) {
			s.clerk.SetNames(string(jane), canary+"Janet", "")
		}},
		"row lost": {prepare: arrive("jane", "joe"), swept: true, happens: func(s *scene) {
			s.raw.Exec("DELETE FROM users WHERE id = $1", string(jane))
		}},
		"row edited": {prepare: arrive("jane"), swept: true, happens: func(s *scene) {
			s.raw.Exec("UPDATE users SET role = 'admin', phone = '0', password = 'theirs'")
		}},
		"FitUser deleted": {prepare: arrive("jane"), happens: func(s *scene) { s.remove(s.objects()[0].Name) }},
		"resumed": {
			prepare: coached(v1alpha1.FitUserSpec{Role: "admin", Suspend: true}),
			happens: func(s *scene) { s.edit(s.named("coach"), func(u *v1alpha1.FitUser) { u.Spec.Suspend = false }) },
		},
		"never was": {happens: func(s *scene) { s.deliver("user_ghost", s.event("user_ghost", v1alpha1.UserUpdated)) }},
	}
}

func emailWorkloads() map[string]workload {
	updated := func(s *scene, ids ...user.ID) {
		for _, id := range ids {
			s.hint(id, v1alpha1.UserUpdated)
		}
	}
	return map[string]workload{
		"e-mail moved": {prepare: arrive("jane", "joe"), happens: func(s *scene) {
			s.clerk.SetPrimaryEmail(string(jane), address("new"))
			s.clerk.SetPrimaryEmail(string(joe), address("jane"))
			updated(s, joe, jane)
		}},
		"e-mails swapped": {prepare: arrive("jane", "joe"), happens: func(s *scene) {
			s.clerk.SwapEmails(string(jane), string(joe))
			updated(s, jane, joe)
		}},
		"e-mails in a ring": {prepare: arrive("jane", "joe", "jim"), happens: func(s *scene) {
			s.clerk.SwapEmails(string(jane), string(joe))
			s.clerk.SwapEmails(string(joe), string(jim))
			updated(s, jim, jane, joe)
		}},
		"e-mail swapped unseen": {prepare: arrive("jane", "joe"), swept: true, happens: func(s *scene) {
			s.clerk.SwapEmails(string(jane), string(joe))
		}},
		"e-mail lost and found": {
			prepare: func(s *scene) {
				arrive("jane")(s)
				s.clerk.SetPrimaryEmail(string(jane), "")
				updated(s, jane)
			},
			happens: func(s *scene) {
				s.clerk.SetPrimaryEmail(string(jane), address("found"))
				updated(s, jane)
			},
		},
	}
}

func roleWorkloads() map[string]workload {
	return map[string]workload{
		"role given": {prepare: arrive("jane"), happens: func(s *scene) { s.manifest("coach", jane, admin) }},
		"role given to a newcomer": {happens: func(s *scene) {
			s.signUp("jane")
			s.manifest("coach", jane, admin)
		}},
		"role changed": {prepare: coached(admin), happens: func(s *scene) {
			s.edit(s.named("coach"), func(u *v1alpha1.FitUser) { u.Spec.Role = "trainer" })
		}},
		"role cleared": {prepare: coached(admin), happens: func(s *scene) {
			s.edit(s.named("coach"), func(u *v1alpha1.FitUser) { u.Spec.Role = "" })
		}},
		"role given up to Clerk": {prepare: coached(admin), happens: func(s *scene) {
			s.clerk.SetPublicMetadata(string(jane), clerktest.Metadata{"role": "trainer", "theme": "light"})
			s.edit(s.named("coach"), func(u *v1alpha1.FitUser) { u.Spec.Role = "" })
		}},
		"manifest deleted": {prepare: coached(admin), happens: func(s *scene) { s.remove("coach") }},
		"manifest deleted while the operator is down": {prepare: coached(admin), happens: func(s *scene) {
			s.remove("coach")
			s.restart()
		}, swept: true},
		"manifest replaced": {prepare: coached(admin), happens: func(s *scene) {
			s.remove("coach")
			s.run()
			s.manifest("trainer", jane, v1alpha1.FitUserSpec{Role: "trainer"})
		}},
		"manifest made and deleted": {prepare: arrive("jane"), happens: func(s *scene) {
			s.manifest("coach", jane, admin)
			s.remove("coach")
			s.clerk.SetNames(string(jane), canary+"Janet", "")
			s.hint(jane, v1alpha1.UserUpdated)
		}},
		"role overwritten in Clerk": {prepare: coached(admin), happens: func(s *scene) {
			s.clerk.SetPublicMetadata(string(jane), clerktest.Metadata{"role": "client", "theme": "light"})
			s.hint(jane, v1alpha1.UserUpdated)
		}},
	}
}

func departures() map[string]workload {
	leave := func(s *scene) {
		s.clerk.Delete(string(jane))
		s.hint(jane, v1alpha1.UserDeleted)
	}
	return map[string]workload{
		"deleted":           {prepare: arrive("jane", "joe"), happens: leave},
		"deleted, manifest": {prepare: coached(admin), happens: leave},
		"deleted, retained": {prepare: coached(v1alpha1.FitUserSpec{DeletionPolicy: v1alpha1.DeletionPolicyRetain}), happens: leave},
		"deleted, no longer retained": {
			prepare: func(s *scene) {
				coached(v1alpha1.FitUserSpec{DeletionPolicy: v1alpha1.DeletionPolicyRetain})(s)
				leave(s)
				s.run()
			},
			happens: func(s *scene) {
				s.edit(s.named("coach"), func(u *v1alpha1.FitUser) { u.Spec.DeletionPolicy = v1alpha1.DeletionPolicyDelete })
			},
		},
		"deleted unseen": {prepare: arrive("jane", "joe"), happens: func(s *scene) { s.clerk.Delete(string(jane)) }, swept: true},
		"deleted, manifest at the same time": {prepare: arrive("jane"), happens: func(s *scene) {
			leave(s)
			s.manifest("coach", jane, admin)
		}},
		"deleted, retained at the last moment": {prepare: arrive("jane"), happens: func(s *scene) {
			s.manifest("coach", jane, v1alpha1.FitUserSpec{DeletionPolicy: v1alpha1.DeletionPolicyRetain})
			leave(s)
		}},
		"deleted, suspended at the last moment": {prepare: coached(admin), happens: func(s *scene) {
			s.edit(s.named("coach"), func(u *v1alpha1.FitUser) { u.Spec.Suspend = true })
			leave(s)
		}},
		"signed up again": {prepare: arrive("jane", "joe"), happens: func(s *scene) {
			leave(s)
			s.signUpAgain("again", address("jane"))
			s.hint("user_again", v1alpha1.UserCreated)
		}},
		"signed up again, the later event first": {prepare: arrive("jane", "joe"), happens: func(s *scene) {
			s.clerk.Delete(string(jane))
			late := s.event(jane, v1alpha1.UserDeleted)
			s.signUpAgain("again", address("jane"))
			s.hint("user_again", v1alpha1.UserCreated)
			s.run()
			s.deliver(jane, late)
		}},
	}
}

// signUpAgain makes a user with an address that somebody had before.
func (s *scene) signUpAgain(name, address string) {
	s.clerk.SignUp(clerktest.Person{ID: "user_" + name, Email: address, FirstName: canary + name, LastName: canary + "Doe"})
}
