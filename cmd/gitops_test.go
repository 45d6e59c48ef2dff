package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/store/storetest"
	"github.com/fitai/fituser-operator/internal/testenv"
)

// manifest makes a FitUser as a person does.
func (s *system) manifest(name, id string, role v1alpha1.Role) *v1alpha1.FitUser {
	u := &v1alpha1.FitUser{Spec: v1alpha1.FitUserSpec{ClerkUserID: id, Role: role}}
	u.Namespace, u.Name = s.namespace, name
	return u
}

// setRole changes spec.role as kubectl patch does.
func (s *system) setRole(u *v1alpha1.FitUser, role v1alpha1.Role) error {
	patch := fmt.Appendf(nil, `{"spec":{"role":%q}}`, role)
	if role == "" {
		patch = []byte(`{"spec":{"role":null}}`)
	}
	return s.objects.Patch(s.Context(), u.DeepCopy(), client.RawPatch(types.MergePatchType, patch))
}

// all does something for many users, some at a time.
func (s *system) all(n int, do func(i int) error) {
	s.Helper()
	var group errgroup.Group
	group.SetLimit(16)
	for i := range n {
		group.Go(func() error { return do(i) })
	}
	if err := group.Wait(); err != nil {
		s.Fatal(err)
	}
}

// startMeasured starts the program with its metrics, and gives a look at them.
func (s *system) startMeasured(settings ...string) (metric func(name string) float64) {
	s.Helper()
	address := testenv.FreeAddress(s.TB)
	s.start(append(settings, "FITUSER_METRICS_BIND_ADDRESS="+address, "FITUSER_METRICS_SECURE=false")...)
	return func(name string) float64 {
		s.Helper()
		response, err := http.Get("http://" + address + "/metrics")
		if err != nil {
			s.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		sum := 0.0
		for lines := bufio.NewScanner(response.Body); lines.Scan(); {
			if rest, ok := strings.CutPrefix(lines.Text(), name); ok && strings.ContainsAny(rest[:1], "{ ") {
				value, err := strconv.ParseFloat(rest[strings.LastIndex(rest, " ")+1:], 64)
				if err != nil {
					s.Fatal(err)
				}
				sum += value
			}
		}
		return sum
	}
}

// rounds delivers the events of changes that are waiting, and n times one event more of each user, and waits each time
// until all of that is worked off.
func (s *system) rounds(n int, metric func(string) float64) {
	s.Helper()
	for round := range n + 1 {
		if round > 0 {
			for _, u := range s.clerk.Users() {
				s.sender.Send(clerktest.Event{Type: "user.updated", Data: u, InstanceID: clerktest.DefaultInstanceID})
			}
		}
		before, expected := metric("controller_runtime_reconcile_total"), len(s.sender.Pending())
		s.deliver()
		s.eventually("the round is worked off", func() error {
			done := metric("controller_runtime_reconcile_total") - before
			busy := metric("workqueue_depth") + metric("controller_runtime_active_workers")
			if done < float64(expected) || busy > 0 {
				return fmt.Errorf("%v of %d reconciles are done, %v are busy", done, expected, busy)
			}
			return nil
		})
	}
}

// metadataWrites are the writes to Clerk, by user; anything but a write of metadata is a failure.
func (s *system) metadataWrites() map[string]int {
	s.Helper()
	writes := map[string]int{}
	for _, write := range s.clerk.Writes() {
		if write.Route != "PATCH /users/{id}/metadata" {
			s.Errorf("the operator sent %s", write.Route)
		}
		writes[write.ID]++
	}
	return writes
}

// otherWrites are the writes to FitUsers in the namespace but for hints.
func (s *system) otherWrites() (writes []string) {
	s.Helper()
	all, err := s.env.Writes(s.namespace)
	if err != nil {
		s.Fatal(err)
	}
	for _, w := range all {
		if w.Resource == "fitusers" && (w.Verb != "patch" || w.Subresource != "") {
			writes = append(writes, w.String())
		}
	}
	return writes
}

// silent delivers the echoes of our own writes and then the same news again and again, which must cause no write but the
// hints.
func (s *system) silent(times int, metric func(string) float64) {
	s.Helper()
	objects, inClerk, rows := s.otherWrites(), len(s.clerk.Writes()), s.table.Query("SELECT * FROM users ORDER BY id")
	s.rounds(times, metric)
	if got := s.otherWrites()[len(objects):]; len(got) > 0 {
		s.Errorf("%d writes to FitUsers although all agreed, such as %s", len(got), got[0])
	}
	if got := s.clerk.Writes()[inClerk:]; len(got) > 0 {
		s.Errorf("%d writes to Clerk although all agreed, such as %v", len(got), got[0])
	}
	if diff := cmp.Diff(rows, s.table.Query("SELECT * FROM users ORDER BY id")); diff != "" {
		s.Errorf("the table changed although all agreed:\n%s", diff)
	}
}

func (s *system) wantWritesOfEach(ids []string, want int) {
	s.Helper()
	writes := s.metadataWrites()
	for _, id := range ids {
		if writes[id] != want {
			s.Errorf("%d writes to %s in Clerk, want %d", writes[id], id, want)
		}
	}
}

// rightsAre is nil when each user has the role in all three places, and there is one FitUser of each.
func (s *system) rightsAre(ids []string, role v1alpha1.Role) error {
	for _, id := range ids {
		held := must(s.clerk.User(id)).PublicMetadata["role"]
		if given := held == string(role); given != (role != "client") {
			return fmt.Errorf("%s has role %v in Clerk", id, held)
		}
	}
	if err := s.agreement(); err != nil {
		return err
	}
	var fitUsers v1alpha1.FitUserList
	if err := s.objects.List(context.Background(), &fitUsers, client.InNamespace(s.namespace)); err != nil {
		return err
	}
	for _, u := range fitUsers.Items {
		if u.Status.Role != role {
			return fmt.Errorf("%s has role %s", u.Name, u.Status.Role)
		}
	}
	return nil
}

func TestRolesOfTwoHundred(t *testing.T) {
	const many = 200
	s := newSystem(t, storetest.SQLite(t))
	metric := s.startMeasured("FITUSER_MAX_DELETIONS=1000")
	others := clerktest.Metadata{"plan": "gold", "nested": map[string]any{"role": "deep", "n": json.Number("1.50")}}
	ids := make([]string, many)
	for i := range ids {
		ids[i] = s.clerk.SignUp(clerktest.Person{
			Email: fmt.Sprintf("user%d@example.com", i), FirstName: "One", PublicMetadata: others, PrivateMetadata: others,
		})
	}
	s.deliver()
	s.eventually("all are there", s.agreement)

	manifests := make([]*v1alpha1.FitUser, many)
	s.all(many, func(i int) error {
		manifests[i] = s.manifest(fmt.Sprintf("person-%d", i), ids[i], "trainer")
		return s.objects.Create(t.Context(), manifests[i])
	})
	s.eventually("all are trainers", func() error { return s.rightsAre(ids, "trainer") })
	s.silent(0, metric)
	s.wantWritesOfEach(ids, 1)

	s.all(many, func(i int) error {
		if i%2 == 0 {
			return s.setRole(manifests[i], "")
		}
		return s.objects.Delete(t.Context(), manifests[i])
	})
	s.eventually("all are clients", func() error { return s.rightsAre(ids, "client") })
	s.silent(3, metric)
	s.wantWritesOfEach(ids, 2)
	for _, id := range ids {
		u := must(s.clerk.User(id))
		if diff := cmp.Diff([]clerktest.Metadata{others, others}, []clerktest.Metadata{u.PublicMetadata, u.PrivateMetadata}); diff != "" {
			t.Fatalf("other metadata of %s was touched (-want +got):\n%s", id, diff)
		}
	}
	if got := metric("fituser_roles_pending_revocation"); got != 0 {
		t.Errorf("%v rights are counted as not taken back", got)
	}
	s.stop()
	if got := strings.Count(s.logged(), `"Right changed"`); got != 2*many {
		t.Errorf("%d log lines tell of %d changes", got, 2*many)
	}
}

// Clerk takes ten writes of one user in ten seconds. A manifest that flaps waits by itself, before Clerk has to refuse it.
func TestFlappingManifestWaitsAlone(t *testing.T) {
	const allowed = 10
	s := newSystem(t, storetest.SQLite(t))
	s.start()
	s.clerk.SetLimits(clerktest.Limits{UserWrites: allowed})
	jane := s.clerk.SignUp(clerktest.Person{Email: "jane@example.com", FirstName: "Jane"})
	joe := s.clerk.SignUp(clerktest.Person{Email: "joe@example.com", FirstName: "Joe"})
	flapping, calm := s.manifest("jane", jane, "trainer"), s.manifest("joe", joe, "trainer")
	for _, u := range []*v1alpha1.FitUser{flapping, calm} {
		if err := s.objects.Create(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	holds := func(id string, role any) func() error {
		return func() error {
			if held := must(s.clerk.User(id)).PublicMetadata["role"]; held != role {
				return fmt.Errorf("the role is %v", held)
			}
			return nil
		}
	}
	flap := func(u *v1alpha1.FitUser, role v1alpha1.Role) {
		t.Helper()
		if err := s.setRole(u, role); err != nil {
			t.Fatal(err)
		}
	}
	s.eventually("the role is given", holds(jane, "trainer"))
	for i := 1; i < allowed; i++ {
		role := []v1alpha1.Role{"trainer", "admin"}[i%2]
		flap(flapping, role)
		s.eventually("the role is "+string(role), holds(jane, string(role)))
	}
	first := s.clerk.Writes()[0].At
	flap(flapping, "trainer")
	flap(flapping, "client")
	flap(calm, "admin")
	s.eventually("another user's change is through", holds(joe, "admin"))
	if time.Since(first) < 9*time.Second && holds(jane, "admin")() != nil {
		t.Error("more than ten writes in ten seconds")
	}
	s.eventually("the last word is in force", holds(jane, "client"))
	s.eventually("all agree", s.agreement)
	s.stop()
	for call := range s.clerk.Requests() {
		if call.Code == http.StatusTooManyRequests {
			t.Errorf("Clerk had to refuse %s", call.Route)
		}
	}
}

// A manifest may come before its user does. It asks for nothing until Clerk has news of the user.
func TestManifestWaitsForTheSignUp(t *testing.T) {
	s := newSystem(t, storetest.SQLite(t))
	metric := s.startMeasured()
	const jane = "user_2abc123"
	if err := s.objects.Create(t.Context(), s.manifest("jane", jane, "trainer")); err != nil {
		t.Fatal(err)
	}
	s.eventually("it says so", func() error {
		var u v1alpha1.FitUser
		if err := s.objects.Get(t.Context(), client.ObjectKey{Namespace: s.namespace, Name: "jane"}, &u); err != nil {
			return err
		}
		if ready := meta.FindStatusCondition(u.Status.Conditions, v1alpha1.ConditionReady); ready == nil || ready.Reason != v1alpha1.ReasonUserNotFound {
			return fmt.Errorf("Ready: %+v", ready)
		}
		return nil
	})
	asked := s.clerk.RequestCount("GET /users/{id}")
	s.clerk.SignUp(clerktest.Person{Email: "joe@example.com", FirstName: "Joe"})
	s.rounds(2, metric) // others are busy
	if got := s.clerk.RequestCount("GET /users/{id}") - asked; got > 3 {
		t.Errorf("%d requests while nothing happened to the user", got)
	}
	s.clerk.SignUp(clerktest.Person{ID: jane, Email: "jane@example.com", FirstName: "Jane"})
	s.deliver()
	s.eventually("the manifest is in force", func() error {
		if err := s.agreement(); err != nil {
			return err
		}
		if role := s.table.Column(jane, "role"); role != "trainer" {
			return fmt.Errorf("the row says %v", role)
		}
		return nil
	})
	s.stop()
}
