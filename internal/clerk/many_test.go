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

// listening starts a Clerk that listens, with n users, and a way to it on which nothing waits.
func listening(t *testing.T, n int) (*clerktest.Server, *client, []user.ID) {
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

func TestAListHoldsAllWhomClerkHasAndNobodyElse(t *testing.T) {
	t.Parallel()
	_, c, everybody := listening(t, 101)
	asked := everybody[:99] // far more than Clerk lists when not told how many
	got, err := c.many(t.Context(), append(slices.Clone(asked), "user_nobody"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(asked)), slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("listed (-want +got):\n%s", diff)
	}
	for id, u := range got {
		if alone, err := c.one(t.Context(), id); err != nil || alone != u {
			t.Errorf("%s: %+v in the list, %+v alone, %v", id, u, alone, err)
		}
	}
}

func TestAnEmptyListIsAListOfNobody(t *testing.T) {
	t.Parallel()
	server, c, ids := listening(t, 2)
	server.Inject(clerktest.Fault{Respond: clerktest.EmptyList()})
	if got, err := c.many(t.Context(), ids); err != nil || len(got) != 0 {
		t.Errorf("got %v, %v; want nobody and no error", got, err)
	}
}

func TestWhatIsNoListSaysNothingOfAnybody(t *testing.T) {
	t.Parallel()
	nobody := `{"errors":[{"message":"not found","long_message":"No user was found with id user_jane","code":"resource_not_found"}]}`
	for name, test := range map[string]struct {
		respond clerktest.Response
		want    Kind
	}{
		"null":              {clerktest.OKNull(), Unavailable},
		"object":            {clerktest.OKEmptyObject(), Unavailable},
		"an envelope":       {clerktest.Answer(200, "application/json", `{"data":[],"total_count":0}`), Unavailable},
		"nothing":           {clerktest.EmptyBody(), Unavailable},
		"HTML":              {clerktest.Answer(200, "text/html", "<html>"), Unavailable},
		"half the JSON":     {clerktest.HalfJSON(), Unavailable},
		"cut off":           {clerktest.Truncated(), Unavailable},
		"no answer":         {clerktest.CloseConnection(), Unavailable},
		"502":               {clerktest.HTML502(), Unavailable},
		"404 in HTML":       {clerktest.HTML404(), Unavailable},
		"404":               {clerktest.Status(http.StatusNotFound, "resource_not_found"), Unavailable},
		"404 of one user":   {clerktest.Answer(http.StatusNotFound, "application/json", nobody), Unavailable},
		"400":               {clerktest.Status(http.StatusBadRequest, "bad_request"), Unavailable},
		"422":               {clerktest.Status(http.StatusUnprocessableEntity, "form_param_value_invalid"), Unavailable},
		"the key is wrong":  {clerktest.Status(http.StatusUnauthorized, "clerk_key_invalid"), Unauthorized},
		"too many requests": {clerktest.Throttled(7), Throttled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, c, _ := listening(t, 0)
			for _, id := range []string{"user_jane", "user_doe"} {
				server.SignUp(clerktest.Person{ID: id, Email: id + "@example.com"})
			}
			server.Inject(clerktest.Fault{Respond: test.respond})
			got, err := c.many(t.Context(), []user.ID{"user_jane", "user_doe"})
			if KindOf(err) != test.want || got != nil {
				t.Errorf("got %v, %v; want nobody and kind %q", got, err, test.want)
			}
		})
	}
}

func TestTheRefusalOfAListKeepsItsStatus(t *testing.T) {
	t.Parallel()
	server, c, ids := listening(t, 2)
	server.Inject(clerktest.Fault{Respond: clerktest.Status(http.StatusUnprocessableEntity, "form_param_duplicate")})
	_, err := c.many(t.Context(), ids)
	var failure *Error
	if !errors.As(err, &failure) || failure.Status != http.StatusUnprocessableEntity || failure.Code != "form_param_duplicate" {
		t.Errorf("got %+v, want status and code of Clerk's answer", failure)
	}
}

func TestAnEntryThatCannotBeUnderstoodAffectsItselfAlone(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]clerktest.Response{
		"a number for a name": clerktest.Replaced(`"Last00002"`, `7`),
		"a deleted user":      clerktest.Replaced(`"last_name":"Last00002"`, `"last_name":null,"email_addresses":null`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, c, ids := listening(t, 3)
			server.Inject(clerktest.Fault{Respond: broken})
			got, err := c.many(t.Context(), ids)
			if err != nil {
				t.Fatal(err)
			}
			if _, there := got[ids[1]]; len(got) != 2 || there {
				t.Errorf("listed %v, want all but %s", slices.Collect(maps.Keys(got)), ids[1])
			}
		})
	}
}

// TestAHundredCallersShareARequest goes the whole way: callers who wait, one listing, and single requests for the user
// whose entry is broken and for the one who is gone.
func TestAHundredCallersShareARequest(t *testing.T) {
	t.Parallel()
	server, c, ids := listening(t, maxInFlight+maxBatch)
	first, rest := ids[:maxInFlight], ids[maxInFlight:]
	gone := rest[7]
	server.Delete(string(gone))
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
			if id == gone && KindOf(err) != NotFound {
				t.Errorf("%s, who is gone: %+v, %v", id, u, err)
			}
			if id != gone && (err != nil || u.ID != id) {
				t.Errorf("%s: %+v, %v", id, u, err)
			}
		})
	}
	for i, id := range first { // each alone: the next one calls when the one before has been sent
		call(id)
		for len(c.batch.shared) <= i || gathering(c.batch) > 0 {
			runtime.Gosched()
		}
	}
	for _, id := range rest {
		call(id)
	}
	for gathering(c.batch) < len(rest) {
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

// gathering is how many users wait to be asked for.
func gathering(b *batch) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.order)
}
