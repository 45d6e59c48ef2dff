package controllers_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/testenv/eventually"
	"github.com/fitai/fituser-operator/internal/user"
)

// told is what people were told of changed rights since the last call: the notes of the events.
func (w *world) told() []string {
	var notes []string
	for {
		select {
		case line := <-w.recorder.Events:
			if note, ok := strings.CutPrefix(line, "Normal RoleChanged "); ok {
				notes = append(notes, note)
			}
		default:
			return notes
		}
	}
}

// keepLog collects the log lines of reconciles from now on.
func (w *world) keepLog() (lines func() string) {
	var mu sync.Mutex
	var all strings.Builder
	w.ctx = logf.IntoContext(w.ctx, funcr.New(func(prefix, args string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintln(&all, prefix, args)
	}, funcr.Options{}))
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		return all.String()
	}
}

// setRole changes spec.role as somebody with that field manager does.
func (w *world) setRole(u *v1alpha1.FitUser, role v1alpha1.Role, manager string) {
	w.Helper()
	w.reload(u)
	u.Spec.Role = role
	if err := w.client.Update(w.ctx, u, client.FieldOwner(manager)); err != nil {
		w.Fatal(err)
	}
	w.reload(u)
}

func TestEachChangeOfARightIsToldOnce(t *testing.T) {
	w := newWorld(t)
	log := w.keepLog()
	jane := w.signUp("jane")
	coach := w.manifest("coach-jane", jane, v1alpha1.FitUserSpec{})
	w.settle(jane)

	changes := []struct {
		happens func()
		told    string
	}{
		{func() { w.clerk.SetNames(string(jane), "Janet", "Doe") }, ""},
		{
			func() { w.setRole(coach, "trainer", "argocd-controller") },
			"from client to trainer (source: manifest coach-jane, written by argocd-controller)",
		},
		{
			func() { w.setRole(coach, "admin", "kubectl-edit") },
			"from trainer to admin (source: manifest coach-jane, written by kubectl-edit)",
		},
		{func() { w.setRole(coach, "", "kubectl-edit") }, "from admin to client (source: Revoked)"},
		{
			func() { w.clerk.SetPublicMetadata(string(jane), clerktest.Metadata{"role": "trainer"}) },
			"from client to trainer (source: Clerk)",
		},
		{func() { w.setRole(coach, "trainer", "kustomize-controller") }, ""}, // the source is another, the right is not
		{
			func() { w.setRole(coach, "admin", "kustomize-controller") },
			"from trainer to admin (source: manifest coach-jane, written by kustomize-controller)",
		},
		{
			func() {
				w.clerk.SetPublicMetadata(string(jane), clerktest.Metadata{"role": "trainer"})
				w.setRole(coach, "", "kustomize-controller")
			},
			"from admin to trainer (source: Clerk)",
		},
		{func() { w.clerk.SetPublicMetadata(string(jane), nil) }, "from trainer to client (source: Default)"},
		{
			func() { w.setRole(coach, "admin", "kubectl-edit") },
			"from client to admin (source: manifest coach-jane, written by kubectl-edit)",
		},
		{
			func() { w.remove(coach); w.endGrace() },
			"from admin to client (source: Revoked)",
		},
	}
	var want []string
	for _, c := range changes {
		c.happens()
		w.settle(jane)
		if c.told != "" {
			want = append(want, fmt.Sprintf("role of %s changed %s", jane, c.told))
		}
	}
	w.silent(jane)
	if diff := cmp.Diff(want, w.told()); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if got := strings.Count(log(), `"Role changed"`); got != len(want) {
		t.Errorf("%d log lines tell of %d changes:\n%s", got, len(want), log())
	}
	for _, secret := range []string{"jane@example.com", "Doe", "Janet"} {
		if strings.Contains(log(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
	if want := fmt.Sprintf(`"user"=%q "from"="client" "to"="trainer" "source"="Manifest"`, jane); !strings.Contains(log(), want) {
		t.Errorf("no log line has %s:\n%s", want, log())
	}
}

// A right that a manifest gives to somebody who has just signed up is a change; that a sign-up makes a client is none,
// and neither is a user who was there before the operator.
func TestFirstLookTellsOnlyWhatItChanged(t *testing.T) {
	w := newWorld(t)
	jane, joe, jim := w.signUp("jane"), w.signUp("joe"), w.signUp("jim")
	w.clerk.SetPublicMetadata(string(joe), clerktest.Metadata{"role": "trainer"})
	w.manifest("jim", jim, v1alpha1.FitUserSpec{Role: "admin"})
	w.settle(jane, joe, jim)
	if told := w.told(); len(told) != 1 || !strings.Contains(told[0], fmt.Sprintf("%s changed from client to admin", jim)) {
		t.Errorf("told: %q", told)
	}
}

// The status of a deleted FitUser is gone with it; the row still knows which right there was, also for a new process that
// comes after the role went from Clerk.
func TestTakingBackIsToldByWhoeverFinishesIt(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	coach := w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "admin"})
	w.settle(jane)
	w.told()
	w.remove(coach)
	w.clerk.SetPublicMetadata(string(jane), nil)
	w.clerk.SetPrivateMetadata(string(jane), nil)
	w.endGrace()
	w.settle(jane)
	if told := w.told(); len(told) != 1 || !strings.Contains(told[0], "from admin to client") {
		t.Errorf("told: %q", told)
	}
}

// The echo of our own write may be quicker than our status: then the status is refused, and the next look writes it. The
// deleted FitUser's status is gone by then, and the row is already what it must be.
func TestTakingBackIsToldWhenItsEchoComesFirst(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	coach := w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "admin"})
	w.settle(jane)
	w.told()
	w.remove(coach)
	w.settle(jane)
	w.endGrace()
	w.clerk.Inject(clerktest.Fault{
		Match: clerktest.On("PATCH", "/users/*/metadata"), Times: 1,
		Respond: func(answer http.ResponseWriter, r *http.Request, next http.Handler) {
			next.ServeHTTP(answer, r)
			w.event(jane, v1alpha1.UserUpdated)
		},
	})
	w.settle(jane)
	want := []string{fmt.Sprintf("role of %s changed from admin to client (source: Revoked)", jane)}
	if diff := cmp.Diff(want, w.told()); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	w.settle(jane)
	if told := w.told(); len(told) != 0 {
		t.Errorf("told again: %q", told)
	}
}

// What counts is the role that was said to be in force: a row that somebody has changed is put back, and one that was
// already written when a process died is not yet told of.
func TestRowAloneIsNoRight(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.settle(jane)
	change := func(role string) { w.table.Exec("UPDATE users SET role = $1 WHERE id = $2", role, string(jane)) }
	change("admin")
	w.settle(jane)
	w.wantRow(jane, user.Client)
	if told := w.told(); len(told) != 0 {
		t.Errorf("told of a right that nobody had: %q", told)
	}
	w.clerk.SetPublicMetadata(string(jane), clerktest.Metadata{"role": "trainer"})
	change("trainer")
	w.settle(jane)
	if told := w.told(); len(told) != 1 || !strings.Contains(told[0], "from client to trainer") {
		t.Errorf("told: %q", told)
	}
}

func TestRightNotTakenBackIsSaidAndCounted(t *testing.T) {
	for name, fault := range map[string]clerktest.Fault{
		"reads are throttled":  {Match: clerktest.On("GET", "/users/*"), Respond: clerktest.Throttled(1)},
		"writes are throttled": {Match: clerktest.On("PATCH", "/users/*/metadata"), Respond: clerktest.Throttled(1)},
		"writes are down":      {Match: clerktest.On("PATCH", "/users/*/metadata"), Respond: clerktest.HTML502()},
		"all is down":          {Respond: clerktest.CloseConnection()},
		"the key is refused":   {Respond: clerktest.Status(401, "clerk_key_invalid")},
		"the write is refused": {Match: clerktest.On("PATCH", "/users/*/metadata"), Respond: clerktest.Status(422, "form_param_unknown")},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			jane := w.signUp("jane")
			coach := w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "admin"})
			w.settle(jane)
			w.wantRightsNotTakenBack(0)

			well := w.clerk.Inject(fault)
			_, _ = w.reconcile(jane) // Clerk has been in trouble for long when the line goes
			w.clock.Step(time.Hour)
			since := w.clock.Now()
			w.change(coach, func(u *v1alpha1.FitUser) { u.Spec.Role = "" })
			for range 3 {
				_, _ = w.reconcile(jane)
				w.clock.Step(time.Minute)
			}
			w.wantReasonOf(coach, v1alpha1.ReasonRevocationPending)
			w.wantRightsNotTakenBack(1)
			synced := meta.FindStatusCondition(coach.Status.Conditions, v1alpha1.ConditionClerkSynced)
			if synced.Reason != v1alpha1.ReasonRevocationPending || synced.LastTransitionTime.Unix() != since.Unix() {
				t.Errorf("said since %v with %s, want since %v", synced.LastTransitionTime, synced.Reason, since)
			}
			if !strings.HasPrefix(synced.Message, "admin is to be revoked, but is not yet: ") || coach.Status.Role != "admin" {
				t.Errorf("role %s, message %q", coach.Status.Role, synced.Message)
			}

			well()
			eventually.Holds(w, "the state is reached", func() bool {
				_, _ = w.reconcile(jane)
				role, mark := w.metadata(jane)
				return role == nil && mark == nil
			})
			w.settle(jane)
			w.wantRightsNotTakenBack(0)
			w.wantRole(jane, user.Client, user.FromDefault, nil, nil)
			w.wantReady(jane)
		})
	}
}

func (w *world) wantRightsNotTakenBack(want float64) {
	w.Helper()
	if got := w.metric("fituser_roles_pending_revocation"); got != want {
		w.Errorf("%v roles are pending revocation, want %v", got, want)
	}
}

// With the manifest itself gone there is no object to say it: the metric does.
func TestRightOfADeletedManifestIsCountedUntilItIsTakenBack(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	coach := w.manifest("jane", jane, v1alpha1.FitUserSpec{Role: "admin"})
	w.settle(jane)
	well := w.clerk.Inject(clerktest.Fault{Respond: clerktest.Empty503()})
	w.remove(coach)
	w.endGrace()
	for range 2 {
		if _, err := w.reconcile(jane); err == nil {
			t.Error("nothing is tried again")
		}
		w.wantRightsNotTakenBack(1)
	}
	well()
	w.settle(jane)
	w.wantRightsNotTakenBack(0)
	w.wantRole(jane, user.Client, user.FromDefault, nil, nil)
}
