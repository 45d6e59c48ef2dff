package clerk_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

func TestClient_TimesOut(t *testing.T) {
	t.Parallel()
	for name, respond := range map[string]clerktest.Response{
		"no response":        clerktest.Hang(),
		"dripping body":      clerktest.SlowDrip(time.Millisecond),
		"hanging error body": hangingError,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.failAll(respond)
			config := s.config()
			config.Timeout = 50 * time.Millisecond
			_, err := clerk.New(config).Get(t.Context(), s.jane)
			wantKind(t, err, clerk.Unavailable)
		})
	}
}

func TestClient_BoundsResponseBody(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.failAll(tooLarge)
	_, err := s.client().Get(t.Context(), s.jane)
	wantKind(t, err, clerk.Unavailable)
	if !strings.Contains(err.Error(), "larger than a page") {
		t.Errorf("the error does not name the size: %v", err)
	}
}

// hangingError sends a status and the start of a body, then hangs.
func hangingError(w http.ResponseWriter, r *http.Request, _ http.Handler) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusNotFound)
	_, _ = w.Write([]byte(`{"errors":[`))
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

func TestClient_DoesNotFollowRedirects(t *testing.T) {
	t.Parallel()
	for _, status := range []int{
		http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect,
		http.StatusPermanentRedirect,
	} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int32
			target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) }))
			t.Cleanup(target.Close)
			s := start(t)
			s.failAll(func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
				w.Header().Set("Content-Type", "application/json")
				http.Redirect(w, r, target.URL+"/"+personalText, status)
			})
			_, err := s.client().Get(t.Context(), s.jane)
			wantKind(t, err, clerk.Unavailable)
			_, err = s.client().WriteRole(t.Context(), s.jane, user.GrantRole, own("admin"))
			wantKind(t, err, clerk.Unavailable)
			if requests.Load() != 0 {
				t.Error("the request was sent to another host, with the key")
			}
		})
	}
}

func TestClient_ConnectionRefused(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	config := standIn{url: closed.URL + "/v1"}.config()
	_, err := clerk.New(config).Get(t.Context(), "user_jane")
	wantKind(t, err, clerk.Unavailable)
}

func TestClient_UntrustedCertificate(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // the server logs the failed handshake
	server.StartTLS()
	t.Cleanup(server.Close)
	_, err := clerk.New(standIn{url: server.URL + "/v1"}.config()).Get(t.Context(), "user_jane")
	wantKind(t, err, clerk.Unavailable)
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok {
		t.Errorf("got %v, want a certificate error as the cause", err)
	}
}

func TestClient_CancelledContextIsCause(t *testing.T) {
	t.Parallel()
	s := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.client().WriteRole(ctx, s.jane, user.GrantRole, own("admin"))
	wantKind(t, err, clerk.Unavailable)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled as the cause", err)
	}
}

func TestClient_UsesRotatedKey(t *testing.T) {
	t.Parallel()
	s := start(t)
	var key atomic.Value
	key.Store("sk_test_canary")
	config := s.config()
	config.Key = func() string { return key.Load().(string) }
	client := clerk.New(config)
	if _, err := client.Get(t.Context(), s.jane); err != nil {
		t.Fatal(err)
	}

	s.SetSecretKeys("sk_test_canary_2")
	_, err := client.Get(t.Context(), s.jane)
	wantKind(t, err, clerk.Unauthorized)

	key.Store("sk_test_canary_2")
	if _, err := client.Get(t.Context(), s.jane); err != nil {
		t.Errorf("with the new key: %v", err)
	}
}

func TestClient_ErrorDoesNotQuoteMalformedKey(t *testing.T) {
	t.Parallel()
	s := start(t)
	config := s.config()
	config.Key = func() string { return "sk_test_canary\n" }
	_, err := clerk.New(config).Get(t.Context(), s.jane)
	wantKind(t, err, clerk.Unavailable)
}
