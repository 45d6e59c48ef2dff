package clerk_test

import (
	"bytes"
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

// personalText is personal data as Clerk's messages could contain it.
const personalText = "jane.canary@example.com Janecanary Doecanary +15550177 sk_test_canary"

// deepJSON returns JSON that is nested deeper than any of Clerk's responses.
func deepJSON() string { return strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) }

func notFound(longMessage string) clerktest.Response {
	return jsonResponse(http.StatusNotFound,
		`{"errors":[{"message":"not found","long_message":"`+longMessage+`","code":"resource_not_found"}]}`)
}

// unusableResponses returns responses that prove neither that the user is deleted, nor that the request or the key is wrong.
func unusableResponses() map[string]clerktest.Response {
	return map[string]clerktest.Response{
		"502 in HTML":                     clerktest.HTML502(),
		"empty 503":                       clerktest.Empty503(),
		"500 from Clerk":                  clerktest.Status(http.StatusInternalServerError, "internal_clerk_error"),
		"500 with personal data":          clerktest.Static(http.StatusInternalServerError, "text/plain", personalText),
		"Cloudflare's 520":                clerktest.Static(520, "text/plain", personalText),
		"408":                             clerktest.Static(http.StatusRequestTimeout, "", ""),
		"500 with errors null":            jsonResponse(http.StatusInternalServerError, `{"errors":null}`),
		"400 with errors null":            jsonResponse(http.StatusBadRequest, `{"errors":null}`),
		"403 in HTML":                     clerktest.Static(http.StatusForbidden, "text/html", personalText),
		"413 in HTML":                     clerktest.Static(http.StatusRequestEntityTooLarge, "text/html", personalText),
		"409 while locked":                clerktest.Status(http.StatusConflict, "resource_locked"),
		"404 in HTML":                     clerktest.HTML404(),
		"404 without errors":              clerktest.ErrorsEmpty404(),
		"404 without a body":              clerktest.Static(http.StatusNotFound, "application/json", ""),
		"404 with status 200 in the body": clerktest.StatusInBody(),
		"404 of an unknown URL":           notFound("The URL was not found"),
		"404 of the instance":             notFound("No instance was found with id ins_2standin"),
		"404 of another user":             notFound("No user was found with id user_doe"),
		"404 of a longer id":              notFound("No user was found with id user_jane2"),
		"404 of a shorter id":             notFound("No user was found with id user_jan"),
		"404 with another code":           clerktest.Status(http.StatusNotFound, "organization_not_found_or_unauthorized"),
		"404 with another code about the user": jsonResponse(http.StatusNotFound, `{"errors":[{"code":"actor_token_subject_not_found",`+
			`"message":"user not found","long_message":"The user user_jane no longer exists."}]}`),
		"404 in plain text": clerktest.Static(http.StatusNotFound, "text/plain",
			`{"errors":[{"long_message":"No user was found with id user_jane","code":"resource_not_found"}]}`),
		"404 truncated": jsonResponse(http.StatusNotFound,
			`{"errors":[{"long_message":"No user was found with id user_jane","code":"resource_not_found"}`),
		"200 null":                    clerktest.OKNull(),
		"200 {}":                      clerktest.OKEmptyObject(),
		"200 []":                      clerktest.EmptyList(),
		"200 without a body":          clerktest.EmptyBody(),
		"200 truncated":               clerktest.Truncated(),
		"200 with half the JSON":      clerktest.HalfJSON(),
		"200 in HTML":                 clerktest.Static(http.StatusOK, "text/html", personalText),
		"200 with HTML labelled JSON": jsonResponse(http.StatusOK, "<html>"+personalText),
		"200 with text labelled JSON": jsonResponse(http.StatusOK, personalText),
		"200 with a string":           jsonResponse(http.StatusOK, `"`+personalText+`"`),
		"200 with a number":           jsonResponse(http.StatusOK, "7"),
		"200 with errors":             jsonResponse(http.StatusOK, `{"errors":[{"code":"resource_not_found"}]}`),
		"200 with two values":         jsonResponse(http.StatusOK, "{} {}"),
		"200 with deep JSON":          jsonResponse(http.StatusOK, deepJSON()),
		"201":                         jsonResponse(http.StatusCreated, "{}"),
		"204":                         clerktest.Static(http.StatusNoContent, "", ""),
		"304":                         clerktest.Static(http.StatusNotModified, "", ""),
		"no response":                 clerktest.CloseConnection(),
		"not HTTP":                    notHTTP,
	}
}

// unusableUsers returns unusable responses to a request for a user.
func unusableUsers() map[string]clerktest.Response {
	return map[string]clerktest.Response{
		"200 with a deleted user":        jsonResponse(http.StatusOK, `{"object":"user","id":"user_jane","deleted":true}`),
		"200 with a user as HTML":        withContentType("text/html"),
		"200 with a user without a type": withContentType(""),
		"200 with an organization":       clerktest.Replaced(`"object":"user"`, `"object":"organization"`),
		"200 with another user":          clerktest.Replaced(`"id":"user_jane"`, `"id":"user_doe"`),
		"200 with an upper-case id":      clerktest.Replaced(`"id":"user_jane"`, `"id":"user_Jane"`),
		"200 with a path in the id": clerktest.Replaced(
			`"id":"user_jane"`, `"id":"user_jane/../../organizations"`),
		"200 with a number as a string":  clerktest.Replaced(`"updated_at":`, `"updated_at":"1716883200000","was":`),
		"200 with a fraction":            clerktest.Replaced(`"updated_at":`, `"updated_at":1716883200000.5,"was":`),
		"200 with a flag as a string":    clerktest.Replaced(`"banned":false`, `"banned":"false"`),
		"200 without times":              clerktest.Replaced(`"created_at":`, `"created":`),
		"200 with addresses null":        clerktest.Replaced(`"email_addresses":`, `"email_addresses":null,"was":`),
		"200 with addresses as a string": clerktest.Replaced(`"email_addresses":`, `"email_addresses":"x","was":`),
	}
}

// tooLarge sends a body that is valid JSON so far and ends only when the client stops reading.
func tooLarge(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
	w.Header().Set("Content-Type", "application/json")
	blanks := bytes.Repeat([]byte(" "), 1<<20)
	for {
		if _, err := w.Write(blanks); err != nil {
			return
		}
	}
}

// withContentType sends the API's response with another content type.
func withContentType(contentType string) clerktest.Response {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		recorder := httptest.NewRecorder()
		next.ServeHTTP(recorder, r)
		clerktest.Static(recorder.Code, contentType, recorder.Body.String())(w, r, nil)
	}
}

// notHTTP sends text that net/http quotes in its error.
func notHTTP(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
	connection, out, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	_, _ = out.WriteString(personalText + "\r\n\r\n")
	_ = out.Flush()
	_ = connection.Close()
}

func TestClient_UnusableResponseIsUnavailable(t *testing.T) {
	t.Parallel()
	for name, respond := range unusableResponses() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.failAll(respond)
			client := s.client()

			got, err := client.Get(t.Context(), s.jane)
			wantKind(t, err, clerk.Unavailable)
			if got != (user.User{}) {
				t.Errorf("Get returned %+v with the error", got)
			}
			got, err = client.WriteRole(t.Context(), s.jane, user.GrantRole, user.Admin)
			wantKind(t, err, clerk.Unavailable)
			if got != (user.User{}) {
				t.Errorf("WriteRole returned %+v with the error", got)
			}
			instance, err := client.Instance(t.Context())
			wantKind(t, err, clerk.Unavailable)
			if instance != "" {
				t.Errorf("Instance returned %q with the error", instance)
			}
		})
	}
}

func TestClient_UnusableUserIsUnavailable(t *testing.T) {
	t.Parallel()
	for name, respond := range unusableUsers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.failAll(respond)
			_, err := s.client().Get(t.Context(), s.jane)
			wantKind(t, err, clerk.Unavailable)
			_, err = s.client().WriteRole(t.Context(), s.jane, user.GrantRole, user.Admin)
			wantKind(t, err, clerk.Unavailable)
		})
	}
}

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

func TestClient_ClassifiesClerkErrors(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		status int
		code   string
		want   clerk.Kind
	}{
		{http.StatusBadRequest, "bad_request", clerk.Rejected},
		{http.StatusUnauthorized, "clerk_key_invalid", clerk.Unauthorized},
		{http.StatusPaymentRequired, "unsupported_subscription_plan_features", clerk.Rejected},
		{http.StatusForbidden, "authorization_invalid", clerk.Unauthorized},
		{http.StatusNotFound, "resource_not_found", clerk.Unavailable}, // "Resource not found" names no id
		{http.StatusRequestTimeout, "request_timeout", clerk.Unavailable},
		{http.StatusConflict, "resource_locked", clerk.Unavailable},
		{http.StatusConflict, "user_managed_by_scim", clerk.Rejected},
		{http.StatusGone, "operation_deprecated", clerk.Rejected},
		{http.StatusRequestEntityTooLarge, "request_body_too_large", clerk.Rejected},
		{http.StatusUnsupportedMediaType, "unsupported_content_type", clerk.Rejected},
		{http.StatusUnprocessableEntity, "form_param_exceeds_allowed_size", clerk.Rejected},
		{http.StatusTooManyRequests, "too_many_requests", clerk.Throttled},
		{http.StatusInternalServerError, "internal_clerk_error", clerk.Unavailable},
		{http.StatusBadGateway, "bad_gateway", clerk.Unavailable},
		{http.StatusServiceUnavailable, "service_unavailable", clerk.Unavailable},
		{http.StatusGatewayTimeout, "gateway_timeout", clerk.Unavailable},
	} {
		t.Run(test.code, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.failAll(clerktest.Status(test.status, test.code))
			_, err := s.client().Get(t.Context(), s.jane)
			wantKind(t, err, test.want)
			var failure *clerk.Error
			if !errors.As(err, &failure) || failure.Status != test.status || failure.Code != test.code || failure.TraceID == "" {
				t.Errorf("got %+v, want status %d, code %s and a trace id", failure, test.status, test.code)
			}
		})
	}
}

func TestClient_AnyUnauthorizedCounts(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.failAll(clerktest.Static(http.StatusUnauthorized, "text/plain", personalText))
	_, err := s.client().Get(t.Context(), s.jane)
	wantKind(t, err, clerk.Unauthorized)
}

func TestClient_ErrorsDoNotQuoteResponse(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.failAll(jsonResponse(http.StatusUnprocessableEntity, `{"errors":[{"message":"`+personalText+`","long_message":"`+personalText+
		`","code":"`+personalText+`","meta":{"param_name":"`+personalText+`"}}],"clerk_trace_id":"`+personalText+`"}`))
	_, err := s.client().Get(t.Context(), s.jane)
	wantKind(t, err, clerk.Unavailable)
	_, err = s.client().WriteRole(t.Context(), s.jane, user.GrantRole, user.Admin)
	wantKind(t, err, clerk.Unavailable)
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
			_, err = s.client().WriteRole(t.Context(), s.jane, user.GrantRole, user.Admin)
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
	_, err := s.client().WriteRole(ctx, s.jane, user.GrantRole, user.Admin)
	wantKind(t, err, clerk.Unavailable)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled as the cause", err)
	}
}
