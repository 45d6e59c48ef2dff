package clerktest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
)

// This test sends GET /users/{id} with each predefined response.
func TestResponses_GetUser(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		respond     clerktest.Response
		status      int
		contentType string
		body        string // a substring
		length      int    // of the body; 0 means any
	}{
		"HTML502":        {clerktest.HTML502(), 502, "text/html; charset=UTF-8", "<h1>502", 0},
		"HTML404":        {clerktest.HTML404(), 404, "text/html; charset=UTF-8", "<!DOCTYPE", 0},
		"Empty503":       {clerktest.Empty503(), 503, "", "", 0},
		"PlainText429":   {clerktest.PlainText429("soon"), 429, "text/plain; charset=utf-8", "1015", 0},
		"ErrorsEmpty404": {clerktest.ErrorsEmpty404(), 404, "application/json", `{"errors":[]}`, 13},
		"StatusInBody":   {clerktest.StatusInBody(), 404, "application/json", `"status":200`, 0},
		"OKNull":         {clerktest.OKNull(), 200, "application/json", "null", 4},
		"OKEmptyObject":  {clerktest.OKEmptyObject(), 200, "application/json", "{}", 2},
		"EmptyBody":      {clerktest.EmptyBody(), 200, "application/json", "", 0},
		"EmptyList":      {clerktest.EmptyList(), 200, "application/json", "[]", 2},
		"HugeBody":       {clerktest.HugeBody(3 << 20), 200, "application/json", "aaa", 3 << 20},
		"Redirect":       {clerktest.Redirect("/v1/instance"), 302, "text/html; charset=utf-8", "/v1/instance", 0},
		"Replaced":       {clerktest.Replaced(`"banned":false`, `"banned":0`), 200, "application/json", `"banned":0`, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, clerktest.Config{})
			id := s.SignUp(clerktest.Person{Email: "jane@example.com"})
			s.Inject(clerktest.Fault{Respond: tt.respond})
			got := roundTrip(t, s.request(t, http.MethodGet, "/users/"+id, ""))
			contentType := got.header.Get("Content-Type")
			if got.status != tt.status || contentType != tt.contentType || !strings.Contains(got.body, tt.body) {
				t.Errorf("got %d %q %.200s", got.status, contentType, got.body)
			}
			if tt.length != 0 && len(got.body) != tt.length {
				t.Errorf("body of %d bytes, want %d", len(got.body), tt.length)
			}
		})
	}
}

func TestFault_MatchesRequests(t *testing.T) {
	t.Parallel()
	s := start(t, clerktest.Config{})
	id := s.SignUp(clerktest.Person{Email: "jane@example.com"})
	remove := s.Inject(clerktest.Fault{Match: clerktest.On("GET", "/users/*"), Respond: clerktest.Empty503()})
	s.Inject(clerktest.Fault{Match: clerktest.On("", "/users"), Times: 2, Respond: clerktest.HTML502()})

	requests := []struct {
		method, path string
		status       int
	}{
		{"GET", "/users/" + id, 503},
		{"PATCH", "/users/" + id, 200},
		{"GET", "/users/" + id, 503},
		{"GET", "/users", 502},
		{"POST", "/users", 502},
		{"GET", "/users", 200},
	}
	for _, r := range requests {
		if got := roundTrip(t, s.request(t, r.method, r.path, "{}")); got.status != r.status {
			t.Errorf("%s %s: %d, want %d", r.method, r.path, got.status, r.status)
		}
	}
	remove()
	remove()
	if got := roundTrip(t, s.request(t, "GET", "/users/"+id, "")); got.status != 200 {
		t.Errorf("after the removal: %d, want 200", got.status)
	}
	want := map[clerktest.Call]int{
		{Route: "GET /users/{id}", Code: 503}: 2, {Route: "GET /users/{id}", Code: 200}: 1,
		{Route: "PATCH /users/{id}", Code: 200}: 1, {Route: "GET /users", Code: 502}: 1,
		{Route: "POST /users", Code: 502}: 1, {Route: "GET /users", Code: 200}: 1,
	}
	if diff := cmp.Diff(want, s.Requests()); diff != "" {
		t.Errorf("requests counted (-want +got):\n%s", diff)
	}
	if got := s.RequestCount("GET /users/{id}"); got != 3 {
		t.Errorf("%d requests of one user, want 3", got)
	}
}

// A write whose response is lost is applied and recorded as a write.
func TestApplyThen_AppliesWriteWithoutResponse(t *testing.T) {
	t.Parallel()
	s := start(t, clerktest.Config{})
	id := s.SignUp(clerktest.Person{Email: "jane@example.com"})
	s.Inject(clerktest.Fault{Times: 1, Respond: clerktest.ApplyThen(clerktest.CloseConnection())})

	body := `{"public_metadata":{"role":"admin"}}`
	resp, err := http.DefaultTransport.RoundTrip(s.request(t, http.MethodPatch, "/users/"+id+"/metadata", body))
	if err == nil {
		_ = resp.Body.Close()
		t.Fatal("got a response, want none")
	}
	s.send(t, http.MethodGet, "/users/"+id, "") // not recorded as a write
	if got, _ := s.User(id); got.PublicMetadata["role"] != "admin" {
		t.Errorf("public metadata = %v, want the role", got.PublicMetadata)
	}
	writes := s.Writes()
	if len(writes) != 1 || writes[0].ID != id || writes[0].Route != "PATCH /users/{id}/metadata" ||
		writes[0].Key != clerktest.DefaultSecretKey {
		t.Errorf("writes = %+v", writes)
	}
	if got := s.Requests()[clerktest.Call{Route: "PATCH /users/{id}/metadata"}]; got != 1 {
		t.Errorf("%d requests without a response, want 1", got)
	}
	s.ResetJournal()
	if len(s.Writes()) != 0 || s.RequestCount("") != 0 {
		t.Error("the journal was not reset")
	}
}

func TestResponses_IncompleteBodies(t *testing.T) {
	t.Parallel()
	s := start(t, clerktest.Config{})
	id := s.SignUp(clerktest.Person{Email: "jane@example.com"})
	whole := roundTrip(t, s.request(t, http.MethodGet, "/users/"+id, "")).body

	s.Inject(clerktest.Fault{Times: 1, Respond: clerktest.HalfJSON()})
	if got := roundTrip(t, s.request(t, http.MethodGet, "/users/"+id, "")).body; got != whole[:len(whole)/2] {
		t.Errorf("body = %s, want the first half", got)
	}
	s.Inject(clerktest.Fault{Times: 1, Respond: clerktest.Truncated()})
	resp, err := http.DefaultTransport.RoundTrip(s.request(t, http.MethodGet, "/users/"+id, ""))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	if _, err := io.ReadAll(resp.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("reading a truncated body: %v, want an unexpected end", err)
	}
}

func TestResponses_LastUntilClientCancels(t *testing.T) {
	t.Parallel()
	tests := map[string]clerktest.Response{
		"hanging":  clerktest.Hang(),
		"dripping": clerktest.SlowDrip(time.Hour),
	}
	for name, respond := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, clerktest.Config{})
			entered := make(chan struct{})
			s.Inject(clerktest.Fault{Respond: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				close(entered)
				respond(w, r, next)
			}})
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				<-entered
				cancel()
			}()
			resp, err := http.DefaultTransport.RoundTrip(s.request(t, http.MethodGet, "/users", "").WithContext(ctx))
			if err == nil {
				_, err = io.ReadAll(resp.Body)
				_ = resp.Body.Close()
			}
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want context.Canceled", err)
			}
		})
	}
}
