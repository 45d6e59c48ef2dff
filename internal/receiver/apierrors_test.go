package receiver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/testenv/eventually"
)

var fitUsers = schema.GroupResource{Group: v1alpha1.GroupVersion.Group, Resource: "fitusers"}

// transient returns errors of an API server that end without help.
func transient() map[string]error {
	return map[string]error{
		"connection refused":  fmt.Errorf("dial: %w", syscall.ECONNREFUSED),
		"connection reset":    fmt.Errorf("read: %w", syscall.ECONNRESET),
		"timeout":             context.DeadlineExceeded,
		"server timeout":      apierrors.NewServerTimeout(fitUsers, "create", 1),
		"too many requests":   apierrors.NewTooManyRequests("slow down", 1),
		"internal error":      apierrors.NewInternalError(errors.New("etcdserver: leader changed")),
		"service unavailable": apierrors.NewServiceUnavailable("shutting down"),
		"conflict":            apierrors.NewConflict(fitUsers, adaName, errors.New("changed")),
		"unauthorized":        apierrors.NewUnauthorized("token expired"),
	}
}

// failing returns functions that fail the first n writes.
func failing(n int64, err error) interceptor.Funcs {
	var seen atomic.Int64
	fails := func() bool { return seen.Add(1) <= n }
	return interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, u client.Object, opts ...client.CreateOption) error {
			if fails() {
				return err
			}
			return c.Create(ctx, u, opts...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, u client.Object, p client.Patch, opts ...client.PatchOption) error {
			if fails() {
				return err
			}
			return c.Patch(ctx, u, p, opts...)
		},
	}
}

func TestWrite_TransientErrorIsRetried(t *testing.T) {
	t.Parallel()
	for name, transientErr := range transient() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			e := w.receive(t, w.through(failing(2, transientErr)))
			mustAccept(t, e.post(t, signed("msg_1", created(ada))))
			wantHints(t, w, map[string]v1alpha1.Hint{adaName: hintOf("msg_1", v1alpha1.UserCreated, eventTime-18)})
		})
	}
}

func TestWrite_LastingErrorIs503WithinTheLimit(t *testing.T) {
	t.Parallel()
	for name, transientErr := range transient() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			e := w.receive(t, func(c *Config) {
				w.through(failing(1<<62, transientErr))(c)
				c.Limits.Record = 200 * time.Millisecond
			})
			got := e.post(t, signed("msg_1", created(ada)))
			if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") != "5" {
				t.Errorf("status %d with Retry-After %q", got.status, got.header.Get("Retry-After"))
			}
			if n := w.writes(t); n != 0 {
				t.Errorf("%d writes, want none", n)
			}
		})
	}
}

// A write whose response is lost has happened. The retry must not repeat it.
func TestWrite_LostResponseWritesOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var once atomic.Bool
	e := w.receive(t, w.through(interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, u client.Object, opts ...client.CreateOption) error {
			if err := c.Create(ctx, u, opts...); err != nil || !once.CompareAndSwap(false, true) {
				return err
			}
			return fmt.Errorf("reading the response: %w", syscall.ECONNRESET)
		},
	}))
	mustAccept(t, e.post(t, signed("msg_1", created(ada))))
	wantHints(t, w, map[string]v1alpha1.Hint{adaName: hintOf("msg_1", v1alpha1.UserCreated, eventTime-18)})
	if n := w.writes(t); n != 1 {
		t.Errorf("%d writes, want 1", n)
	}
}

func TestWrite_HangingAttemptIsRetried(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var once atomic.Bool
	e := w.receive(t, func(c *Config) {
		c.Limits.Record, c.Limits.Try = patience, 200*time.Millisecond
		c.Limits.Read = 100 * time.Millisecond // the request is already read, so this limit ends nothing
		w.through(interceptor.Funcs{
			Create: func(ctx context.Context, c client.WithWatch, u client.Object, opts ...client.CreateOption) error {
				if once.CompareAndSwap(false, true) {
					<-ctx.Done()
					return ctx.Err()
				}
				return c.Create(context.WithoutCancel(ctx), u, opts...)
			},
		})(c)
	})
	e.acknowledged(t, signed("msg_1", created(ada)))
	wantHints(t, w, map[string]v1alpha1.Hint{adaName: hintOf("msg_1", v1alpha1.UserCreated, eventTime-18)})
}

func TestWrite_PermanentErrorIsNotRetried(t *testing.T) {
	t.Parallel()
	invalid := apierrors.NewInvalid(v1alpha1.GroupVersion.WithKind("FitUser").GroupKind(), adaName, nil)
	cases := map[string]struct {
		change func(*world, *Config)
		status int
	}{
		"no permission to create": {func(w *world, c *Config) {
			nobody := controlPlane.Get(t).As("system:serviceaccount:" + w.namespace + ":nobody")
			writer, err := client.New(nobody, client.Options{Scheme: newScheme(t)})
			if err != nil {
				t.Fatal(err)
			}
			c.Writer = writer
		}, 503},
		"no such namespace": {func(_ *world, c *Config) { c.Namespace, c.Cache = "absent", empty(t, "absent") }, 503},
		"refused as invalid": {func(w *world, c *Config) {
			w.through(failing(1<<62, invalid))(c)
		}, 422},
		"refused as a bad request": {func(w *world, c *Config) {
			w.through(failing(1<<62, apierrors.NewBadRequest("no")))(c)
		}, 422},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			e := w.receive(t, func(config *Config) {
				config.Limits.Record = time.Hour // so that a retry would not end
				c.change(w, config)
			})
			if got := e.post(t, signed("msg_1", created(ada))); got.status != c.status {
				t.Errorf("status %d %q, want %d", got.status, got.text, c.status)
			}
			if n := w.writes(t); n != 0 {
				t.Errorf("%d writes, want none", n)
			}
		})
	}
}

// empty returns the cache of a namespace that does not exist.
func empty(t *testing.T, namespace string) client.Reader {
	t.Helper()
	w := newWorld(t)
	w.namespace = namespace
	return w.frozen(t).cache
}

func TestWrite_StopsWhenTheSenderDisconnects(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tried, cancelled := make(chan struct{}), make(chan struct{})
	e := w.receive(t, w.through(interceptor.Funcs{
		Create: func(ctx context.Context, _ client.WithWatch, _ client.Object, _ ...client.CreateOption) error {
			close(tried) // panics if it is called twice
			<-ctx.Done()
			close(cancelled)
			return ctx.Err()
		},
	}))
	conn := e.dial(t)
	send(t, conn, signed("msg_1", created(ada)).length().String())
	<-tried
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-cancelled:
	case <-time.After(patience):
		t.Fatal("the write is still running")
	}
	eventually.Holds(t, "the request is counted as abandoned", func() bool {
		return e.counts(t)["user.created abandoned"] == 1
	})
}

func TestHandler_PanicFailsOneRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var once atomic.Bool
	e := w.receive(t, func(c *Config) {
		keys := c.Keys
		c.Keys = func() Keys {
			if once.CompareAndSwap(false, true) {
				panic("out of keys")
			}
			return keys()
		}
	})
	got := e.post(t, signed("msg_1", created(ada)))
	if got.status != http.StatusInternalServerError {
		t.Errorf("status %d, want 500", got.status)
	}
	mustAccept(t, e.post(t, signed("msg_1", created(ada))))
}
