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

func TestEveryAnswerIsClerks(t *testing.T) {
	t.Parallel()
	needAPISpec(t)
	for name, x := range exchanges() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, fill := populated(t)
			got := s.send(t, x.method, fill.Replace(x.path), fill.Replace(x.body))
			x.check(t, got)
		})
	}
}

// The same exchanges hold where Clerk's document is not at hand.
func TestStatusAndCodeOfEveryAnswer(t *testing.T) {
	t.Parallel()
	for name, x := range exchanges() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, fill := populated(t)
			r := s.request(t, x.method, fill.Replace(x.path), fill.Replace(x.body))
			x.check(t, plain(t, r))
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

// populated is a server with two users, and what the placeholders of an exchange stand for in it.
func populated(t *testing.T) (standIn, *strings.Replacer) {
	t.Helper()
	s := start(t, clerktest.Config{})
	id := s.SignUp(clerktest.Person{Email: "jane@example.com", Phone: "+15550100", ExternalID: "42"})
	s.SignUp(clerktest.Person{Email: "joe@example.com"})
	s.Update(id, func(u *clerktest.User) {
		other := u.EmailAddresses[0]
		other.ID, other.EmailAddress, other.Verification = "idn_other", "other@example.com", nil
		u.EmailAddresses = append(u.EmailAddresses, other)
	})
	u, _ := s.User(id)
	return s, strings.NewReplacer("{id}", id, "{email}", u.EmailAddresses[0].ID, "{other}", "idn_other")
}

// Every error that can come before it matters what was asked for, on every endpoint.
func TestEveryEndpointCanRefuse(t *testing.T) {
	t.Parallel()
	refusals := map[string]struct {
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
		for name, refusal := range refusals {
			t.Run(fmt.Sprintf("%s %s", endpoint, name), func(t *testing.T) {
				t.Parallel()
				s, fill := populated(t)
				x := endpoints[endpoint]
				r := s.request(t, x.method, fill.Replace(x.path), fill.Replace(x.body))
				refusal.prepare(s.Server, r)
				exchange{status: refusal.status, code: refusal.code}.check(t, s.do(t, r))
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

func TestBodyMustBeJSON(t *testing.T) {
	t.Parallel()
	s := start(t, clerktest.Config{})
	r := s.request(t, http.MethodPost, "/users", "first_name=Jane")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	exchange{status: http.StatusUnsupportedMediaType, code: "unsupported_content_type"}.check(t, s.do(t, r))
}

func TestNewerVersionRefusesMetadataInUpdate(t *testing.T) {
	t.Parallel()
	s, fill := populated(t)
	r := s.request(t, http.MethodPatch, fill.Replace("/users/{id}"), `{"public_metadata":{}}`)
	r.Header.Set("Clerk-API-Version", "2026-05-12")
	exchange{status: http.StatusUnprocessableEntity, code: "form_param_unknown"}.check(t, s.do(t, r))
}
