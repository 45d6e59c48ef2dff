package controllers

import (
	"strings"
	"testing"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

// A look that changes nothing and comes back says what it waits for, as far as that is known: a short wait has many reasons.
func TestDryRunSaysWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		arrange func(s *scene, jane user.ID)
		want    string
	}{
		"for an answer that contains the event": {
			func(s *scene, jane user.ID) {
				h := s.event(jane, v1alpha1.UserUpdated)
				h.UserUpdatedAt++
				s.deliver(jane, h)
			},
			"Clerk's answer does not contain its own last event yet",
		},
		"for Clerk's rate limit": {
			func(s *scene, _ user.ID) {
				s.clerk.Inject(clerktest.Fault{Match: clerktest.On("GET", "/users/*"), Respond: clerktest.Throttled(2)})
			},
			"Clerk's rate limit is reached",
		},
		"for the application, as the FitUser says": {
			func(s *scene, jane user.ID) {
				s.insertLegacy("moved@example.com")
				s.clerk.SetPrimaryEmail(string(jane), "moved@example.com")
				s.hint(jane, v1alpha1.UserUpdated)
				s.run()
			},
			v1alpha1.ReasonEmailConflict + ": the e-mail address is held by",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t).newScene(t)
			jane := s.signUp("jane")
			s.sweep()
			test.arrange(s, jane)
			o := s.dryRun().Look(s.ctx, jane)
			if o.Err != nil || len(o.Changes) > 0 || o.Again == 0 || !strings.Contains(o.Waits, test.want) {
				t.Errorf("it says %+v, want that it waits: %s", o, test.want)
			}
		})
	}
}
