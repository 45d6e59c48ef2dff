package controllers_test

import (
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/instance"
	"github.com/fitai/fituser-operator/internal/state"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// After an invalid response the operator writes and deletes no row. The FitUser reports the cause.
func TestReconcile_ClerkErrorChangesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		answer clerktest.Response
		reason string
	}{
		"401":           {clerktest.Status(401, "clerk_key_invalid"), v1alpha1.ReasonClerkUnauthorized},
		"403":           {clerktest.Status(403, "authorization_invalid"), v1alpha1.ReasonClerkUnauthorized},
		"409":           {clerktest.Status(409, "resource_locked"), v1alpha1.ReasonClerkUnavailable},
		"429":           {clerktest.Throttled(60), v1alpha1.ReasonClerkThrottled},
		"429 text":      {clerktest.PlainText429("60"), v1alpha1.ReasonClerkThrottled},
		"500":           {clerktest.Status(500, "internal_clerk_error"), v1alpha1.ReasonClerkUnavailable},
		"502 HTML":      {clerktest.HTML502(), v1alpha1.ReasonClerkUnavailable},
		"503 empty":     {clerktest.Empty503(), v1alpha1.ReasonClerkUnavailable},
		"404 HTML":      {clerktest.HTML404(), v1alpha1.ReasonClerkUnavailable},
		"404 no error":  {clerktest.ErrorsEmpty404(), v1alpha1.ReasonClerkUnavailable},
		"null":          {clerktest.OKNull(), v1alpha1.ReasonClerkUnavailable},
		"empty object":  {clerktest.OKEmptyObject(), v1alpha1.ReasonClerkUnavailable},
		"empty":         {clerktest.EmptyBody(), v1alpha1.ReasonClerkUnavailable},
		"half a body":   {clerktest.Truncated(), v1alpha1.ReasonClerkUnavailable},
		"half the JSON": {clerktest.HalfJSON(), v1alpha1.ReasonClerkUnavailable},
		"redirect":      {clerktest.Redirect("http://127.0.0.1:1/"), v1alpha1.ReasonClerkUnavailable},
		"closed":        {clerktest.CloseConnection(), v1alpha1.ReasonClerkUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			jane, joe := w.signUp("jane"), w.signUp("joe")
			w.reconcileUntilStable(jane)
			before := w.table.Row(jane)
			w.clerk.SetNames(string(jane), "Janet", "Doe")
			w.clerk.Inject(clerktest.Fault{Match: clerktest.On("GET", "/users/*"), Respond: c.answer})
			w.event(joe, v1alpha1.UserCreated)
			for _, id := range []user.ID{jane, joe, jane, joe} {
				if result, err := w.reconcile(id); err == nil && result.RequeueAfter == 0 {
					t.Errorf("%s is not requeued", id)
				}
				w.wantReason(id, c.reason)
			}
			if after := w.table.Row(jane); after["first_name"] != before["first_name"] {
				t.Error("the row was written")
			}
			w.wantNoRow(joe)
			w.wantWrites(0, 0, func() { _, _ = w.reconcile(jane) }) // the same error is written once
		})
	}
}

func TestReconcile_AnotherUsersResponseIsRejected(t *testing.T) {
	w := newWorld(t)
	jane, joe := w.signUp("jane"), w.signUp("joe")
	w.clerk.Inject(clerktest.Fault{Match: clerktest.On("GET", "/users/*"), Respond: clerktest.AnotherUser(string(joe))})
	w.event(jane, v1alpha1.UserCreated)
	if _, err := w.reconcile(jane); err == nil {
		t.Error("another user's response was accepted")
	}
	w.wantReason(jane, v1alpha1.ReasonClerkUnavailable)
	w.wantNoRow(jane)
}

// A short wait for Clerk's rate limit writes no status: thousands of users may wait.
func TestReconcile_ShortThrottleWritesNoStatus(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.reconcileUntilStable(jane)
	w.clerk.Inject(clerktest.Fault{Match: clerktest.On("GET", "/users/*"), Respond: clerktest.Throttled(3)})
	w.wantWrites(0, 0, func() {
		for range 3 {
			result, err := w.reconcile(jane)
			if err != nil || result.RequeueAfter < time.Second || result.RequeueAfter > 4*time.Second {
				t.Errorf("requeued after %v, %v", result.RequeueAfter, err)
			}
		}
	})
	w.wantReady(jane)
	if got := w.clerk.RequestCount("GET /users/{id}"); got != 2 {
		t.Errorf("%d requests, want 2: the pause is ignored", got)
	}
}

func TestReconcile_MissingTable(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.reconcileUntilStable(jane)
	w.clerk.SetNames(string(jane), "Janet", "Doe")

	w.table.Exec("ALTER TABLE users RENAME TO people")
	if _, err := w.reconcile(jane); err == nil {
		t.Error("a missing table returns no error")
	}
	w.wantReason(jane, v1alpha1.ReasonDatabaseMismatch)
	w.wantWrites(0, 0, func() { _, _ = w.reconcile(jane) })

	w.table.Exec("ALTER TABLE people RENAME TO users")
	w.reconcileUntilStable(jane)
	w.wantReady(jane)
	w.wantRow(jane, user.Client)
}

func TestReconcile_DatabaseDown(t *testing.T) {
	w := newWorld(t)
	unreachable, err := store.Open("postgres://u:p@127.0.0.1:1/db", store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unreachable.Close() })
	table := w.Store
	w.Store = unreachable
	jane := w.signUp("jane")
	w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "trainer"})
	if _, err := w.reconcile(jane); err == nil {
		t.Error("a database that is down returns no error")
	}
	w.wantReason(jane, v1alpha1.ReasonDatabaseUnavailable)
	if got := w.fitUser(jane).Status.Role; got != "" {
		t.Errorf("the status has role %s without a row", got)
	}
	w.Store = table
	w.reconcileUntilStable(jane)
	w.wantReady(jane)
	w.wantRow(jane, user.Trainer)
}

// With another instance's key every user is unknown to Clerk. The operator must not delete them.
func TestInstance_OtherKeyDeletesNothing(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.reconcileUntilStable(jane)

	other := clerktest.NewServer(clerktest.Config{InstanceID: "ins_other"})
	server := httptest.NewServer(other)
	t.Cleanup(server.Close)
	ours := w.Clerk
	key := "another key"
	w.Clerk = clerk.New(clerk.Config{
		URL: server.URL + "/v1", Key: func() string { return clerktest.DefaultSecretKey }, RequestsPerSecond: 10_000,
	})
	w.Instance.Clerk, w.Instance.Key = w.Clerk, func() string { return key }
	w.event(jane, v1alpha1.UserDeleted)
	w.reconcileUntilStable(jane)
	w.wantReason(jane, v1alpha1.ReasonWrongInstance)
	w.wantRow(jane, user.Client)
	if got := other.RequestCount("GET /users/{id}"); got != 0 {
		t.Errorf("%d users were requested with the wrong key", got)
	}

	w.Clerk, w.Instance.Clerk, key = ours, ours, "the right key"
	w.clock.Step(fituser.DefaultLagTolerance)
	w.reconcileUntilStable(jane)
	w.wantReady(jane)
}

func TestInstance_IDIsRecordedAndEditable(t *testing.T) {
	w := newWorld(t)
	configMap := &corev1.ConfigMap{}
	where := client.ObjectKey{Namespace: w.namespace, Name: state.ConfigMapName}
	if err := w.live().Get(w.ctx, where, configMap); err != nil {
		t.Fatal(err)
	}
	if got := configMap.Data[state.InstanceKey]; got != clerktest.DefaultInstanceID {
		t.Fatalf("recorded instance: %q", got)
	}
	configMap.Data[state.InstanceKey] = "ins_other"
	if err := w.live().Update(w.ctx, configMap); err != nil {
		t.Fatal(err)
	}
	w.Instance = instance.New(w.Instance.Config) // as in a new process
	if mismatch, ok := errors.AsType[*instance.MismatchError](w.Instance.Check(w.ctx)); !ok || mismatch.Expected != "ins_other" {
		t.Fatalf("the other instance's id is accepted: %v", mismatch)
	}
	configMap.Data[state.InstanceKey] = clerktest.DefaultInstanceID
	if err := w.live().Update(w.ctx, configMap); err != nil {
		t.Fatal(err)
	}
	w.clock.Step(time.Minute)
	if err := w.Instance.Check(w.ctx); err != nil {
		t.Errorf("the corrected id is rejected: %v", err)
	}
}

func TestStatus_ProfileModes(t *testing.T) {
	for mode, want := range map[fituser.ProfileMode]*v1alpha1.Profile{
		fituser.ProfileFull:   {Email: "jane@example.com", FirstName: "Jane", LastName: "Doe", Phone: "+15550100"},
		fituser.ProfileMasked: {Email: "j***@example.com", FirstName: "J***", LastName: "D***", Phone: "***00"},
		fituser.ProfileNone:   nil,
	} {
		t.Run(string(mode), func(t *testing.T) {
			w := newWorld(t)
			w.Profile = mode
			jane := user.ID(w.clerk.SignUp(clerktest.Person{
				Email: "jane@example.com", FirstName: "Jane", LastName: "Doe", Phone: "+15550100",
			}))
			w.reconcileUntilStable(jane)
			got := w.fitUser(jane).Status.Profile
			if (got == nil) != (want == nil) || got != nil && *got != *want {
				t.Errorf("profile %+v, want %+v", got, want)
			}
			w.wantRow(jane, user.Client)
		})
	}
}
