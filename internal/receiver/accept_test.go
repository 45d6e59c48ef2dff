package receiver

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/fitusers"
)

func TestDelivery_EveryLegalFormIsAccepted(t *testing.T) {
	t.Parallel()
	good := func(id string) wireRequest { return signed("msg_1", created(id)) }
	forms := map[string]func(r wireRequest) wireRequest{
		"as Svix sends it":         func(r wireRequest) wireRequest { return r },
		"HTTP/1.0":                 func(r wireRequest) wireRequest { return r.to("POST /api/webhooks HTTP/1.0") },
		"with a query":             func(r wireRequest) wireRequest { return r.to("POST /api/webhooks?source=clerk HTTP/1.1") },
		"to a whole URL":           func(r wireRequest) wireRequest { return r.to("POST http://fituser.example/api/webhooks HTTP/1.1") },
		"with a charset":           func(r wireRequest) wireRequest { return r.set("Content-Type", `application/json; charset="UTF-8"`) },
		"Content-Type in capitals": func(r wireRequest) wireRequest { return r.set("Content-Type", "Application/JSON") },
		"expecting 100":            func(r wireRequest) wireRequest { return r.set("Expect", "100-continue") },
		"unbranded headers":        unbranded,
		"both sets of headers": func(r wireRequest) wireRequest {
			return r.set("Webhook-Id", "msg_other").set("Webhook-Timestamp", "1").set("Webhook-Signature", "v1,x")
		},
		"the right signature last of sixteen": func(r wireRequest) wireRequest {
			wrong := "v1," + strings.Repeat("A", 43) + "= "
			return r.set("Svix-Signature", strings.Repeat(wrong, 14)+"v1a,x "+header(r, "Svix-Signature"))
		},
		"300 s old":   func(r wireRequest) wireRequest { return signedAt("msg_1", r.body, eventTime/1000-300) },
		"300 s ahead": func(r wireRequest) wireRequest { return signedAt("msg_1", r.body, eventTime/1000+300) },
	}
	w := newWorld(t)
	e := w.receive(t, nil)
	n := 0
	for name, form := range forms {
		n++
		id := fmt.Sprintf("user_2form%d", n)
		t.Run(name, func(t *testing.T) {
			mustAccept(t, afterContinue(t, e, form(good(id))))
			u, found := w.users(t)[fitusers.NameFor(id, 0)]
			if hint, _ := u.Hint(); !found || hint.MessageID != "msg_1" {
				t.Errorf("FitUser found: %v, hint %+v", found, hint)
			}
		})
	}
	t.Run("in chunks", func(t *testing.T) {
		r := signed("msg_1", created("user_2chunks")).set("Transfer-Encoding", "chunked")
		mustAccept(t, e.raw(t, r.withBody(chunked(r.body)).String()))
	})
	// The chunks count (RFC 9112, 6.3), so their content is verified.
	t.Run("in chunks, with a length that is wrong", func(t *testing.T) {
		r := signed("msg_1", created("user_2both")).set("Transfer-Encoding", "chunked").set("Content-Length", "7")
		mustAccept(t, e.raw(t, r.withBody(chunked(r.body)).String()))
	})
	t.Run("as large as may be", func(t *testing.T) {
		body := created("user_2large")
		body = strings.Replace(body, "Augusta", strings.Repeat("a", 1<<20-len(body)+len("Augusta")), 1)
		mustAccept(t, e.post(t, signed("msg_1", body)))
	})
	t.Run("with 100,000 fields", func(t *testing.T) {
		var fields strings.Builder
		for i := range 100_000 {
			fmt.Fprintf(&fields, `"%d":0,`, i)
		}
		mustAccept(t, e.post(t, signed("msg_1", strings.Replace(created("user_2fields"), `{"id"`, "{"+fields.String()+`"id"`, 1))))
	})
}

// afterContinue posts r and returns the final response, also after an interim one.
func afterContinue(t *testing.T, e *endpoint, r wireRequest) reply {
	t.Helper()
	wire := r.length().String()
	if header(r, "Expect") == "" {
		return e.raw(t, wire)
	}
	conn := e.dial(t)
	send(t, conn, strings.TrimSuffix(wire, r.body))
	if interim := readReply(t, conn); interim.status != http.StatusContinue {
		t.Fatalf("first response is %d, want 100", interim.status)
	}
	send(t, conn, r.body)
	return readReply(t, conn)
}

func TestEvent_OtherTypesAreAcknowledgedAndIgnored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.receive(t, nil)
	eventTypes := []string{
		"session.created", "organization.created", "foo", "user", "user.", "user.created ", "User.Created", "USER.CREATED",
		"user.created\x00", "users.created", strings.Repeat("x", 10<<10), "user.deleted\n", "\U0001F600",
	}
	for _, eventType := range eventTypes {
		mustAccept(t, e.post(t, signed("msg_1", userEvent(v1alpha1.EventType("TYPE"), ada, eventTime)).withType(eventType)))
	}
	mustAccept(t, e.post(t, signed("msg_1", `{"type":"foo"}`)))
	if n := w.writes(t); n != 0 {
		t.Errorf("%d writes, want none", n)
	}
	if diff := cmp.Diff(map[string]int{"other ignored": len(eventTypes) + 1}, e.counts(t)); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

// withType returns r with another event type and a new signature.
func (r wireRequest) withType(eventType string) wireRequest {
	return signed("msg_1", strings.Replace(r.body, `"TYPE"`, string(quote(eventType)), 1))
}

func TestEvent_DashboardExamplesAreAccepted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.receive(t, func(c *Config) { c.InstanceID = "ins_2g7np7Hrk0SN6kj5EDMLDaKNL0S" })
	sender, err := clerktest.NewSender(clerktest.SenderConfig{
		URL: "http://" + e.addr + Path, Secrets: []string{secretOf("an old secret of this endpoint"), ourSecret}, Now: w.clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, event := range []clerktest.Event{
		clerktest.ExampleDeleted(), clerktest.ExampleCreated(), clerktest.ExampleUpdated(), clerktest.ExampleWithoutInstance(),
	} {
		sender.Send(event)
	}
	if err := sender.DeliverAll(t.Context()); err != nil {
		t.Error(err)
	}
	got := map[string]v1alpha1.EventType{}
	for _, u := range w.users(t) {
		hint, _ := u.Hint()
		got[u.Spec.ClerkUserID] = hint.Type
	}
	want := map[string]v1alpha1.EventType{
		"user_2g7np7Hrk0SN6kj5EDMLDaKNL0S": v1alpha1.UserUpdated, "user_29w83sxmDNGwOuEthce5gg56FcC": v1alpha1.UserCreated,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("hints by user (-want +got):\n%s", diff)
	}
}

func TestKeys_ReplacedWhileTheReceiverRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old, fresh := secretOf("the secret until today..."), secretOf("the secret from today on.")
	var current atomic.Pointer[Keys]
	e := w.receive(t, func(c *Config) { c.Keys = func() Keys { return *current.Load() } })
	deliver := func(secrets ...string) int {
		return e.post(t, signedAt("msg_1", created(ada), eventTime/1000, secrets...)).status
	}
	steps := []struct {
		name   string
		keys   Keys
		signed []string
		want   int
	}{
		{"only the old secret", mustKeys(t, old), []string{old}, 200},
		{"the receiver does not have the new secret yet", mustKeys(t, old), []string{fresh}, 400},
		{"Svix signs with both", mustKeys(t, old), []string{fresh, old}, 200},
		{"both configured, signed with the old one", mustKeys(t, fresh, old), []string{old}, 200},
		{"both configured, signed with the new one", mustKeys(t, fresh, old), []string{fresh}, 200},
		{"the old one is removed", mustKeys(t, fresh), []string{old}, 400},
		{"only the new secret", mustKeys(t, fresh), []string{fresh}, 200},
		{"no secret", Keys{}, []string{fresh}, 503},
	}
	for _, step := range steps {
		current.Store(&step.keys)
		if got := deliver(step.signed...); got != step.want {
			t.Errorf("%s: status %d, want %d", step.name, got, step.want)
		}
	}
}
