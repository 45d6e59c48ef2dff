package receiver

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/fitusers"
)

// A user whose data changes all the time, while the controller writes the object as often as it can for a while.
func TestManyMessagesOfOneUserAtOnceOnTwoReplicas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	replicas := []*endpoint{w.receive(t, nil), w.receive(t, nil)}
	w.create(t, fitusers.New("", ada, 0))
	var senders sync.WaitGroup
	const messages = 100
	for i := range messages {
		senders.Go(func() {
			mustAccept(t, replicas[i%2].post(t, signed(fmt.Sprintf("msg_%d", i), updated(ada, eventTime-int64(i)))))
		})
	}
	for i := range 30 {
		patch := fmt.Appendf(nil, `{"status":{"observedHint":"msg_%d"}}`, i)
		if err := w.admin.Status().Patch(t.Context(), fitusers.New(w.namespace, ada, 0), client.RawPatch(client.Merge.Type(), patch)); err != nil {
			t.Error(err)
		}
	}
	senders.Wait()

	hints := w.hints(t)
	if len(hints) != 1 || hints[adaName].UserUpdatedAt != eventTime {
		t.Errorf("hints are %v, want one with the newest word", hints)
	}
	for _, e := range replicas {
		if n := len(e.recorder.gatherer.lines); n != 0 {
			t.Errorf("%d users still wait", n)
		}
	}
}

// held is a receiver whose first write waits until go.
func (w *world) held(t *testing.T) (e *endpoint, writing <-chan struct{}, release func()) {
	t.Helper()
	started, goOn := make(chan struct{}), make(chan struct{})
	var once atomic.Bool
	e = w.receive(t, w.through(interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, u client.Object, opts ...client.CreateOption) error {
			if once.CompareAndSwap(false, true) {
				close(started)
				select {
				case <-goOn:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return c.Create(ctx, u, opts...)
		},
	}))
	return e, started, sync.OnceFunc(func() { close(goOn) })
}

// waits waits until so many requests of ada's are in line, the one that writes included.
func (e *endpoint) waits(t *testing.T, requests int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d requests are in line", requests), func() bool {
		g := e.recorder.gatherer
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.lines[ada] != nil && g.lines[ada].requests == requests
	})
}

func TestWhatComesDuringAWriteSharesTheNext(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, writing, release := w.held(t)
	defer release()
	var senders sync.WaitGroup
	post := func(id, body string) { senders.Go(func() { mustAccept(t, e.post(t, signed(id, body))) }) }
	post("msg_0", updated(ada, eventTime-5000))
	<-writing
	for i := range 9 {
		post(fmt.Sprintf("msg_%d", i+1), updated(ada, eventTime-int64(i)))
	}
	post("msg_deleted", deleted(ada)) // another type: a write of its own
	e.waits(t, 11)
	release()
	senders.Wait()
	if hint := w.hints(t)[adaName]; hint.Type != v1alpha1.UserDeleted || hint.UserUpdatedAt != eventTime {
		t.Errorf("the hint is %+v, want the deletion's word", hint)
	}
	if n := w.writes(t); n != 3 {
		t.Errorf("%d writes, want 3", n)
	}
}

// Whose sender hangs up does not take the others along.
func TestWhoGivesUpLeavesTheWriteToTheNext(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, writing, release := w.held(t)
	defer release()
	impatient := e.dial(t)
	send(t, impatient, signed("msg_0", created(ada)).length().String())
	<-writing
	waiting := []net.Conn{e.dial(t), e.dial(t)}
	for i, conn := range waiting {
		send(t, conn, signed(fmt.Sprintf("msg_%d", i+1), updated(ada, eventTime)).length().String())
	}
	e.waits(t, 3)
	hangUp(waiting[0])
	e.waits(t, 2)
	hangUp(impatient)
	mustAccept(t, readReply(t, waiting[1]))
	if hint := w.hints(t)[adaName]; hint.UserUpdatedAt != eventTime {
		t.Errorf("the hint is %+v", hint)
	}
}

func TestNewsOntoWhatIsRecorded(t *testing.T) {
	t.Parallel()
	at := func(message string, updatedAt int64) v1alpha1.Hint {
		return hintOf(message, v1alpha1.UserUpdated, updatedAt)
	}
	for name, test := range map[string]struct {
		old   *v1alpha1.Hint
		all   news
		want  v1alpha1.Hint
		fresh bool
	}{
		"the first":                 {nil, news{at("msg_1", 1)}, at("msg_1", 1), true},
		"the first ones":            {nil, news{at("msg_1", 2), at("msg_2", 1)}, at("msg_2", 2), true},
		"a retry":                   {new(at("msg_1", 1)), news{at("msg_1", 1)}, at("msg_1", 1), false},
		"a retry twice":             {new(at("msg_1", 1)), news{at("msg_1", 1), at("msg_1", 1)}, at("msg_1", 1), false},
		"something new":             {new(at("msg_1", 1)), news{at("msg_2", 2)}, at("msg_2", 2), true},
		"something new and a retry": {new(at("msg_1", 1)), news{at("msg_2", 2), at("msg_1", 1)}, at("msg_2", 2), true},
		"a retry and old news":      {new(at("msg_1", 2)), news{at("msg_1", 2), at("msg_0", 1)}, at("msg_0", 2), true},
	} {
		old := v1alpha1.Hint{}
		if test.old != nil {
			old = *test.old
		}
		hint, fresh := test.all.onto(old, test.old != nil)
		if diff := cmp.Diff(test.want, hint); diff != "" || fresh != test.fresh {
			t.Errorf("%s: fresh %t, want %t; hint (-want +got):\n%s", name, fresh, test.fresh, diff)
		}
	}
}
