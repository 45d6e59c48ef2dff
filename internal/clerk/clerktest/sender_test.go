package clerktest_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	svix "github.com/svix/svix-webhooks/go"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
)

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
