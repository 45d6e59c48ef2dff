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

// personal is a text as Clerk's messages could have it.
const personal = "jane.canary@example.com Janecanary Doecanary +15550177 sk_test_canary"

// deepJSON is nested deeper than anything of Clerk's.
var deepJSON = strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)

func notFound(longMessage string) clerktest.Response {
	return answers(http.StatusNotFound,
		`{"errors":[{"message":"not found","long_message":"`+longMessage+`","code":"resource_not_found"}]}`)
}

// uselessAnswers prove nothing: not that the user is gone, not that the request is wrong, not that the key is.
var uselessAnswers = map[string]clerktest.Response{
	"502 in HTML":                  clerktest.HTML502(),
	"empty 503":                    clerktest.Empty503(),
	"500 in Clerk's form":          clerktest.Status(http.StatusInternalServerError, "internal_clerk_error"),
	"500 with personal text":       clerktest.Answer(http.StatusInternalServerError, "text/plain", personal),
	"Cloudflare's 520":             clerktest.Answer(520, "text/plain", personal),
	"408":                          clerktest.Answer(http.StatusRequestTimeout, "", ""),
	"500 with errors null":         answers(http.StatusInternalServerError, `{"errors":null}`),
	"400 with errors null":         answers(http.StatusBadRequest, `{"errors":null}`),
	"403 in HTML":                  clerktest.Answer(http.StatusForbidden, "text/html", personal),
	"413 in HTML":                  clerktest.Answer(http.StatusRequestEntityTooLarge, "text/html", personal),
	"409 while locked":             clerktest.Status(http.StatusConflict, "resource_locked"),
	"404 in HTML":                  clerktest.HTML404(),
	"404 without errors":           clerktest.ErrorsEmpty404(),
	"404 without a body":           clerktest.Answer(http.StatusNotFound, "application/json", ""),
	"404 that says status 200":     clerktest.StatusInBody(),
	"404 of an unknown URL":        notFound("The URL was not found"),
	"404 of the instance":          notFound("No instance was found with id ins_2standin"),
	"404 of another user":          notFound("No user was found with id user_doe"),
	"404 of a user with more name": notFound("No user was found with id user_jane2"),
	"404 of a user with less name": notFound("No user was found with id user_jan"),
	"404 with another code":        clerktest.Status(http.StatusNotFound, "organization_not_found_or_unauthorized"),
	"404 with another code about the user": answers(http.StatusNotFound, `{"errors":[{"code":"actor_token_subject_not_found",`+
		`"message":"user not found","long_message":"The user user_jane no longer exists."}]}`),
	"404 in plain text": clerktest.Answer(http.StatusNotFound, "text/plain",
		`{"errors":[{"long_message":"No user was found with id user_jane","code":"resource_not_found"}]}`),
	"404 cut short": answers(http.StatusNotFound,
		`{"errors":[{"long_message":"No user was found with id user_jane","code":"resource_not_found"}`),
	"200 null":               clerktest.OKNull(),
	"200 {}":                 clerktest.OKEmptyObject(),
	"200 []":                 clerktest.EmptyList(),
	"200 without a body":     clerktest.EmptyBody(),
	"200 cut off":            clerktest.Truncated(),
	"200 with half the JSON": clerktest.HalfJSON(),
	"200 in HTML":            clerktest.Answer(http.StatusOK, "text/html", personal),
	"200 in HTML as JSON":    answers(http.StatusOK, "<html>"+personal),
	"200 with text as JSON":  answers(http.StatusOK, personal),
	"200 with a string":      answers(http.StatusOK, `"`+personal+`"`),
	"200 with a number":      answers(http.StatusOK, "7"),
	"200 with errors":        answers(http.StatusOK, `{"errors":[{"code":"resource_not_found"}]}`),
	"200 with two values":    answers(http.StatusOK, "{} {}"),
	"200 with deep JSON":     answers(http.StatusOK, deepJSON),
	"201":                    answers(http.StatusCreated, "{}"),
	"204":                    clerktest.Answer(http.StatusNoContent, "", ""),
	"304":                    clerktest.Answer(http.StatusNotModified, "", ""),
	"no answer":              clerktest.CloseConnection(),
	"something but HTTP":     notHTTP,
}

// uselessUsers are answers that only a request for a user can get.
var uselessUsers = map[string]clerktest.Response{
	"200 with a deleted user":    answers(http.StatusOK, `{"object":"user","id":"user_jane","deleted":true}`),
	"200 with a user as HTML":    labelled("text/html"),
	"200 with a user as nothing": labelled(""),
	"200 with no user":           clerktest.Replaced(`"object":"user"`, `"object":"organization"`),
	"200 with another user":      clerktest.Replaced(`"id":"user_jane"`, `"id":"user_doe"`),
	"200 with the id in capital": clerktest.Replaced(`"id":"user_jane"`, `"id":"user_Jane"`),
	"200 with an id that is none": clerktest.Replaced(
		`"id":"user_jane"`, `"id":"user_jane/../../organizations"`),
	"200 with a number as text":  clerktest.Replaced(`"updated_at":`, `"updated_at":"1716883200000","was":`),
	"200 with a broken number":   clerktest.Replaced(`"updated_at":`, `"updated_at":1716883200000.5,"was":`),
	"200 with a flag as text":    clerktest.Replaced(`"banned":false`, `"banned":"false"`),
	"200 without times":          clerktest.Replaced(`"created_at":`, `"created":`),
	"200 with addresses null":    clerktest.Replaced(`"email_addresses":`, `"email_addresses":null,"was":`),
	"200 with addresses as text": clerktest.Replaced(`"email_addresses":`, `"email_addresses":"x","was":`),
}

// tooLarge is a body that could be JSON so far, and does not end before the client has had enough.
func tooLarge(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
	w.Header().Set("Content-Type", "application/json")
	blanks := bytes.Repeat([]byte(" "), 1<<20)
	for {
		if _, err := w.Write(blanks); err != nil {
			return
		}
	}
}

// labelled answers as the API does, but for the type of the content.
func labelled(contentType string) clerktest.Response {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		clerktest.Answer(answer.Code, contentType, answer.Body.String())(w, r, nil)
	}
}

// notHTTP answers what net/http would quote in its error.
func notHTTP(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
	connection, out, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	_, _ = out.WriteString(personal + "\r\n\r\n")
	_ = out.Flush()
	_ = connection.Close()
}

func TestUselessAnswersProveNothing(t *testing.T) {
	t.Parallel()
	for name, respond := range uselessAnswers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.fails(respond)
			client := s.client()

			got, err := client.Get(t.Context(), s.jane)
			wantKind(t, err, clerk.Unavailable)
			if got != (user.User{}) {
				t.Errorf("Get gave %+v with the error", got)
			}
			got, err = client.WriteRole(t.Context(), s.jane, user.GrantRole, user.Admin)
			wantKind(t, err, clerk.Unavailable)
			if got != (user.User{}) {
				t.Errorf("WriteRole gave %+v with the error", got)
			}
			instance, err := client.Instance(t.Context())
			wantKind(t, err, clerk.Unavailable)
			if instance != "" {
				t.Errorf("Instance gave %q with the error", instance)
			}
		})
	}
}

func TestUselessUsersAreNoUsers(t *testing.T) {
	t.Parallel()
	for name, respond := range uselessUsers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.fails(respond)
			_, err := s.client().Get(t.Context(), s.jane)
			wantKind(t, err, clerk.Unavailable)
			_, err = s.client().WriteRole(t.Context(), s.jane, user.GrantRole, user.Admin)
			wantKind(t, err, clerk.Unavailable)
		})
	}
}

func TestAnswersThatNeverEndAreGivenUp(t *testing.T) {
	t.Parallel()
	for name, respond := range map[string]clerktest.Response{
		"no answer":                 clerktest.Hang(),
		"a body that drips":         clerktest.SlowDrip(time.Millisecond),
		"an error whose body hangs": hangingError,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.fails(respond)
			config := s.config()
			config.Timeout = 50 * time.Millisecond
			_, err := clerk.New(config).Get(t.Context(), s.jane)
			wantKind(t, err, clerk.Unavailable)
		})
	}
}

func TestABodyLargerThanAPageIsNotReadToItsEnd(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.fails(tooLarge)
	_, err := s.client().Get(t.Context(), s.jane)
	wantKind(t, err, clerk.Unavailable)
	if !strings.Contains(err.Error(), "larger than a page") {
		t.Errorf("the error does not say what is wrong: %v", err)
	}
}

// hangingError sends a status and the beginning of a body.
func hangingError(w http.ResponseWriter, r *http.Request, _ http.Handler) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusNotFound)
	_, _ = w.Write([]byte(`{"errors":[`))
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

func TestClerksOwnErrorsAreClassified(t *testing.T) {
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
		{http.StatusNotFound, "resource_not_found", clerk.Unavailable}, // "Resource not found": which one?
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
			s.fails(clerktest.Status(test.status, test.code))
			_, err := s.client().Get(t.Context(), s.jane)
			wantKind(t, err, test.want)
			var failure *clerk.Error
			if !errors.As(err, &failure) || failure.Status != test.status || failure.Code != test.code || failure.TraceID == "" {
				t.Errorf("got %+v, want status %d, code %s and a trace id", failure, test.status, test.code)
			}
		})
	}
}

func TestUnauthorizedNeedsNoFormOfClerks(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.fails(clerktest.Answer(http.StatusUnauthorized, "text/plain", personal))
	_, err := s.client().Get(t.Context(), s.jane)
	wantKind(t, err, clerk.Unauthorized)
}

func TestErrorsHoldNothingThatTheAnswerMadeUp(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.fails(answers(http.StatusUnprocessableEntity, `{"errors":[{"message":"`+personal+`","long_message":"`+personal+
		`","code":"`+personal+`","meta":{"param_name":"`+personal+`"}}],"clerk_trace_id":"`+personal+`"}`))
	_, err := s.client().Get(t.Context(), s.jane)
	wantKind(t, err, clerk.Unavailable)
	_, err = s.client().WriteRole(t.Context(), s.jane, user.GrantRole, user.Admin)
	wantKind(t, err, clerk.Unavailable)
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	for _, status := range []int{
		http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect,
		http.StatusPermanentRedirect,
	} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			var visits atomic.Int32
			elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visits.Add(1) }))
			t.Cleanup(elsewhere.Close)
			s := start(t)
			s.fails(func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
				w.Header().Set("Content-Type", "application/json")
				http.Redirect(w, r, elsewhere.URL+"/"+personal, status)
			})
			_, err := s.client().Get(t.Context(), s.jane)
			wantKind(t, err, clerk.Unavailable)
			_, err = s.client().WriteRole(t.Context(), s.jane, user.GrantRole, user.Admin)
			wantKind(t, err, clerk.Unavailable)
			if visits.Load() != 0 {
				t.Error("the request, and the key with it, went to another host")
			}
		})
	}
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	config := standIn{url: closed.URL + "/v1"}.config()
	_, err := clerk.New(config).Get(t.Context(), "user_jane")
	wantKind(t, err, clerk.Unavailable)
}

func TestACertificateThatIsNotTrusted(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains of the client
	server.StartTLS()
	t.Cleanup(server.Close)
	_, err := clerk.New(standIn{url: server.URL + "/v1"}.config()).Get(t.Context(), "user_jane")
	wantKind(t, err, clerk.Unavailable)
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok {
		t.Errorf("got %v, want the certificate as the cause", err)
	}
}

func TestAContextThatEndsIsNamedAsTheCause(t *testing.T) {
	t.Parallel()
	s := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.client().WriteRole(ctx, s.jane, user.GrantRole, user.Admin)
	wantKind(t, err, clerk.Unavailable)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled in it", err)
	}
}
