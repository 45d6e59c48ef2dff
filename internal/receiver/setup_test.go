package receiver

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/cluster"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/testenv"
	"github.com/fitai/fituser-operator/internal/testenv/eventually"
)

var controlPlane testenv.Shared

func TestMain(m *testing.M) { controlPlane.Main(m) }

// patience limits reads and requests in tests, far above what a slow machine needs.
const patience = 30 * time.Second

var ourSecret = secretOf("the secret of this endpoint")

// world is a namespace of a real API server with an administrator's client.
type world struct {
	namespace string
	admin     client.WithWatch
	config    *rest.Config
	now       *atomic.Int64 // the clock of every receiver, in Unix milliseconds
}

func newWorld(t *testing.T) *world {
	t.Helper()
	env := controlPlane.Get(t)
	admin, err := client.NewWithWatch(env.Config, client.Options{Scheme: newScheme(t)})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{namespace: env.Namespace(t), admin: admin, config: env.Config, now: new(atomic.Int64)}
	w.now.Store(eventTime)
	return w
}

func newScheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	return scheme
}

func (w *world) clock() time.Time { return time.UnixMilli(w.now.Load()) }

// users returns the FitUsers by name.
func (w *world) users(t *testing.T) map[string]v1alpha1.FitUser {
	t.Helper()
	var list v1alpha1.FitUserList
	if err := w.admin.List(t.Context(), &list, client.InNamespace(w.namespace)); err != nil {
		t.Fatal(err)
	}
	users := map[string]v1alpha1.FitUser{}
	for _, u := range list.Items {
		users[u.Name] = u
	}
	return users
}

// writes returns how many writes the API server has accepted in the namespace.
func (w *world) writes(t *testing.T) int {
	t.Helper()
	writes, err := controlPlane.Get(t).Writes(w.namespace)
	if err != nil {
		t.Fatal(err)
	}
	return len(writes)
}

// create creates a FitUser as an administrator.
func (w *world) create(t *testing.T, u *v1alpha1.FitUser) *v1alpha1.FitUser {
	t.Helper()
	u.Namespace = w.namespace
	if err := w.admin.Create(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	return u
}

func manifest(name, clerkUserID string) *v1alpha1.FitUser {
	return &v1alpha1.FitUser{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.FitUserSpec{ClerkUserID: clerkUserID}}
}

// endpoint is a running receiver.
type endpoint struct {
	*Receiver
	world    *world
	addr     string
	cache    client.Reader
	registry *prometheus.Registry
	stop     func()
}

// run runs start until stop is called or the test ends, and waits until up returns true.
func (w *world) run(t *testing.T, start func(context.Context) error, up func() bool) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- start(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
	t.Cleanup(stop)
	eventually.Holds(t, "it runs", up)
	return stop
}

// receive starts a receiver in w with its own cache. change may edit its configuration first.
func (w *world) receive(t *testing.T, change func(*Config)) *endpoint {
	t.Helper()
	e, c := w.unstarted(t, change)
	w.run(t, c.Start, func() bool { return c.GetCache().WaitForCacheSync(t.Context()) })
	e.start(t)
	return e
}

// unstarted returns a receiver and the cluster with its cache. Neither is running.
func (w *world) unstarted(t *testing.T, change func(*Config)) (*endpoint, cluster.Cluster) {
	t.Helper()
	c, err := NewCluster(w.config, newScheme(t), w.namespace)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	keys, registry := mustKeys(t, ourSecret), prometheus.NewRegistry()
	config := Config{
		Listener: listener, Namespace: w.namespace, Keys: func() Keys { return keys },
		Writer: c.GetClient(), Cache: c.GetCache(), Live: c.GetAPIReader(),
		Registerer: registry, Log: testr.New(t), Now: w.clock, Limits: unhurried(),
	}
	if change != nil {
		change(&config)
	}
	receiver, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return &endpoint{receiver, w, listener.Addr().String(), c.GetCache(), registry, func() {}}, c
}

// unhurried returns the limits in production with longer times, so that a slow machine does not reach them. Tests of a
// limit set it.
func unhurried() Limits {
	l := DefaultLimits()
	l.Queue, l.Read, l.Record, l.Try, l.Write, l.Shutdown = patience, patience, patience, patience, patience, patience
	return l
}

func (e *endpoint) start(t *testing.T) {
	t.Helper()
	e.stop = e.world.run(t, e.Receiver.Start, func() bool { return e.Ready(nil) == nil })
}

// counts returns the number of requests by type and outcome, such as "user.created recorded".
func (e *endpoint) counts(t *testing.T) map[string]int {
	t.Helper()
	families, err := e.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, family := range families {
		for _, m := range family.Metric {
			if family.GetName() == "fituser_webhook_events_total" && m.Counter.GetValue() > 0 {
				counts[m.Label[1].GetValue()+" "+m.Label[0].GetValue()] = int(m.Counter.GetValue()) // labels are sorted
			}
		}
	}
	return counts
}

// knows waits until want accepts an object in the cache of e.
func (e *endpoint) knows(t *testing.T, name string, want func(*v1alpha1.FitUser) bool) {
	t.Helper()
	eventually.Holds(t, "the cache shows "+name, func() bool {
		var u v1alpha1.FitUser
		err := e.cache.Get(t.Context(), client.ObjectKey{Namespace: e.world.namespace, Name: name}, &u)
		return err == nil && want(&u)
	})
}

func exists(*v1alpha1.FitUser) bool { return true }

// through returns a change of configuration that puts funcs between the receiver and the API server.
func (w *world) through(funcs interceptor.Funcs) func(*Config) {
	return func(c *Config) {
		c.Writer = interceptor.NewClient(w.admin, funcs)
		c.Live = interceptor.NewClient(w.admin, funcs)
	}
}

// wireRequest is a request byte for byte: net/http's client would repair many invalid requests.
type wireRequest struct {
	line    string
	headers []string
	body    string
}

// signed returns a valid delivery of body at [eventTime].
func signed(id, body string) wireRequest { return signedAt(id, body, eventTime/1000) }

func signedAt(id, body string, seconds int64, secrets ...string) wireRequest {
	if len(secrets) == 0 {
		secrets = []string{ourSecret}
	}
	sender, err := clerktest.NewSender(clerktest.SenderConfig{Secrets: secrets})
	if err != nil {
		panic(err)
	}
	header := sender.Sign(id, time.Unix(seconds, 0), []byte(body))
	r := wireRequest{line: "POST " + Path + " HTTP/1.1", body: body, headers: []string{"Host: fituser.example"}}
	for name := range header {
		r.headers = append(r.headers, name+": "+header.Get(name))
	}
	return r
}

// set replaces a header by the values. Without values it removes the header.
func (r wireRequest) set(name string, values ...string) wireRequest {
	var headers []string
	for _, h := range r.headers {
		if !strings.HasPrefix(strings.ToLower(h), strings.ToLower(name)+":") {
			headers = append(headers, h)
		}
	}
	for _, v := range values {
		headers = append(headers, name+": "+v)
	}
	r.headers = headers
	return r
}

func (r wireRequest) to(line string) wireRequest { r.line = line; return r }

// length returns r with the body's Content-Length header.
func (r wireRequest) length() wireRequest { return r.set("Content-Length", strconv.Itoa(len(r.body))) }

func (r wireRequest) String() string {
	return r.line + "\r\n" + strings.Join(r.headers, "\r\n") + "\r\n\r\n" + r.body
}

// reply is the receiver's response. Its status is 0 when the connection ended without one.
type reply struct {
	status int
	header http.Header
	text   string
	closes bool // whether the connection ends after it
}

// post sends a request with its Content-Length.
func (e *endpoint) post(t *testing.T, r wireRequest) reply {
	t.Helper()
	return e.raw(t, r.length().String())
}

func (e *endpoint) raw(t *testing.T, wire string) reply {
	t.Helper()
	conn, err := net.Dial("tcp", e.addr)
	if err != nil {
		t.Error(err)
		return reply{}
	}
	defer hangUp(conn)
	go func() { _, _ = io.Copy(conn, strings.NewReader(wire)) }() // the response may arrive first
	return readReply(t, conn)
}

// dial opens a connection that stays open until the test ends.
func (e *endpoint) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", e.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hangUp(conn) })
	return conn
}

// hangUp closes conn. The receiver may have closed it already.
func hangUp(conn net.Conn) { _ = conn.Close() }

func send(t *testing.T, conn net.Conn, wire string) {
	t.Helper()
	if _, err := io.WriteString(conn, wire); err != nil {
		t.Fatal(err)
	}
}

func readReply(t *testing.T, conn net.Conn) reply {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Error(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return reply{}
	}
	defer func() { _ = resp.Body.Close() }()
	var text bytes.Buffer
	_, _ = io.Copy(&text, resp.Body) // incomplete when the receiver closed the connection first
	return reply{resp.StatusCode, resp.Header, text.String(), resp.Close}
}

// created, updated and deleted return bodies of events at [eventTime].
func created(id string) string { return userEvent(v1alpha1.UserCreated, id, eventTime-18) }

func updated(id string, updatedAt int64) string {
	return userEvent(v1alpha1.UserUpdated, id, updatedAt)
}

func userEvent(eventType v1alpha1.EventType, id string, updatedAt int64) string {
	return fmt.Sprintf(`{"data":{"id":%s,"first_name":"Augusta","updated_at":%d},"instance_id":"ins_ours","object":"event","timestamp":%d,"type":%q}`,
		quote(id), updatedAt, eventTime, eventType)
}

func deleted(id string) string {
	return fmt.Sprintf(`{"data":{"deleted":true,"id":%s,"object":"user"},"instance_id":"ins_ours","object":"event","timestamp":%d,"type":"user.deleted"}`,
		quote(id), eventTime)
}

func quote(s string) []byte {
	quoted, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings always marshal
	}
	return quoted
}
