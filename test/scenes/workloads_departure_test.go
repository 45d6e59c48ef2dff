package scenes_test

import (
	"time"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

// deletionDelay is how long rows wait in the workloads with a delay.
const deletionDelay = time.Hour

// configuration returns how the operator is configured.
func (w workload) configuration() []func(*installation) {
	if w.configure == nil {
		return nil
	}
	return []func(*installation){w.configure}
}

func withDelay(i *installation) { i.deletionDelay = deletionDelay }

// leaves deletes a user in Clerk.
func leaves(id user.ID) func(*scene) {
	return func(s *scene) {
		s.clerk.Delete(string(id))
		s.hint(id, v1alpha1.UserDeleted)
	}
}

// waits lets the delay pass. A crash may have delayed its beginning.
func (s *scene) waits() {
	s.reconcileUntilIdle()
	s.clock.Step(2 * deletionDelay)
	s.reconcileUntilIdle()
}

// departureWorkloads are those in which a deleted user's row does not just go.
func departureWorkloads() map[string]workload {
	anonymize := v1alpha1.FitUserSpec{Role: "admin", DeletionPolicy: v1alpha1.DeletionPolicyAnonymize}
	return map[string]workload{
		"deleted, anonymized": {prepare: withManifest(anonymize), act: leaves(jane)},
		"deleted, anonymized by the flag": {
			configure: func(i *installation) { i.deletionPolicy = v1alpha1.DeletionPolicyAnonymize },
			prepare:   signedUp("jane", "joe"), act: leaves(jane),
		},
		"deleted after a delay": {configure: withDelay, prepare: withRole("trainer"), act: func(s *scene) {
			leaves(jane)(s)
			s.waits()
		}},
		"anonymized after a delay": {configure: withDelay, prepare: withManifest(anonymize), act: func(s *scene) {
			leaves(jane)(s)
			s.waits()
		}},
		"deleted after a delay, retained in time": {configure: withDelay, prepare: withManifest(admin), act: func(s *scene) {
			leaves(jane)(s)
			s.reconcileUntilIdle()
			s.edit(s.named("coach"), func(u *v1alpha1.FitUser) { u.Spec.DeletionPolicy = v1alpha1.DeletionPolicyRetain })
			s.waits()
		}},
		"deleted after a delay, the user returns": {configure: withDelay, prepare: withRole("trainer"), needsSweep: true, act: func(s *scene) {
			leaves(jane)(s)
			s.reconcileUntilIdle()
			s.signUpAgain("jane", address("jane"))
			s.hint(jane, v1alpha1.UserCreated)
			s.waits()
		}},
		"deleted after a delay, the address is taken": {configure: withDelay, prepare: withRole("trainer"), act: func(s *scene) {
			leaves(jane)(s)
			s.reconcileUntilIdle()
			s.signUpAgain("again", address("jane"))
			s.hint("user_again", v1alpha1.UserCreated)
			s.waits()
		}},
		"deleted after a delay, manifest by e-mail": {
			configure: withDelay,
			prepare: func(s *scene) {
				s.hint(s.signUp("jane"), v1alpha1.UserCreated)
				s.byEmail("coach", address("jane"), anonymize)
				s.reconcileUntilIdle()
			},
			act: func(s *scene) {
				leaves(jane)(s)
				s.reconcileUntilIdle()
				s.signUpAgain("again", address("jane"))
				s.hint("user_again", v1alpha1.UserCreated)
				s.waits()
			},
		},
	}
}

// withRole creates Jane, with a role that somebody has set in Clerk, and reconciles her.
func withRole(role string) func(*scene) {
	return func(s *scene) {
		s.clerk.SetPublicMetadata(string(s.signUp("jane")), clerktest.Metadata{"role": role})
		s.hint(jane, v1alpha1.UserCreated)
		s.signUp("joe")
		s.reconcileUntilIdle()
	}
}
