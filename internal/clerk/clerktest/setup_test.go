package clerktest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clerk/clerk-sdk-go/v2"
	"github.com/clerk/clerk-sdk-go/v2/user"
	"github.com/getkin/kin-openapi/openapi3"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
)

// clock is a manual clock.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// standIn is a listening server with a client of Clerk's SDK.
type standIn struct {
	*clerktest.Server
	url   string // with /v1
	users *user.Client
}

func start(t *testing.T, config clerktest.Config) standIn {
	t.Helper()
	s := clerktest.NewServer(config)
	api := httptest.NewServer(s)
	t.Cleanup(api.Close)
	key := clerktest.DefaultSecretKey
	if len(config.SecretKeys) > 0 {
		key = config.SecretKeys[0]
	}
	return standIn{Server: s, url: api.URL + "/v1", users: newSDK(t, api.URL+"/v1", key)}
}

// newSDK returns a client of Clerk's SDK. It validates requests and responses against Clerk's OpenAPI document, if the
// environment provides one.
func newSDK(t *testing.T, url, key string) *user.Client {
	t.Helper()
	transport := conformanceTransport{t: t, spec: apiSpec(t), next: http.DefaultTransport}
	return user.NewClient(&clerk.ClientConfig{BackendConfig: clerk.BackendConfig{
		HTTPClient: &http.Client{Transport: transport}, URL: new(url), Key: new(key),
	}})
}

// reply is a complete response.
type reply struct {
	status int
	header http.Header
	body   string
}

// send sends a request with a valid key. The request may violate Clerk's document.
func (s standIn) send(t *testing.T, method, path, body string) reply {
	t.Helper()
	return s.do(t, s.request(t, method, path, body))
}

func (s standIn) request(t *testing.T, method, path, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+clerktest.DefaultSecretKey)
	r.Header.Set("Content-Type", "application/json")
	return r
}

func (s standIn) do(t *testing.T, r *http.Request) reply {
	t.Helper()
	transport := conformanceTransport{t: t, spec: apiSpec(t), next: http.DefaultTransport, rejectionExpected: true}
	resp, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(b)}
}

// list requests a page and returns its ids.
func (s standIn) list(t *testing.T, query string) []string {
	t.Helper()
	got := s.send(t, http.MethodGet, "/users?"+query, "")
	if got.status != http.StatusOK {
		t.Fatalf("GET /users?%s: %d %s", query, got.status, got.body)
	}
	var page []clerktest.User
	decode(t, got.body, &page)
	ids := make([]string, len(page))
	for i, u := range page {
		ids[i] = u.ID
	}
	return ids
}

func decode(t *testing.T, body string, target any) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), target); err != nil {
		t.Fatalf("decoding %s: %v", body, err)
	}
}

// must returns the value of a call that cannot fail in this test.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// matches validates JSON against a schema of an OpenAPI document.
func matches(doc *openapi3.T, schema string, body []byte) error {
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		return err
	}
	return doc.Components.Schemas[schema].Value.VisitJSON(value, openapi3.MultiErrors())
}

// roundTrip sends r without validation.
func roundTrip(t *testing.T, r *http.Request) reply {
	t.Helper()
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(b)}
}

// rawJSON is an undecoded value.
type rawJSON = json.RawMessage

// listDirectly requests a page without a network.
func listDirectly(t *testing.T, handler http.Handler, query string) []string {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/users?"+query, nil)
	r.Header.Set("Authorization", "Bearer "+clerktest.DefaultSecretKey)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	var page []struct {
		ID string `json:"id"`
	}
	decode(t, w.Body.String(), &page)
	ids := make([]string, len(page))
	for i, u := range page {
		ids[i] = u.ID
	}
	return ids
}
