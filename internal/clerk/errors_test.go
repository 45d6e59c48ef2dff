package clerk_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

func TestKindOf_OtherErrors(t *testing.T) {
	t.Parallel()
	if got := clerk.KindOf(errors.New("disk full")); got != clerk.Unavailable {
		t.Errorf("kind %q, want %q", got, clerk.Unavailable)
	}
	if got := clerk.KindOf(nil); got != "" {
		t.Errorf("kind %q of a nil error, want none", got)
	}
	if got := clerk.RetryAfter(errors.New("disk full")); got != 0 {
		t.Errorf("retry after %s, want 0", got)
	}
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
	_, err = s.client().WriteRole(t.Context(), s.jane, user.GrantRole, own("admin"))
	wantKind(t, err, clerk.Unavailable)
}
