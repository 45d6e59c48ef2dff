package receiver

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/testenv/eventually"
)

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
