package clerk

import (
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

// startServer starts a stand-in for Clerk with n users, and a client whose budget and timeout never delay a test.
func startServer(t *testing.T, n int) (*clerktest.Server, *client, []user.ID) {
	t.Helper()
	server := clerktest.NewServer(clerktest.Config{})
	api := httptest.NewServer(server)
	t.Cleanup(api.Close)
	c := New(Config{
		URL: api.URL + "/v1", Key: func() string { return clerktest.DefaultSecretKey }, RequestsPerSecond: 10_000,
		Timeout: time.Hour,
	}).(*client)
	var ids []user.ID
	for _, id := range server.Import(n) {
		ids = append(ids, user.ID(id))
	}
	return server, c, ids
}

func TestReadUsers_ReturnsExistingUsers(t *testing.T) {
	t.Parallel()
	_, c, ids := startServer(t, 101)
	requested := ids[:99] // more than Clerk lists without a limit
	got, err := c.readUsers(t.Context(), append(slices.Clone(requested), "user_nobody"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(requested)), slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("listed (-want +got):\n%s", diff)
	}
	for id, u := range got {
		single, err := c.readUser(t.Context(), id)
		if diff := cmp.Diff(u, single); err != nil || diff != "" {
			t.Errorf("%s: %v; in the list and by id (-want +got):\n%s", id, err, diff)
		}
	}
}

func TestReadUsers_EmptyList(t *testing.T) {
	t.Parallel()
	server, c, ids := startServer(t, 2)
	server.Inject(clerktest.Fault{Respond: clerktest.EmptyList()})
	if got, err := c.readUsers(t.Context(), ids); err != nil || len(got) != 0 {
		t.Errorf("got %v, %v; want no users and no error", got, err)
	}
}

func TestReadUsers_ClassifiesErrors(t *testing.T) {
	t.Parallel()
	userNotFound := `{"errors":[{"message":"not found","long_message":"No user was found with id user_jane","code":"resource_not_found"}]}`
	for name, test := range map[string]struct {
		respond clerktest.Response
		want    Kind
	}{
		"null":              {clerktest.OKNull(), Unavailable},
		"object":            {clerktest.OKEmptyObject(), Unavailable},
		"envelope":          {clerktest.Static(200, "application/json", `{"data":[],"total_count":0}`), Unavailable},
		"empty body":        {clerktest.EmptyBody(), Unavailable},
		"HTML":              {clerktest.Static(200, "text/html", "<html>"), Unavailable},
		"half the JSON":     {clerktest.HalfJSON(), Unavailable},
		"truncated":         {clerktest.Truncated(), Unavailable},
		"no response":       {clerktest.CloseConnection(), Unavailable},
		"502":               {clerktest.HTML502(), Unavailable},
		"404 in HTML":       {clerktest.HTML404(), Unavailable},
		"404":               {clerktest.Status(http.StatusNotFound, "resource_not_found"), Unavailable},
		"404 of one user":   {clerktest.Static(http.StatusNotFound, "application/json", userNotFound), Unavailable},
		"400":               {clerktest.Status(http.StatusBadRequest, "bad_request"), Unavailable},
		"422":               {clerktest.Status(http.StatusUnprocessableEntity, "form_param_value_invalid"), Unavailable},
		"wrong key":         {clerktest.Status(http.StatusUnauthorized, "clerk_key_invalid"), Unauthorized},
		"too many requests": {clerktest.Throttled(7), Throttled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, c, _ := startServer(t, 0)
			for _, id := range []string{"user_jane", "user_doe"} {
				server.SignUp(clerktest.Person{ID: id, Email: id + "@example.com"})
			}
			server.Inject(clerktest.Fault{Respond: test.respond})
			got, err := c.readUsers(t.Context(), []user.ID{"user_jane", "user_doe"})
			if KindOf(err) != test.want || got != nil {
				t.Errorf("got %v, %v; want no users and kind %q", got, err, test.want)
			}
		})
	}
}

func TestReadUsers_RejectionKeepsStatus(t *testing.T) {
	t.Parallel()
	server, c, ids := startServer(t, 2)
	server.Inject(clerktest.Fault{Respond: clerktest.Status(http.StatusUnprocessableEntity, "form_param_duplicate")})
	_, err := c.readUsers(t.Context(), ids)
	var failure *Error
	if !errors.As(err, &failure) || failure.Status != http.StatusUnprocessableEntity || failure.Code != "form_param_duplicate" {
		t.Errorf("got %+v, want status and code of Clerk's response", failure)
	}
}

func TestReadUsers_OmitsInvalidEntry(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]clerktest.Response{
		"number as name": clerktest.Replaced(`"Last00002"`, `7`),
		"deleted user":   clerktest.Replaced(`"last_name":"Last00002"`, `"last_name":null,"email_addresses":null`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, c, ids := startServer(t, 3)
			server.Inject(clerktest.Fault{Respond: broken})
			got, err := c.readUsers(t.Context(), ids)
			if err != nil {
				t.Fatal(err)
			}
			if _, found := got[ids[1]]; len(got) != 2 || found {
				t.Errorf("listed %v, want all but %s", slices.Collect(maps.Keys(got)), ids[1])
			}
		})
	}
}

// TestGet_HundredCallersShareOneRequest covers the whole path: queued callers, one list request, and single requests for
// the user whose entry is invalid and for the deleted user.
func TestGet_HundredCallersShareOneRequest(t *testing.T) {
	t.Parallel()
	server, c, ids := startServer(t, maxInFlight+maxBatch)
	first, rest := ids[:maxInFlight], ids[maxInFlight:]
	deleted := rest[7]
	server.Delete(string(deleted))
	released := make(chan struct{})
	server.Inject(clerktest.Fault{
		Match: clerktest.On("GET", "/users/*"), Times: maxInFlight,
		Respond: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			<-released
			next.ServeHTTP(w, r)
		},
	})
	server.Inject(clerktest.Fault{
		Match: clerktest.On("GET", "/users"), Respond: clerktest.Replaced(`"Last00050"`, `7`),
	})

	var calls sync.WaitGroup
	call := func(id user.ID) {
		calls.Go(func() {
			u, err := c.Get(t.Context(), id)
			if id == deleted && KindOf(err) != NotFound {
				t.Errorf("%s, deleted in Clerk: %+v, %v", id, u, err)
			}
			if id != deleted && (err != nil || u.ID != id) {
				t.Errorf("%s: %+v, %v", id, u, err)
			}
		})
	}
	for i, id := range first { // one request each: the next call starts after the previous request was sent
		call(id)
		for len(c.byID.batchSlots) <= i || queueLength(c.byID) > 0 {
			runtime.Gosched()
		}
	}
	for _, id := range rest {
		call(id)
	}
	for queueLength(c.byID) < len(rest) {
		runtime.Gosched()
	}
	close(released)
	calls.Wait()

	want := map[clerktest.Call]int{
		{Route: "GET /users", Code: http.StatusOK}:            1,
		{Route: "GET /users/{id}", Code: http.StatusOK}:       maxInFlight + 1,
		{Route: "GET /users/{id}", Code: http.StatusNotFound}: 1,
	}
	if diff := cmp.Diff(want, server.Requests()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// queueLength returns the number of queued keys.
func queueLength[K comparable, V any](b *batch[K, V]) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.queue)
}
