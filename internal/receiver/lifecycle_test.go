package receiver

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

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
