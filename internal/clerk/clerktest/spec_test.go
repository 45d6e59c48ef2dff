package clerktest_test

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// The OpenAPI documents that Clerk publishes (github.com/clerk/openapi-specs: bapi/2025-04-10.yml,
// webhooks/2025-04-15.yml).
const (
	apiSpecVariable      = "CLERK_OPENAPI_SPEC"
	webhooksSpecVariable = "CLERK_WEBHOOKS_SPEC"
)

// spec is Clerk's OpenAPI document, loaded once for all tests.
type spec struct {
	doc    *openapi3.T
	router routers.Router
}

var loadSpec = sync.OnceValues(func() (*spec, error) {
	doc, err := openapi3.NewLoader().LoadFromFile(os.Getenv(apiSpecVariable))
	if err != nil {
		return nil, err
	}
	doc.Servers = openapi3.Servers{{URL: "/v1"}}
	router, err := gorillamux.NewRouter(doc)
	return &spec{doc, router}, err
})

// apiSpec returns Clerk's document, or nil where the environment names none.
func apiSpec(t *testing.T) *spec {
	t.Helper()
	if os.Getenv(apiSpecVariable) == "" {
		return nil
	}
	s, err := loadSpec()
	if err != nil {
		t.Fatalf("loading the document that %s names: %v", apiSpecVariable, err)
	}
	return s
}

func needAPISpec(t *testing.T) *spec {
	t.Helper()
	s := apiSpec(t)
	if s == nil {
		t.Skip(apiSpecVariable + " is not set: nothing to compare the stand-in with")
	}
	return s
}

// conforming is a transport that reports every request and every answer that Clerk's document does not allow. It is
// how all tests with a real client also test conformance.
type conforming struct {
	t    *testing.T
	spec *spec
	next http.RoundTripper
	// refused marks requests that the document forbids because the test wants to see them refused.
	refused bool
}

func (c conforming) RoundTrip(r *http.Request) (*http.Response, error) {
	if c.spec == nil {
		return c.next.RoundTrip(r)
	}
	sent := drain(c.t, r.Body)
	r.Body = io.NopCloser(bytes.NewReader(sent))
	resp, err := c.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body := drain(c.t, resp.Body)
	resp.Body = io.NopCloser(bytes.NewReader(body))
	r.Body = io.NopCloser(bytes.NewReader(sent))
	c.compare(r, resp, body)
	return resp, nil
}

func (c conforming) compare(r *http.Request, resp *http.Response, body []byte) {
	what := r.Method + " " + r.URL.Path
	if got := resp.Header.Get("Content-Type"); got != "application/json" {
		c.t.Errorf("%s: Content-Type %q, want exactly application/json", what, got)
	}
	route, params, err := c.spec.router.FindRoute(r)
	if err != nil {
		c.compareError(what, resp.StatusCode, body)
		return
	}
	in := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
	}
	if err := openapi3filter.ValidateRequest(r.Context(), in); err != nil && !c.refused {
		c.t.Errorf("%s: the request is not Clerk's: %v", what, err)
	}
	if route.Operation.Responses.Status(resp.StatusCode) == nil {
		c.compareError(what, resp.StatusCode, body)
		return
	}
	out := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: resp.StatusCode, Header: resp.Header,
		Body:    io.NopCloser(bytes.NewReader(body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	}
	if err := openapi3filter.ValidateResponse(r.Context(), out); err != nil {
		c.t.Errorf("%s: the answer %d is not Clerk's: %v", what, resp.StatusCode, err)
	}
}

// compareError checks an answer whose status the document does not list for its endpoint, such as 429: it must be
// an error, in the form of all errors.
func (c conforming) compareError(what string, status int, body []byte) {
	if status < 400 {
		c.t.Errorf("%s: status %d is not documented", what, status)
	}
	if err := matches(c.spec.doc, "ClerkErrors", body); err != nil {
		c.t.Errorf("%s: the answer %d is not Clerk's: %v", what, status, err)
	}
}

func drain(t *testing.T, body io.ReadCloser) []byte {
	t.Helper()
	if body == nil {
		return nil
	}
	b, err := io.ReadAll(body)
	if err != nil {
		t.Errorf("reading a body: %v", err)
	}
	if err := body.Close(); err != nil {
		t.Errorf("closing a body: %v", err)
	}
	return b
}
