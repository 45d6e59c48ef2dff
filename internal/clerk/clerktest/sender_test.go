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

// secretOf returns a signing secret of 24 equal bytes.
func secretOf(b byte) string {
	return "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(string(rune(b)), 24)))
}

// endpoint is a webhook endpoint that records the attempts. It is called without a network, as synctest requires.
type endpoint struct {
	respond func(n int) cannedResponse // n starts at 1

	mu       sync.Mutex
	attempts []attempt
}

type attempt struct {
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
	e.attempts = append(e.attempts, attempt{r.Header.Clone(), string(body), time.Now()})
	n := len(e.attempts)
	e.mu.Unlock()
	response := e.respond(n)
	if response.status == 0 {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	header := http.Header{"Retry-After": {response.retryAfter}}
	return &http.Response{StatusCode: response.status, Header: header, Body: http.NoBody}, nil
}

// cannedResponse is a fixed response. The zero value means no response.
type cannedResponse struct {
	status     int
	retryAfter string
}

// received returns the attempts so far.
func (e *endpoint) received() []attempt {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.attempts)
}

func always(status int) func(int) cannedResponse {
	return func(int) cannedResponse { return cannedResponse{status: status} }
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

func TestNewSender_RejectsInvalidSecrets(t *testing.T) {
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
func TestSign_MatchesSvixExample(t *testing.T) {
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

func TestSetSecrets_RotationSignsWithBoth(t *testing.T) {
	t.Parallel()
	e := &endpoint{respond: always(200)}
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

// A test controls order, duplicates and losses of messages.
func TestDeliver_ManualControl(t *testing.T) {
	t.Parallel()
	status := 503
	e := &endpoint{respond: func(int) cannedResponse { return cannedResponse{status: status} }}
	s := newSender(t, e, clerktest.SenderConfig{})
	clerk := clerktest.NewServer(clerktest.Config{})
	clerk.Attach(s)
	id := clerk.SignUp(clerktest.Person{Email: "jane@example.com"})
	clerk.Ban(id)
	clerk.Delete(id)
	created, updated, deleted := s.Pending()[0], s.Pending()[1], s.Pending()[2]
	deliver := func(m clerktest.Message) int { return must(s.Deliver(t.Context(), m)) }

	if deliver(deleted) != 503 || len(s.Pending()) != 3 {
		t.Errorf("pending: %v, want all three messages after a 503", types(s.Pending()))
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

func TestDeliverAll_ContinuesAfterFailure(t *testing.T) {
	t.Parallel()
	e := &endpoint{respond: func(n int) cannedResponse {
		if n == 1 {
			return cannedResponse{status: 400}
		}
		return cannedResponse{status: 204}
	}}
	s := newSender(t, e, clerktest.SenderConfig{})
	for range 3 {
		s.Send(clerktest.ExampleUpdated())
	}
	first := s.Pending()[0]
	err := s.DeliverAll(t.Context())
	if err == nil || !strings.Contains(err.Error(), first.ID) || !strings.Contains(err.Error(), "400") {
		t.Errorf("error = %v, want one that contains %s and 400", err, first.ID)
	}
	if diff := cmp.Diff([]clerktest.Message{first}, s.Pending()); diff != "" {
		t.Errorf("pending (-want +got):\n%s", diff)
	}
}

func TestDeliver_DoesNotFollowRedirects(t *testing.T) {
	t.Parallel()
	followed := false
	mux := http.NewServeMux()
	mux.Handle("/api/webhooks", http.RedirectHandler("/target", http.StatusPermanentRedirect))
	mux.HandleFunc("/target", func(http.ResponseWriter, *http.Request) { followed = true })
	receiver := httptest.NewServer(mux)
	t.Cleanup(receiver.Close)
	s := must(clerktest.NewSender(clerktest.SenderConfig{
		URL: receiver.URL + "/api/webhooks", Secrets: []string{secretOf('a')},
	}))
	s.Send(clerktest.ExampleCreated())
	status, err := s.Deliver(t.Context(), s.Pending()[0])
	if err != nil || status != http.StatusPermanentRedirect || followed || len(s.Pending()) != 1 {
		t.Errorf("status %d, %v, followed: %v, pending: %d", status, err, followed, len(s.Pending()))
	}
}

// A failing receiver gets eight attempts in about 27.5 hours. Each has the same id and body and a new signature.
func TestRun_RetriesOnSchedule(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{respond: always(500)}
		s := newSender(t, e, clerktest.SenderConfig{})
		run(t, s)
		begin := time.Now()
		s.Send(clerktest.ExampleCreated())
		advance(100 * time.Hour)

		attempts := e.received()
		if len(attempts) != 8 || len(s.Pending()) != 0 {
			t.Fatalf("%d attempts, %d pending, want 8 and none", len(attempts), len(s.Pending()))
		}
		if attempts[0].at != begin {
			t.Errorf("first attempt after %v, want 0 s", attempts[0].at.Sub(begin))
		}
		for i, scheduled := range clerktest.SvixSchedule() {
			got := attempts[i+1].at.Sub(attempts[i].at)
			if got < scheduled*8/10 || got > scheduled*12/10 {
				t.Errorf("retry %d after %v, want %v plus or minus 20 %%", i+1, got, scheduled)
			}
		}
		for _, d := range attempts {
			if d.body != attempts[0].body || d.header.Get("svix-id") != attempts[0].header.Get("svix-id") {
				t.Error("a retry has another id or body")
			}
		}
		if attempts[7].header.Get("svix-timestamp") == attempts[0].header.Get("svix-timestamp") {
			t.Error("a retry has the old signature")
		}
	})
}

func TestRun_RetryDelay(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		first    cannedResponse
		schedule time.Duration
		least    time.Duration // from the first attempt to the second
		most     time.Duration
	}{
		"plain failure":         {cannedResponse{500, ""}, 10 * time.Second, 8 * time.Second, 12 * time.Second},
		"longer Retry-After":    {cannedResponse{503, "15"}, 10 * time.Second, 15 * time.Second, 15 * time.Second},
		"excessive Retry-After": {cannedResponse{503, "3600"}, 10 * time.Second, 20 * time.Second, 20 * time.Second},
		"invalid Retry-After":   {cannedResponse{503, "soon"}, 10 * time.Second, 8 * time.Second, 12 * time.Second},
		"too many requests":     {cannedResponse{429, ""}, 10 * time.Second, time.Minute, time.Minute},
		"no response":           {cannedResponse{}, 10 * time.Second, 75 * time.Second, 75 * time.Second},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e := &endpoint{respond: func(n int) cannedResponse {
					if n == 1 {
						return tt.first
					}
					return cannedResponse{status: 200}
				}}
				s := newSender(t, e, clerktest.SenderConfig{Schedule: []time.Duration{tt.schedule}})
				run(t, s)
				s.Send(clerktest.ExampleCreated())
				advance(time.Hour)
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

func TestRun_KeepsOrderAndCallsOnAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{respond: func(n int) cannedResponse {
			if n == 2 {
				return cannedResponse{status: 503}
			}
			return cannedResponse{status: 200}
		}}
		var reported []clerktest.Attempt
		s := newSender(t, e, clerktest.SenderConfig{
			OnAttempt: func(a clerktest.Attempt) { reported = append(reported, a) },
		})
		clerk := clerktest.NewServer(clerktest.Config{})
		clerk.Attach(s)
		stop := run(t, s)
		id := clerk.SignUp(clerktest.Person{Email: "jane@example.com"})
		clerk.Ban(id)
		clerk.Delete(id)
		advance(time.Minute)

		var got []string
		for _, a := range reported {
			got = append(got, strings.Join([]string{a.Message.Type, http.StatusText(a.Status)}, " "))
		}
		want := []string{"user.created OK", "user.updated Service Unavailable", "user.deleted OK", "user.updated OK"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("attempts (-want +got):\n%s", diff)
		}
		if reported[1].Retry == 0 || reported[3].Number != 2 || reported[3].Retry != 0 {
			t.Errorf("attempts: %+v", reported)
		}
		stop()
		clerk.SignUp(clerktest.Person{Email: "joe@example.com"})
		advance(time.Minute)
		if len(e.received()) != 4 || len(s.Pending()) != 1 {
			t.Errorf("after the end of Run: %d attempts, %d pending, want 4 and 1", len(e.received()), len(s.Pending()))
		}
	})
}

// An attempt that is interrupted by the end of Run does not count.
func TestRun_StoppedAttemptStaysPending(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{respond: always(0)}
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

// advance advances the bubble's clock by d and waits for all work that becomes due.
func advance(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// run runs s until the test ends or stop is called. stop waits for the end of Run.
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
