package receiver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"go.uber.org/goleak"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/testenv/eventually"
)

// Not parallel: it checks all goroutines of the process.
func TestStop_RequestsFinishAndNoGoroutineRemains(t *testing.T) {
	w := newWorld(t)
	arrived, goOn := make(chan struct{}), make(chan struct{})
	arrive := sync.OnceFunc(func() { close(arrived) })
	e, c := w.unstarted(t, w.through(interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, u client.Object, opts ...client.CreateOption) error {
			arrive()
			<-goOn
			return c.Create(ctx, u, opts...)
		},
	}))
	w.run(t, c.Start, func() bool { return c.GetCache().WaitForCacheSync(t.Context()) })
	before := goleak.IgnoreCurrent()
	e.start(t)
	idle := e.dial(t)
	send(t, idle, signed("msg_0", deleted(ada)).length().String())
	mustAccept(t, readReply(t, idle))

	conn := e.dial(t)
	send(t, conn, signed("msg_1", created(ada)).length().String())
	<-arrived
	stopped := make(chan struct{})
	go func() { defer close(stopped); e.stop() }()
	eventually.Holds(t, "it is not ready", func() bool { return e.Ready(nil) != nil })
	eventually.Holds(t, "it accepts no connections", func() bool {
		conn, err := net.Dial("tcp", e.addr)
		if err == nil {
			hangUp(conn)
		}
		return err != nil
	})
	close(goOn)
	mustAccept(t, readReply(t, conn))
	<-stopped
	wantHints(t, w, map[string]v1alpha1.Hint{adaName: hintOf("msg_1", v1alpha1.UserCreated, eventTime-18)})
	hangUp(conn)
	hangUp(idle)
	goleak.VerifyNone(t, before)
}

// A sender with a kept connection may send at the moment when the process is asked to stop.
func TestStop_ConnectionCarriesOneMoreDelivery(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.receive(t, func(c *Config) { c.Limits.Drain = 5 * time.Second })
	kept := e.dial(t)
	send(t, kept, signed("msg_0", deleted(ada)).length().String())
	mustAccept(t, readReply(t, kept))
	stopped := make(chan struct{})
	go func() { defer close(stopped); e.stop() }()
	eventually.Holds(t, "it is not ready", func() bool { return e.Ready(nil) != nil })
	send(t, kept, signed("msg_1", created(ada)).length().String())
	reply := readReply(t, kept)
	mustAccept(t, reply)
	if !reply.closes {
		t.Error("the response does not close the connection")
	}
	<-stopped
	wantHints(t, w, map[string]v1alpha1.Hint{adaName: hintOf("msg_1", v1alpha1.UserCreated, eventTime-18)})
}

func TestStop_StuckRequestIsCancelled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	arrived, ended := make(chan struct{}), make(chan struct{})
	e := w.receive(t, func(c *Config) {
		c.Limits.Shutdown, c.Limits.Record = 50*time.Millisecond, time.Hour
		c.Limits.Try = time.Hour
		w.through(interceptor.Funcs{
			Create: func(ctx context.Context, _ client.WithWatch, _ client.Object, _ ...client.CreateOption) error {
				close(arrived)
				<-ctx.Done()
				close(ended)
				return ctx.Err()
			},
		})(c)
	})
	send(t, e.dial(t), signed("msg_1", created(ada)).length().String())
	<-arrived
	e.stop()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Error("the request is still running")
	}
}

// The manager must fill the cache before the receiver listens; otherwise the first events would fail.
func TestReady_OnlyWithAFullCacheInAManager(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const users = 50
	for i := range users {
		w.create(t, manifest(fmt.Sprintf("coach-%d", i), fmt.Sprintf("user_2coach%d", i)))
	}
	w.leaderElsewhere(t, "fituser-test")
	m, err := manager.New(w.config, manager.Options{
		Scheme: newScheme(t), Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
		LeaderElection: true, LeaderElectionID: "fituser-test", LeaderElectionNamespace: w.namespace,
	})
	if err != nil {
		t.Fatal(err)
	}
	e, c := w.unstarted(t, nil)
	for _, r := range []manager.Runnable{c, e.Receiver} {
		if err := m.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	if e.Ready(nil) == nil {
		t.Error("ready before it listens")
	}
	w.run(t, m.Start, func() bool { return e.Ready(nil) == nil })
	mustAccept(t, e.post(t, signed("msg_1", updated(fmt.Sprintf("user_2coach%d", users-1), eventTime))))
	if n := len(w.users(t)); n != users {
		t.Errorf("%d FitUsers, want %d", n, users)
	}
}

// leaderElsewhere creates the lease of another replica that leads during the whole test.
func (w *world) leaderElsewhere(t *testing.T, name string) {
	t.Helper()
	clients, err := kubernetes.NewForConfig(w.config)
	if err != nil {
		t.Fatal(err)
	}
	lease := &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity: new("another-replica"), LeaseDurationSeconds: new(int32(3600)), RenewTime: new(metav1.NowMicro()),
		},
	}
	if _, err := clients.CoordinationV1().Leases(w.namespace).Create(t.Context(), lease, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestStart_AddressInUseIsAnError(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.receive(t, nil)
	other, _ := w.unstarted(t, func(c *Config) { c.Listener, c.BindAddress = nil, e.addr })
	if err := other.Start(t.Context()); err == nil || !strings.Contains(err.Error(), e.addr) {
		t.Errorf("got %v, want an error that names %s", err, e.addr)
	}
}

func TestLimits_SlowSendersAreDisconnected(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.receive(t, func(c *Config) { c.Limits.Read = 100 * time.Millisecond })
	r := signed("msg_1", created(ada)).length().String()
	for name, part := range map[string]string{
		"nothing": "", "half a header": r[:40], "half a body": r[:len(r)-10], "no body": strings.SplitAfter(r, "\r\n\r\n")[0],
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := e.dial(t)
			send(t, conn, part)
			if got := readReply(t, conn); got.status/100 == 2 || strings.Contains(got.text, "timeout") {
				t.Errorf("status %d %q", got.status, got.text)
			}
			wantClosed(t, conn)
		})
	}
	t.Run("a kept connection", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		conn := w.receive(t, func(c *Config) { c.Limits.Idle = 100 * time.Millisecond }).dial(t)
		send(t, conn, signed("msg_2", deleted(ada)).length().String())
		mustAccept(t, readReply(t, conn))
		wantClosed(t, conn)
	})
}

func TestLimits_NoSlotForALargeBodyIs503(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.receive(t, func(c *Config) {
		c.Limits.Bodies, c.Limits.Queue, c.Limits.Read = 1, 10*time.Millisecond, patience
	})
	r := signed("msg_1", padded(created(ada))).length().String()
	slow := e.dial(t)
	send(t, slow, r[:len(r)-10])
	eventually.Holds(t, "the slot is taken", func() bool { return len(e.bodySlots) == 1 })
	got := e.post(t, signed("msg_2", padded(created(ada))))
	if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
		t.Errorf("status %d with Retry-After %q", got.status, got.header.Get("Retry-After"))
	}
	send(t, slow, r[len(r)-10:])
	mustAccept(t, readReply(t, slow))
	wantHints(t, w, map[string]v1alpha1.Hint{adaName: hintOf("msg_1", v1alpha1.UserCreated, eventTime-18)})
}

// padded returns a body that is too large to be read without a slot.
func padded(body string) string {
	return body + strings.Repeat(" ", int(DefaultLimits().SmallBodyBytes))
}

// A slow sender can occupy the slots for large bodies. Usual events need no slot.
func TestLimits_SlowSendersDoNotBlockUsualEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.receive(t, func(c *Config) {
		c.Limits.Bodies, c.Limits.Queue, c.Limits.Read = 1, 10*time.Millisecond, patience
	})
	for _, body := range []string{created(ada), padded(created(ada)), created(ada)} {
		r := signed("msg_1", body).length().String()
		send(t, e.dial(t), r[:len(r)-10])
	}
	eventually.Holds(t, "the slot is taken", func() bool { return len(e.bodySlots) == 1 })
	mustAccept(t, e.post(t, signed("msg_2", created(ada))))
	wantHints(t, w, map[string]v1alpha1.Hint{adaName: hintOf("msg_2", v1alpha1.UserCreated, eventTime-18)})
}

func TestLimits_SenderWaitsForAConnection(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.receive(t, func(c *Config) { c.Limits.Connections, c.Limits.Read = 2, 200*time.Millisecond })
	for range 20 { // none of them ever sends anything
		e.dial(t)
	}
	// Connections become free as those are closed, two at a time.
	e.acknowledged(t, signed("msg_1", created(ada)))
}

// The receiver logs only ids and reasons, for every kind of request.
func TestLog_HoldsNoPersonalDataAndNoSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var mu sync.Mutex
	var log strings.Builder
	e := w.receive(t, func(c *Config) {
		c.Limits.Read = DefaultLimits().Read
		c.Log = funcr.New(func(prefix, args string) {
			mu.Lock()
			defer mu.Unlock()
			fmt.Fprintln(&log, prefix, args)
		}, funcr.Options{Verbosity: 10})
	})
	good := signed("msg_1", created(ada))
	mustAccept(t, e.post(t, good))
	mustAccept(t, e.post(t, good))
	mustAccept(t, e.post(t, signed("msg_2", `{"type":"session.created","data":{"first_name":"Augusta"}}`)))
	for _, c := range hostile() {
		e.raw(t, c.wire)
	}
	e.stop()
	mu.Lock()
	defer mu.Unlock()
	got := log.String()
	for _, secret := range []string{"Augusta", "first_name", ourSecret, strings.TrimPrefix(ourSecret, "whsec_"), header(good, "Svix-Signature")} {
		if strings.Contains(got, secret) {
			t.Errorf("the log contains %q:\n%s", secret, got)
		}
	}
	for _, wanted := range []string{"Clerk event recorded", "msg_1", ada, "Request refused"} {
		if !strings.Contains(got, wanted) {
			t.Errorf("the log does not contain %q:\n%s", wanted, got)
		}
	}
}

// wantClosed waits until the receiver closes the connection.
func wantClosed(t *testing.T, conn net.Conn) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, bufio.NewReader(conn)); isTimeout(err) {
		t.Error("the connection stays open")
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
