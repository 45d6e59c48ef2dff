package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/store/storetest"
	"github.com/fitai/fituser-operator/internal/user"
)

// manifest returns a FitUser as a person writes it.
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

// forEach calls do for n users, 16 at a time.
func (s *system) forEach(n int, do func(i int) error) {
	s.Helper()
	var group errgroup.Group
	group.SetLimit(16)
	for i := range n {
		group.Go(func() error { return do(i) })
	}
	ok(s, group.Wait())
}

func TestRoles_GrantAndRevokeForManyUsers(t *testing.T) {
	many := scaled(80, 200)
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
	s.eventually("all users are synced", s.synced)

	manifests := make([]*v1alpha1.FitUser, many)
	s.forEach(many, func(i int) error {
		manifests[i] = s.manifest(fmt.Sprintf("person-%d", i), ids[i], "trainer")
		return s.objects.Create(t.Context(), manifests[i])
	})
	s.eventually("all are trainers", func() error { return s.rolesAre(ids, "trainer") })
	s.wantNoWrites(0, metric)
	s.wantWritesOfEach(ids, 1)

	s.forEach(many, func(i int) error {
		if i%2 == 0 {
			return s.setRole(manifests[i], "")
		}
		return s.objects.Delete(t.Context(), manifests[i])
	})
	s.eventually("all are clients", func() error { return s.rolesAre(ids, "client") })
	s.wantNoWrites(3, metric)
	s.wantWritesOfEach(ids, 2)
	for _, id := range ids {
		u := must(s.clerk.User(id))
		if diff := cmp.Diff([]clerktest.Metadata{others, others}, []clerktest.Metadata{u.PublicMetadata, u.PrivateMetadata}); diff != "" {
			t.Fatalf("other metadata of %s was touched (-want +got):\n%s", id, diff)
		}
	}
	if got := metric("fituser_roles_pending_revocation"); got != 0 {
		t.Errorf("%v revocations are counted as pending", got)
	}
	s.stop()
	if got := strings.Count(s.logged(), `"Role changed"`); got != 2*many {
		t.Errorf("%d log lines for %d changes", got, 2*many)
	}
}

// Clerk accepts ten writes for one user in ten seconds. A manifest that flaps waits before Clerk refuses it, and delays no
// other user.
func TestRoles_FlappingManifestDelaysOnlyItself(t *testing.T) {
	const allowed = 10
	s := newSystem(t, storetest.SQLite(t))
	s.start("FITUSER_MAX_DELETIONS=1000", "FITUSER_MIN_PROTECTED=0")
	s.clerk.SetLimits(clerktest.Limits{UserWrites: allowed})
	jane := s.clerk.SignUp(clerktest.Person{Email: "jane@example.com", FirstName: "Jane"})
	joe := s.clerk.SignUp(clerktest.Person{Email: "joe@example.com", FirstName: "Joe"})
	flapping, other := s.manifest("jane", jane, "trainer"), s.manifest("joe", joe, "trainer")
	for _, u := range []*v1alpha1.FitUser{flapping, other} {
		if err := s.objects.Create(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	hasRole := func(id string, role any) func() error {
		return func() error {
			if current := must(s.clerk.User(id)).PublicMetadata["role"]; current != role {
				return fmt.Errorf("the role is %v", current)
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
	s.eventually("the role is granted", hasRole(jane, "trainer"))
	for i := 1; i < allowed; i++ {
		role := []v1alpha1.Role{"trainer", "admin"}[i%2]
		flap(flapping, role)
		s.eventually("the role is "+string(role), hasRole(jane, string(role)))
	}
	first := s.clerk.Writes()[0].At
	flap(flapping, "trainer")
	flap(flapping, "client")
	flap(other, "admin")
	s.eventually("the change of the other user is written", hasRole(joe, "admin"))
	if time.Since(first) < 9*time.Second && hasRole(jane, "admin")() != nil {
		t.Error("more than ten writes in ten seconds")
	}
	s.eventually("the last change is written", hasRole(jane, "client"))
	s.eventually("all users are synced", s.synced)
	s.stop()
	for call := range s.clerk.Requests() {
		if call.Code == http.StatusTooManyRequests {
			t.Errorf("Clerk refused %s", call.Route)
		}
	}
}

// A manifest may exist before its user. It causes no requests until Clerk sends an event of the user.
func TestRoles_ManifestWaitsForSignUp(t *testing.T) {
	s := newSystem(t, storetest.SQLite(t))
	metric := s.startMeasured()
	const jane = "user_2abc123"
	if err := s.objects.Create(t.Context(), s.manifest("jane", jane, "trainer")); err != nil {
		t.Fatal(err)
	}
	s.eventually("the condition reports it", func() error {
		var u v1alpha1.FitUser
		if err := s.objects.Get(t.Context(), client.ObjectKey{Namespace: s.namespace, Name: "jane"}, &u); err != nil {
			return err
		}
		if ready := meta.FindStatusCondition(u.Status.Conditions, v1alpha1.ConditionReady); ready == nil || ready.Reason != v1alpha1.ReasonUserNotFound {
			return fmt.Errorf("Ready: %+v", ready)
		}
		return nil
	})
	before := s.clerk.RequestCount("GET /users/{id}")
	s.clerk.SignUp(clerktest.Person{Email: "joe@example.com", FirstName: "Joe"})
	s.rounds(2, metric) // events of another user
	if got := s.clerk.RequestCount("GET /users/{id}") - before; got > 3 {
		t.Errorf("%d requests without an event of the user", got)
	}
	s.clerk.SignUp(clerktest.Person{ID: jane, Email: "jane@example.com", FirstName: "Jane"})
	s.deliver()
	s.eventually("the role of the manifest is granted", func() error {
		if err := s.synced(); err != nil {
			return err
		}
		if role := s.table.Column(jane, "role"); role != "trainer" {
			return fmt.Errorf("the row contains %v", role)
		}
		return nil
	})
	s.stop()
}

// hasRole returns nil when the user has the role in Clerk and in the row; the default role is not set in Clerk.
func (s *system) hasRole(id, role string) error {
	current := must(s.clerk.User(id)).PublicMetadata["role"]
	if row := s.table.Row(user.ID(id)); row["role"] != role || role != "client" && current != role || role == "client" && current != nil {
		return fmt.Errorf("%s has role %v in Clerk and %v in the row", id, current, row["role"])
	}
	return nil
}

// What the controller watches and when it acts by itself: addresses, rules and expiries, without a sweep in between.
func TestRoles_ByAddressByRuleAndUntil(t *testing.T) {
	s := newSystem(t, storetest.SQLite(t))
	jane := s.clerk.SignUp(clerktest.Person{Email: "jane@example.com", FirstName: "Jane"})
	joe := s.clerk.SignUp(clerktest.Person{Email: "joe@fitai.dev", FirstName: "Joe"})
	s.start("FITUSER_SYNC_PERIOD=1h")
	s.eventually("all users are synced", s.synced)

	until := metav1.NewTime(time.Now().Add(5 * time.Second).Truncate(time.Second))
	coach := s.manifest("coach", "", "admin")
	coach.Spec.Email, coach.Spec.RoleExpiresAt = "Jane@example.com", &until
	rule := &v1alpha1.RoleRule{Spec: v1alpha1.RoleRuleSpec{Role: "trainer", EmailDomains: []string{"fitai.dev"}}}
	rule.Namespace, rule.Name = s.namespace, "staff"
	other := s.manifest("other", joe, "admin")
	s.create(coach, rule)
	s.eventually("the rule gives its role", func() error { return s.hasRole(joe, "trainer") })
	s.eventually("the rule counts its user", func() error {
		ok(t, s.objects.Get(t.Context(), client.ObjectKeyFromObject(rule), rule))
		if rule.Status.Users == nil || *rule.Status.Users != 1 {
			return fmt.Errorf("the status is %+v", rule.Status)
		}
		return nil
	})
	s.create(other) // so that the expiring admin is not the last one
	s.eventually("the manifest is bound", func() error {
		ok(t, s.objects.Get(t.Context(), client.ObjectKeyFromObject(coach), coach))
		if coach.Status.ClerkUserID != jane {
			return fmt.Errorf("the status is %+v", coach.Status)
		}
		return nil
	})
	s.eventually("the role expires", func() error { return s.hasRole(jane, "client") })
	if late := time.Since(until.Time); late < 0 {
		t.Errorf("the role ended %s before its time", -late)
	}
	ok(t, s.objects.Delete(t.Context(), other))
	ok(t, s.objects.Delete(t.Context(), rule))
	s.eventually("the last holder of the protected role keeps it", func() error {
		var all v1alpha1.FitUserList
		ok(t, s.objects.List(t.Context(), &all, client.InNamespace(s.namespace)))
		for _, u := range all.Items {
			ready := meta.FindStatusCondition(u.Status.Conditions, v1alpha1.ConditionReady)
			if u.UserID() == joe && ready != nil && ready.Reason == v1alpha1.ReasonLastAdmin {
				return s.hasRole(joe, "admin")
			}
		}
		return fmt.Errorf("no FitUser reports it: %+v", all.Items)
	})
	s.stop()
}
