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

// apiSpec returns Clerk's document, or nil if the environment variable is not set.
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

func requireAPISpec(t *testing.T) *spec {
	t.Helper()
	s := apiSpec(t)
	if s == nil {
		t.Skip(apiSpecVariable + " is not set: no document to validate the stand-in")
	}
	return s
}

// conformanceTransport reports every request and response that violates Clerk's document. With it, all tests with a real
// client also test conformance.
type conformanceTransport struct {
	t    *testing.T
	spec *spec
	next http.RoundTripper
	// rejectionExpected allows requests that violate the document, because the test expects their rejection.
	rejectionExpected bool
}

func (c conformanceTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if c.spec == nil {
		return c.next.RoundTrip(r)
	}
	sent := readAll(c.t, r.Body)
	r.Body = io.NopCloser(bytes.NewReader(sent))
	resp, err := c.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body := readAll(c.t, resp.Body)
	resp.Body = io.NopCloser(bytes.NewReader(body))
	r.Body = io.NopCloser(bytes.NewReader(sent))
	c.compare(r, resp, body)
	return resp, nil
}

func (c conformanceTransport) compare(r *http.Request, resp *http.Response, body []byte) {
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
	if err := openapi3filter.ValidateRequest(r.Context(), in); err != nil && !c.rejectionExpected {
		c.t.Errorf("%s: the request violates Clerk's schema: %v", what, err)
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
		c.t.Errorf("%s: the response %d violates Clerk's schema: %v", what, resp.StatusCode, err)
	}
}

// compareError validates a response whose status the document does not list for its endpoint, such as 429. It must be an
// error in Clerk's common format.
func (c conformanceTransport) compareError(what string, status int, body []byte) {
	if status < 400 {
		c.t.Errorf("%s: status %d is not documented", what, status)
	}
	if err := matches(c.spec.doc, "ClerkErrors", body); err != nil {
		c.t.Errorf("%s: the response %d violates Clerk's schema: %v", what, status, err)
	}
}

func readAll(t *testing.T, body io.ReadCloser) []byte {
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
