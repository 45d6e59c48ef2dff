package clerktest_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
)

func TestConformance_ResponsesMatchOpenAPI(t *testing.T) {
	t.Parallel()
	requireAPISpec(t)
	for name, x := range exchanges() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, fill := startWithUsers(t)
			got := s.send(t, x.method, fill.Replace(x.path), fill.Replace(x.body))
			x.check(t, got)
		})
	}
}

// This test checks the same exchanges without Clerk's document.
func TestConformance_StatusAndErrorCode(t *testing.T) {
	t.Parallel()
	for name, x := range exchanges() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, fill := startWithUsers(t)
			r := s.request(t, x.method, fill.Replace(x.path), fill.Replace(x.body))
			x.check(t, roundTrip(t, r))
		})
	}
}

func (x exchange) check(t *testing.T, got reply) {
	t.Helper()
	if got.status != x.status {
		t.Fatalf("status %d, want %d: %s", got.status, x.status, got.body)
	}
	if x.code == "" {
		return
	}
	var e struct {
		Errors []struct {
			Message string `json:"message"`
			Code    string `json:"code"`
		} `json:"errors"`
		TraceID string `json:"clerk_trace_id"`
	}
	decode(t, got.body, &e)
	if e.Errors[0].Code != x.code || e.Errors[0].Message == "" || len(e.TraceID) != 32 {
		t.Errorf("error = %s, want code %s, a message and a trace id", got.body, x.code)
	}
}

// startWithUsers starts a server with two users. The replacer substitutes the placeholders of an exchange.
func startWithUsers(t *testing.T) (standIn, *strings.Replacer) {
	t.Helper()
	s := start(t, clerktest.Config{})
	id := s.SignUp(clerktest.Person{Email: "jane@example.com", Phone: "+15550100", ExternalID: "42"})
	joe := s.SignUp(clerktest.Person{Email: "joe@example.com"})
	s.Update(id, func(u *clerktest.User) {
		other := u.EmailAddresses[0]
		other.ID, other.EmailAddress, other.Verification = "idn_other", "other@example.com", nil
		u.EmailAddresses = append(u.EmailAddresses, other)
	})
	u, _ := s.User(id)
	return s, strings.NewReplacer("{id}", id, "{joe}", joe, "{email}", u.EmailAddresses[0].ID, "{other}", "idn_other")
}

// This test covers the errors that every endpoint can return before it handles the request.
func TestConformance_CommonErrorsOfEveryEndpoint(t *testing.T) {
	t.Parallel()
	rejections := map[string]struct {
		prepare func(*clerktest.Server, *http.Request)
		status  int
		code    string
	}{
		"no key":        {header("Authorization", ""), 401, "authorization_header_format_invalid"},
		"no bearer":     {header("Authorization", "Basic eA=="), 401, "authorization_header_format_invalid"},
		"wrong key":     {header("Authorization", "Bearer sk_test_x"), 401, "clerk_key_invalid"},
		"wrong version": {header("Clerk-API-Version", "1999-12-31"), 400, "api_version_invalid"},
		"two versions": {func(_ *clerktest.Server, r *http.Request) {
			r.Header.Set("Clerk-API-Version", "2025-04-10")
			r.URL.RawQuery = "__clerk_api_version=2025-04-10"
		}, 400, "api_version_invalid"},
		"locked":    {inject(clerktest.Status(409, "resource_locked")), 409, "resource_locked"},
		"forbidden": {inject(clerktest.Status(403, "authorization_invalid")), 403, "authorization_invalid"},
		"throttled": {inject(clerktest.Throttled(3)), 429, "too_many_requests"},
		"broken":    {inject(clerktest.Status(500, "internal_clerk_error")), 500, "internal_clerk_error"},
		"down":      {inject(clerktest.Status(503, "service_unavailable")), 503, "service_unavailable"},
	}
	endpoints := map[string]exchange{}
	for _, x := range exchanges() {
		if x.status == http.StatusOK {
			endpoints[x.method+" "+x.path] = x
		}
	}
	for _, endpoint := range slices.Sorted(maps.Keys(endpoints)) {
		for name, rejection := range rejections {
			t.Run(fmt.Sprintf("%s %s", endpoint, name), func(t *testing.T) {
				t.Parallel()
				s, fill := startWithUsers(t)
				x := endpoints[endpoint]
				r := s.request(t, x.method, fill.Replace(x.path), fill.Replace(x.body))
				rejection.prepare(s.Server, r)
				exchange{status: rejection.status, code: rejection.code}.check(t, s.do(t, r))
			})
		}
	}
}

func header(name, value string) func(*clerktest.Server, *http.Request) {
	return func(_ *clerktest.Server, r *http.Request) { r.Header.Set(name, value) }
}

func inject(respond clerktest.Response) func(*clerktest.Server, *http.Request) {
	return func(s *clerktest.Server, _ *http.Request) { s.Inject(clerktest.Fault{Respond: respond}) }
}

func TestConformance_RejectsNonJSONBody(t *testing.T) {
	t.Parallel()
	s := start(t, clerktest.Config{})
	r := s.request(t, http.MethodPost, "/users", "first_name=Jane")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	exchange{status: http.StatusUnsupportedMediaType, code: "unsupported_content_type"}.check(t, s.do(t, r))
}

func TestConformance_NewerVersionRejectsMetadataInUpdate(t *testing.T) {
	t.Parallel()
	s, fill := startWithUsers(t)
	r := s.request(t, http.MethodPatch, fill.Replace("/users/{id}"), `{"public_metadata":{}}`)
	r.Header.Set("Clerk-API-Version", "2026-05-12")
	exchange{status: http.StatusUnprocessableEntity, code: "form_param_unknown"}.check(t, s.do(t, r))
}
