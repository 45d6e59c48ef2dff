package scenes_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

// record notes how the FitUsers are now.
func (s *scene) record() {
	if s.recording {
		s.history = append(s.history, s.objects())
	}
}

// witness checks every write that takes something away, or gives a right, against how things are at that very moment.
func (s *scene) witness() {
	s.gate.judge = func(c call) {
		var wrong string
		switch on := c.on.(type) {
		case user.ID:
			wrong = s.mayRemoveRow(on)
		case *http.Request:
			wrong = s.mayWriteRole(on)
		case *v1alpha1.FitUser:
			if c.verb == "delete" {
				wrong = s.mayDelete(on)
			}
		}
		if wrong != "" {
			s.Errorf("%s of %s: %s\n%s", c.verb, c.place, wrong, s.said.tail())
		}
	}
}

// mayRemoveRow says what forbids to remove a user's row; empty when nothing does.
func (s *scene) mayRemoveRow(id user.ID) string {
	m := s.modelOf(id)
	switch {
	case m.account != nil:
		return fmt.Sprintf("%s is in Clerk", id)
	case m.active == nil:
		return fmt.Sprintf("%s has no FitUser", id)
	case m.active.Spec.Suspend, m.active.Spec.DeletionPolicy == v1alpha1.DeletionPolicyRetain:
		return fmt.Sprintf("the row of %s is to stay", id)
	}
	return ""
}

// mayWriteRole says what forbids to write this to a user's metadata.
func (s *scene) mayWriteRole(request *http.Request) string {
	var patch struct {
		Public  map[string]*string                       `json:"public_metadata"`
		Private map[string]*struct{ Role v1alpha1.Role } `json:"private_metadata"`
	}
	body, err := request.GetBody()
	if err == nil {
		var text []byte
		text, err = io.ReadAll(body)
		if err == nil {
			err = json.Unmarshal(text, &patch)
		}
	}
	if err != nil {
		return err.Error()
	}
	m := s.modelOf(user.ID(splitPath(request.URL.Path)))
	if m.account == nil {
		return "" // which Clerk refuses
	}
	var demanded v1alpha1.Role
	if m.active != nil {
		demanded = m.active.Spec.Role
	}
	role, aboutRole := patch.Public["role"]
	switch {
	case m.active != nil && m.active.Spec.Suspend:
		return "the user is suspended"
	case role != nil && *role != string(demanded):
		return fmt.Sprintf("%s is given, %q is demanded", *role, demanded)
	case role != nil:
		return ""
	case demanded != "":
		return fmt.Sprintf("a right is taken back, and %s is demanded", demanded)
	case aboutRole && m.mark() != m.held():
		return fmt.Sprintf("role %q is taken away, and %q was given", m.held(), m.mark())
	}
	return ""
}

// splitPath is the id in /v1/users/{id}/metadata.
func splitPath(path string) (id string) {
	_, _ = fmt.Sscanf(path, "/v1/users/%s", &id)
	return id[:len(id)-len("/metadata")]
}

// mayDelete says what forbids to delete a FitUser.
func (s *scene) mayDelete(object *v1alpha1.FitUser) string {
	m := s.modelOf(user.ID(object.Spec.ClerkUserID))
	switch {
	case !object.ManagedByOperator():
		return fmt.Sprintf("FitUser %s is a person's", object.Name)
	case m.account != nil && (m.active == nil || m.active.UID == object.UID):
		return fmt.Sprintf("FitUser %s serves", object.Name)
	}
	return ""
}

// Whatever older state of the FitUsers the cache still shows, nothing is taken away, and no right given, that the newest
// state would not allow; and once the cache catches up, all is as if it had never been behind.
func TestStaleCache(t *testing.T) {
	var views atomic.Int64
	t.Cleanup(func() { t.Logf("stale: %d old views of %d workloads", views.Load(), len(workloads())) })
	for name, w := range workloads() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := newStage(t)
			want := st.perform(w, nil, nil).end
			for n := 0; ; n++ {
				got, more := st.behind(w, n)
				if !more {
					return
				}
				views.Add(1)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("with view %d: another end (-want +got):\n%s", n, diff)
				}
			}
		})
	}
}

// behind makes a run in which the cache, after something has happened, shows the n-th state that the FitUsers ever had. It
// reports whether there was one.
func (st *stage) behind(w workload, n int) (end ending, more bool) {
	st.Helper()
	s := st.newScene(st)
	s.recording = true
	s.record()
	s.witness()
	if w.prepare != nil {
		w.prepare(s)
	}
	s.run()
	w.happens(s)
	if n >= len(s.history) {
		return ending{}, false
	}
	s.view, s.blind = &s.history[n], true
	s.clock.Step(2 * fituser.DefaultRevocationGrace)
	for range 3 {
		for _, id := range []user.ID{jane, joe, jim, "user_again", "user_ghost"} {
			s.look(id)
		}
	}
	_, _ = s.process.sweeper.RunOnce(s.logs)
	s.process.hear()
	for _, id := range s.process.queue {
		s.look(id)
	}
	s.view, s.blind = nil, false
	s.run()
	s.sweep()
	return s.ending(), true
}

// A page may be minutes old when its users are worked off. No right is taken on its word.
func TestRightsAreNotChangedOnTheWordOfAPage(t *testing.T) {
	t.Parallel()
	s := newStage(t).newScene(t)
	s.witness()
	s.clerk.SignUp(clerktest.Person{
		ID: string(jane), Email: address("jane"), PublicMetadata: clerktest.Metadata{"role": "admin"},
		PrivateMetadata: clerktest.Metadata{"fituser": map[string]any{"role": "admin"}},
	})
	s.clock.Step(time.Hour)
	if _, err := s.process.sweeper.RunOnce(s.logs); err != nil {
		t.Fatal(err)
	}
	s.clerk.SetPublicMetadata(string(jane), clerktest.Metadata{"role": "trainer"})
	s.run()
	s.sweep()
	if u, _ := s.clerk.User(string(jane)); u.PublicMetadata["role"] != "trainer" || u.PrivateMetadata["fituser"] != nil {
		t.Errorf("role %v, mark %v", u.PublicMetadata["role"], u.PrivateMetadata["fituser"])
	}
}
