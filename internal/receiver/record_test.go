package receiver

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/fitusers"
)

// ada is the user of these tests. adaName is the derived name of her FitUser.
const (
	ada     = "user_2Ada"
	adaName = "user-2ada-2"
)

func mustAccept(t *testing.T, got reply) {
	t.Helper()
	if got.status != http.StatusOK {
		t.Errorf("status %d %q, want 200", got.status, got.text)
	}
}

// acknowledged sends r until it is accepted, as Svix does. For receivers whose limits a slow machine may reach. It does not
// end the test, because other goroutines call it.
func (e *endpoint) acknowledged(t *testing.T, r wireRequest) {
	t.Helper()
	var last reply
	err := wait.PollUntilContextTimeout(t.Context(), 5*time.Millisecond, patience, true, func(context.Context) (bool, error) {
		last = e.post(t, r)
		return last.status == http.StatusOK, nil
	})
	if err != nil {
		t.Errorf("not acknowledged in %s: status %d %q", patience, last.status, last.text)
	}
}

// hints returns the hints by FitUser. A FitUser without a hint has the zero Hint.
func (w *world) hints(t *testing.T) map[string]v1alpha1.Hint {
	t.Helper()
	hints := map[string]v1alpha1.Hint{}
	for name, u := range w.users(t) {
		hints[name], _ = u.Hint()
	}
	return hints
}

func wantHints(t *testing.T, w *world, want map[string]v1alpha1.Hint) {
	t.Helper()
	if diff := cmp.Diff(want, w.hints(t)); diff != "" {
		t.Errorf("hints by FitUser (-want +got):\n%s", diff)
	}
}

func hintOf(messageID string, eventType v1alpha1.EventType, updatedAt int64) v1alpha1.Hint {
	return v1alpha1.Hint{MessageID: messageID, Type: eventType, UserUpdatedAt: updatedAt, EventAt: eventTime, ReceivedAt: eventTime}
}

func TestRecord_UnknownUserIsCreatedInOneWrite(t *testing.T) {
	t.Parallel()
	for eventType, body := range map[v1alpha1.EventType]string{
		v1alpha1.UserCreated: created(ada),
		v1alpha1.UserUpdated: updated(ada, eventTime-18),
	} {
		t.Run(string(eventType), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			mustAccept(t, w.receive(t, nil).post(t, signed("msg_1", body)))

			wantHints(t, w, map[string]v1alpha1.Hint{adaName: hintOf("msg_1", eventType, eventTime-18)})
			u := w.users(t)[adaName]
			want := v1alpha1.FitUserSpec{ClerkUserID: ada}
			if diff := cmp.Diff(want, u.Spec); diff != "" {
				t.Errorf("spec (-want +got):\n%s", diff)
			}
			if !u.ManagedByOperator() || len(u.Annotations) != 1 || len(u.Labels) != 1 || len(u.Finalizers) != 0 {
				t.Errorf("metadata is %+v", u.ObjectMeta)
			}
			if n := w.writes(t); n != 1 {
				t.Errorf("%d writes, want 1", n)
			}
		})
	}
}

func TestRecord_HintGoesOnTheActiveFitUser(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.receive(t, nil)
	w.create(t, fitusers.New("", ada, 0))
	w.create(t, manifest("coach-ada", ada))
	w.create(t, manifest("somebody-else", "user_2ada"))
	e.knows(t, "coach-ada", exists)
	e.knows(t, "somebody-else", exists)

	before := w.users(t)["coach-ada"]
	mustAccept(t, e.post(t, signed("msg_1", updated(ada, eventTime))))
	wantHints(t, w, map[string]v1alpha1.Hint{
		adaName: {}, "somebody-else": {}, "coach-ada": hintOf("msg_1", v1alpha1.UserUpdated, eventTime),
	})
	after := w.users(t)["coach-ada"]
	if diff := cmp.Diff(before.Spec, after.Spec); diff != "" || after.Generation != before.Generation {
		t.Errorf("the user-managed spec changed (-before +after):\n%s", diff)
	}
}

func TestRecord_DeletionOfAnUnknownUserMakesNoWrites(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mustAccept(t, w.receive(t, nil).post(t, signed("msg_1", deleted(ada))))
	if n := w.writes(t); n != 0 {
		t.Errorf("%d writes, want none", n)
	}
}

func TestRecord_DeletionIsAHintAndDeletesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.receive(t, nil)
	mustAccept(t, e.post(t, signed("msg_1", created(ada))))
	mustAccept(t, e.post(t, signed("msg_2", deleted(ada)))) // the cache may not have the FitUser yet
	wantHints(t, w, map[string]v1alpha1.Hint{adaName: hintOf("msg_2", v1alpha1.UserDeleted, eventTime)})
}

func TestRecord_NewestEventWinsInAnyOrder(t *testing.T) {
	t.Parallel()
	bodies := map[string]string{
		"msg_1": updated(ada, eventTime-3000), "msg_2": updated(ada, eventTime-2000), "msg_3": updated(ada, eventTime-1000),
	}
	for _, order := range [][]string{
		{"msg_1", "msg_2", "msg_3"}, {"msg_1", "msg_3", "msg_2"}, {"msg_2", "msg_1", "msg_3"},
		{"msg_2", "msg_3", "msg_1"}, {"msg_3", "msg_1", "msg_2"}, {"msg_3", "msg_2", "msg_1"},
	} {
		t.Run(strings.Join(order, " "), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			e := w.receive(t, nil)
			for _, id := range order {
				mustAccept(t, e.post(t, signed(id, bodies[id])))
			}
			// The hint has the message ID of the last delivery and the newest time.
			wantHints(t, w, map[string]v1alpha1.Hint{adaName: hintOf(order[2], v1alpha1.UserUpdated, eventTime-1000)})
		})
	}
}

func TestRecord_RetriedDeliveryMakesNoWrites(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.receive(t, nil)
	mustAccept(t, e.post(t, signed("msg_1", created(ada))))
	mustAccept(t, e.post(t, signed("msg_1", created(ada))))
	e.knows(t, adaName, exists)
	w.now.Add(28 * 3600 * 1000) // Svix makes its last attempt 28 hours later, with a new signature
	mustAccept(t, e.post(t, signedAt("msg_1", created(ada), w.now.Load()/1000)))
	if n := w.writes(t); n != 1 {
		t.Errorf("%d writes for one message, want 1", n)
	}
}

func TestRecord_IDsThatDifferInCaseAreTwoUsers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.receive(t, nil)
	mustAccept(t, e.post(t, signed("msg_1", created("user_2aDa"))))
	mustAccept(t, e.post(t, signed("msg_2", created("user_2adA"))))
	longest := "user_" + strings.Repeat("Z", 58)
	mustAccept(t, e.post(t, signed("msg_3", created(longest))))
	var ids []string
	for _, u := range w.users(t) {
		ids = append(ids, u.Spec.ClerkUserID)
	}
	slices.Sort(ids)
	if diff := cmp.Diff([]string{"user_2aDa", "user_2adA", longest}, ids); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
}

func TestRecord_TakenNameGetsASuffix(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.receive(t, nil)
	w.create(t, manifest(adaName, "user_2bob"))
	mustAccept(t, e.post(t, signed("msg_1", created(ada))))
	mustAccept(t, e.post(t, signed("msg_2", deleted(ada))))
	wantHints(t, w, map[string]v1alpha1.Hint{
		adaName: {}, adaName + "-1": hintOf("msg_2", v1alpha1.UserDeleted, eventTime),
	})
}

func TestRecord_ConcurrentRetriesOnTwoReplicasWriteOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	replicas := []*endpoint{w.receive(t, nil), w.receive(t, nil)}
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() { mustAccept(t, replicas[i%2].post(t, signed("msg_1", created(ada)))) })
	}
	wg.Wait()
	wantHints(t, w, map[string]v1alpha1.Hint{adaName: hintOf("msg_1", v1alpha1.UserCreated, eventTime-18)})
	if n := w.writes(t); n != 1 {
		t.Errorf("%d writes for one message, want 1", n)
	}
}
