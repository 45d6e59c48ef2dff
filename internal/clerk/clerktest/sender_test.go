package clerktest_test

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	svix "github.com/svix/svix-webhooks/go"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
)

// secretOf makes a signing secret of 24 equal bytes.
func secretOf(b byte) string {
	return "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(string(rune(b)), 24)))
}

// endpoint is a webhook endpoint that keeps what it gets. It is called without a network, so that it works within
// synctest.
type endpoint struct {
	answer func(n int) canned // n counts from 1

	mu  sync.Mutex
	got []delivered
}

type delivered struct {
	header http.Header
	body   string
	at     time.Time
}

func (e *endpoint) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	e.got = append(e.got, delivered{r.Header.Clone(), string(body), time.Now()})
	n := len(e.got)
	e.mu.Unlock()
	answer := e.answer(n)
	if answer.status == 0 {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	header := http.Header{"Retry-After": {answer.retryAfter}}
	return &http.Response{StatusCode: answer.status, Header: header, Body: http.NoBody}, nil
}

// canned is an answer; the zero value is none at all.
type canned struct {
	status     int
	retryAfter string
}

// received returns what arrived so far.
func (e *endpoint) received() []delivered {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.got)
}

func always(status int) func(int) canned {
	return func(int) canned { return canned{status: status} }
}

func newSender(t *testing.T, e *endpoint, config clerktest.SenderConfig) *clerktest.Sender {
	t.Helper()
	config.URL, config.Transport = "http://receiver.test/api/webhooks", e
	if config.Secrets == nil {
		config.Secrets = []string{secretOf('a')}
	}
	s, err := clerktest.NewSender(config)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSecretsMustBeSecret(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{"", "whsec_", "whsec_AAAA", "whsec_$", " " + secretOf('a')} {
		_, err := clerktest.NewSender(clerktest.SenderConfig{Secrets: []string{secret}})
		if !errors.Is(err, clerktest.ErrSecret) {
			t.Errorf("%q: %v, want %v", secret, err, clerktest.ErrSecret)
		}
	}
	if _, err := clerktest.NewSender(clerktest.SenderConfig{}); !errors.Is(err, clerktest.ErrSecret) {
		t.Errorf("no secret: %v, want %v", err, clerktest.ErrSecret)
	}
}

// Svix publishes this signature for this message.
func TestSignatureIsSvixs(t *testing.T) {
	t.Parallel()
	s, err := clerktest.NewSender(clerktest.SenderConfig{Secrets: []string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}})
	if err != nil {
		t.Fatal(err)
	}
	got := s.Sign("msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got.Get("svix-signature") != want {
		t.Errorf("signature = %s, want %s", got.Get("svix-signature"), want)
	}
}

func TestRotationSignsWithBothSecrets(t *testing.T) {
	t.Parallel()
	e := &endpoint{answer: always(200)}
	s := newSender(t, e, clerktest.SenderConfig{Secrets: []string{secretOf('o')}})
	m := s.Message(clerktest.ExampleCreated())
	accepts := func(secret string) bool {
		verifier := must(svix.NewWebhook(secret))
		return verifier.Verify(m.Body, s.Sign(m.ID, time.Now(), m.Body)) == nil
	}
	rotation := []struct {
		secrets  []string
		old, new bool
	}{
		{[]string{secretOf('o')}, true, false},
		{[]string{secretOf('n'), secretOf('o')}, true, true},
		{[]string{secretOf('n')}, false, true},
	}
	for _, step := range rotation {
		if err := s.SetSecrets(step.secrets...); err != nil {
			t.Fatal(err)
		}
		if accepts(secretOf('o')) != step.old || accepts(secretOf('n')) != step.new {
			t.Errorf("with %d secrets: accepted by the old key or the new one is not %+v", len(step.secrets), step)
		}
	}
}

// A test decides what becomes of each message.
func TestManualDelivery(t *testing.T) {
	t.Parallel()
	status := 503
	e := &endpoint{answer: func(int) canned { return canned{status: status} }}
	s := newSender(t, e, clerktest.SenderConfig{})
	clerk := clerktest.NewServer(clerktest.Config{})
	clerk.Attach(s)
	id := clerk.SignUp(clerktest.Person{Email: "jane@example.com"})
	clerk.Ban(id)
	clerk.Delete(id)
	created, updated, deleted := s.Pending()[0], s.Pending()[1], s.Pending()[2]
	deliver := func(m clerktest.Message) int { return must(s.Deliver(t.Context(), m)) }

	if deliver(deleted) != 503 || len(s.Pending()) != 3 {
		t.Errorf("a message that was refused is pending no more")
	}
	status = 200
	s.Drop(updated.ID)
	if deliver(deleted) != 200 || deliver(created) != 200 || deliver(created) != 200 || len(s.Pending()) != 0 {
		t.Errorf("still pending: %v", types(s.Pending()))
	}
	got := e.received()
	ids := make([]string, len(got))
	for i, d := range got {
		ids[i] = d.header.Get("svix-id")
	}
	if diff := cmp.Diff([]string{deleted.ID, deleted.ID, created.ID, created.ID}, ids); diff != "" {
		t.Errorf("ids delivered (-want +got):\n%s", diff)
	}
	for _, d := range got {
		if err := must(svix.NewWebhook(secretOf('a'))).Verify([]byte(d.body), d.header); err != nil {
			t.Errorf("%s: %v", d.header.Get("svix-id"), err)
		}
	}
}

func types(messages []clerktest.Message) []string {
	all := make([]string, len(messages))
	for i, m := range messages {
		all[i] = m.Type
	}
	return all
}

func TestDeliverAllGoesOnAfterAFailure(t *testing.T) {
	t.Parallel()
	e := &endpoint{answer: func(n int) canned {
		if n == 1 {
			return canned{status: 400}
		}
		return canned{status: 204}
	}}
	s := newSender(t, e, clerktest.SenderConfig{})
	for range 3 {
		s.Send(clerktest.ExampleUpdated())
	}
	first := s.Pending()[0]
	err := s.DeliverAll(t.Context())
	if err == nil || !strings.Contains(err.Error(), first.ID) || !strings.Contains(err.Error(), "400") {
		t.Errorf("error = %v, want one that names %s and 400", err, first.ID)
	}
	if diff := cmp.Diff([]clerktest.Message{first}, s.Pending()); diff != "" {
		t.Errorf("pending (-want +got):\n%s", diff)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	visited := false
	mux := http.NewServeMux()
	mux.Handle("/api/webhooks", http.RedirectHandler("/elsewhere", http.StatusPermanentRedirect))
	mux.HandleFunc("/elsewhere", func(http.ResponseWriter, *http.Request) { visited = true })
	receiver := httptest.NewServer(mux)
	t.Cleanup(receiver.Close)
	s := must(clerktest.NewSender(clerktest.SenderConfig{
		URL: receiver.URL + "/api/webhooks", Secrets: []string{secretOf('a')},
	}))
	s.Send(clerktest.ExampleCreated())
	status, err := s.Deliver(t.Context(), s.Pending()[0])
	if err != nil || status != http.StatusPermanentRedirect || visited || len(s.Pending()) != 1 {
		t.Errorf("status %d, %v, followed: %v, pending: %d", status, err, visited, len(s.Pending()))
	}
}

// A receiver that never answers: eight attempts in about 27.5 hours, the same id and body each time, a fresh
// signature each time.
func TestRunRetriesOnSvixsSchedule(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{answer: always(500)}
		s := newSender(t, e, clerktest.SenderConfig{})
		run(t, s)
		begin := time.Now()
		s.Send(clerktest.ExampleCreated())
		pass(100 * time.Hour)

		attempts := e.received()
		if len(attempts) != 8 || len(s.Pending()) != 0 {
			t.Fatalf("%d attempts, %d pending, want 8 and none", len(attempts), len(s.Pending()))
		}
		if attempts[0].at != begin {
			t.Errorf("first attempt after %v, want at once", attempts[0].at.Sub(begin))
		}
		for i, scheduled := range clerktest.SvixSchedule() {
			got := attempts[i+1].at.Sub(attempts[i].at)
			if got < scheduled*8/10 || got > scheduled*12/10 {
				t.Errorf("retry %d after %v, want %v or up to a fifth more or less", i+1, got, scheduled)
			}
		}
		for _, d := range attempts {
			if d.body != attempts[0].body || d.header.Get("svix-id") != attempts[0].header.Get("svix-id") {
				t.Error("a retry is another message")
			}
		}
		if attempts[7].header.Get("svix-timestamp") == attempts[0].header.Get("svix-timestamp") {
			t.Error("a retry is not signed anew")
		}
	})
}

func TestRunWaitsAsAsked(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		first    canned
		schedule time.Duration
		least    time.Duration // from the first attempt to the second
		most     time.Duration
	}{
		"plain failure":      {canned{500, ""}, 10 * time.Second, 8 * time.Second, 12 * time.Second},
		"asked for longer":   {canned{503, "15"}, 10 * time.Second, 15 * time.Second, 15 * time.Second},
		"asked for too long": {canned{503, "3600"}, 10 * time.Second, 20 * time.Second, 20 * time.Second},
		"asked for nonsense": {canned{503, "soon"}, 10 * time.Second, 8 * time.Second, 12 * time.Second},
		"too many requests":  {canned{429, ""}, 10 * time.Second, time.Minute, time.Minute},
		"no answer":          {canned{}, 10 * time.Second, 75 * time.Second, 75 * time.Second},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e := &endpoint{answer: func(n int) canned {
					if n == 1 {
						return tt.first
					}
					return canned{status: 200}
				}}
				s := newSender(t, e, clerktest.SenderConfig{Schedule: []time.Duration{tt.schedule}})
				run(t, s)
				s.Send(clerktest.ExampleCreated())
				pass(time.Hour)
				attempts := e.received()
				if len(attempts) != 2 {
					t.Fatalf("%d attempts, want 2", len(attempts))
				}
				if got := attempts[1].at.Sub(attempts[0].at); got < tt.least || got > tt.most {
					t.Errorf("second attempt after %v, want %v to %v", got, tt.least, tt.most)
				}
			})
		})
	}
}

func TestRunKeepsOrderAndTells(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{answer: func(n int) canned {
			if n == 2 {
				return canned{status: 503}
			}
			return canned{status: 200}
		}}
		var told []clerktest.Attempt
		s := newSender(t, e, clerktest.SenderConfig{OnAttempt: func(a clerktest.Attempt) { told = append(told, a) }})
		clerk := clerktest.NewServer(clerktest.Config{})
		clerk.Attach(s)
		stop := run(t, s)
		id := clerk.SignUp(clerktest.Person{Email: "jane@example.com"})
		clerk.Ban(id)
		clerk.Delete(id)
		pass(time.Minute)

		var got []string
		for _, a := range told {
			got = append(got, strings.Join([]string{a.Message.Type, http.StatusText(a.Status)}, " "))
		}
		want := []string{"user.created OK", "user.updated Service Unavailable", "user.deleted OK", "user.updated OK"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("attempts (-want +got):\n%s", diff)
		}
		if told[1].Retry == 0 || told[3].Number != 2 || told[3].Retry != 0 {
			t.Errorf("attempts told: %+v", told)
		}
		stop()
		clerk.SignUp(clerktest.Person{Email: "joe@example.com"})
		pass(time.Minute)
		if len(e.received()) != 4 || len(s.Pending()) != 1 {
			t.Errorf("after the end of Run: %d attempts, %d pending, want 4 and 1", len(e.received()), len(s.Pending()))
		}
	})
}

// An attempt that is cut off because Run ends is not counted against the message.
func TestStoppedAttemptIsPendingAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{answer: always(0)}
		s := newSender(t, e, clerktest.SenderConfig{Schedule: []time.Duration{}})
		stop := run(t, s)
		s.Send(clerktest.ExampleCreated())
		synctest.Wait()
		stop()
		if len(e.received()) != 1 || len(s.Pending()) != 1 {
			t.Errorf("%d attempts, %d pending, want 1 and 1", len(e.received()), len(s.Pending()))
		}
	})
}

// pass lets d go by on the clock of the bubble, and everything happen that is due by then.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// run runs s until the test ends or stop is called, which waits for the end.
func run(t *testing.T, s *clerktest.Sender) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}
