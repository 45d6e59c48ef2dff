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
	"github.com/fitai/fituser-operator/internal/testenv/eventually"
)

// The user's data changes constantly while the controller writes the status of the same object.
func TestCoalescer_ConcurrentMessagesOfOneUserOnTwoReplicas(t *testing.T) {
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
		t.Errorf("hints are %v, want one with the newest time", hints)
	}
	for _, e := range replicas {
		if n := len(e.recorder.coalescer.queues); n != 0 {
			t.Errorf("%d users still have a queue", n)
		}
	}
}

// held returns a receiver whose first write waits for release.
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

// waits waits until so many requests for ada are in the queue, including the one that writes.
func (e *endpoint) waits(t *testing.T, requests int) {
	t.Helper()
	eventually.Holds(t, fmt.Sprintf("%d requests are in the queue", requests), func() bool {
		c := e.recorder.coalescer
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.queues[ada] != nil && c.queues[ada].requests == requests
	})
}

func TestCoalescer_HintsDuringAWriteShareTheNextWrite(t *testing.T) {
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
	post("msg_deleted", deleted(ada)) // another type gets its own write
	e.waits(t, 11)
	release()
	senders.Wait()
	if hint := w.hints(t)[adaName]; hint.Type != v1alpha1.UserDeleted || hint.UserUpdatedAt != eventTime {
		t.Errorf("the hint is %+v, want the deletion", hint)
	}
	if n := w.writes(t); n != 3 {
		t.Errorf("%d writes, want 3", n)
	}
}

// A sender that disconnects does not cancel the requests of others.
func TestCoalescer_AbandonedWriteIsRetriedByTheNextRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, writing, release := w.held(t)
	defer release()
	abandoned := e.dial(t)
	send(t, abandoned, signed("msg_0", created(ada)).length().String())
	<-writing
	waiting := []net.Conn{e.dial(t), e.dial(t)}
	for i, conn := range waiting {
		send(t, conn, signed(fmt.Sprintf("msg_%d", i+1), updated(ada, eventTime)).length().String())
	}
	e.waits(t, 3)
	hangUp(waiting[0])
	e.waits(t, 2)
	hangUp(abandoned)
	mustAccept(t, readReply(t, waiting[1]))
	if hint := w.hints(t)[adaName]; hint.UserUpdatedAt != eventTime {
		t.Errorf("the hint is %+v", hint)
	}
}

func TestHints_MergeInto(t *testing.T) {
	t.Parallel()
	at := func(message string, updatedAt int64) v1alpha1.Hint {
		return hintOf(message, v1alpha1.UserUpdated, updatedAt)
	}
	for name, test := range map[string]struct {
		old     *v1alpha1.Hint
		pending hints
		want    v1alpha1.Hint
		changed bool
	}{
		"first hint":                 {nil, hints{at("msg_1", 1)}, at("msg_1", 1), true},
		"first hints":                {nil, hints{at("msg_1", 2), at("msg_2", 1)}, at("msg_2", 2), true},
		"a retry":                    {new(at("msg_1", 1)), hints{at("msg_1", 1)}, at("msg_1", 1), false},
		"a retry twice":              {new(at("msg_1", 1)), hints{at("msg_1", 1), at("msg_1", 1)}, at("msg_1", 1), false},
		"new message":                {new(at("msg_1", 1)), hints{at("msg_2", 2)}, at("msg_2", 2), true},
		"new message and a retry":    {new(at("msg_1", 1)), hints{at("msg_2", 2), at("msg_1", 1)}, at("msg_2", 2), true},
		"a retry and an older event": {new(at("msg_1", 2)), hints{at("msg_1", 2), at("msg_0", 1)}, at("msg_0", 2), true},
	} {
		old := v1alpha1.Hint{}
		if test.old != nil {
			old = *test.old
		}
		merged, changed := test.pending.mergeInto(old, test.old != nil)
		if diff := cmp.Diff(test.want, merged); diff != "" || changed != test.changed {
			t.Errorf("%s: changed %t, want %t; hint (-want +got):\n%s", name, changed, test.changed, diff)
		}
	}
}
