package clerk_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

func TestGet_ReadsUser(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.SetPublicMetadata("user_jane", clerktest.Metadata{"role": "trainer"})
	s.SetPrivateMetadata("user_jane", clerktest.Metadata{"fituser": map[string]any{"role": "trainer"}})
	s.Ban("user_jane")
	s.Lock("user_jane")
	s.Deprovision("user_jane")

	got, err := s.client().Get(t.Context(), s.jane)
	if err != nil {
		t.Fatal(err)
	}
	stored, _ := s.User("user_jane")
	want := user.User{
		ID: "user_jane", Email: "jane.canary@example.com", FirstName: "Janecanary", LastName: "Doecanary", Phone: "+15550177",
		Role: "trainer", HasMarker: true, MarkerRole: "trainer", Banned: true, Locked: true, Deprovisioned: true,
		CreatedAt: time.UnixMilli(stored.CreatedAt), UpdatedAt: time.UnixMilli(stored.UpdatedAt),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestGet_UserWithoutProfile(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.SignUp(clerktest.Person{Username: "nobody"})
	got, err := s.client().Get(t.Context(), user.ID(id))
	if err != nil {
		t.Fatal(err)
	}
	want := user.User{ID: user.ID(id), CreatedAt: got.CreatedAt, UpdatedAt: got.UpdatedAt}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestClient_NotFoundForDeletedUser(t *testing.T) {
	t.Parallel()
	s := start(t)
	client := s.client()
	s.Delete("user_jane")
	_, err := client.Get(t.Context(), s.jane)
	wantKind(t, err, clerk.NotFound)
	_, err = client.WriteRole(t.Context(), s.jane, user.GrantRole, user.Admin)
	wantKind(t, err, clerk.NotFound)
}

func TestClient_NotFoundDespiteStatusInBody(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.failAll(jsonResponse(http.StatusNotFound, `{"status":200,"errors":[{"message":"not found",`+
		`"long_message":"No user was found with id user_jane.","code":"resource_not_found"}],"clerk_trace_id":null}`))
	_, err := s.client().Get(t.Context(), s.jane)
	wantKind(t, err, clerk.NotFound)
	var failure *clerk.Error
	if !errors.As(err, &failure) || failure.Status != http.StatusNotFound {
		t.Errorf("got %+v, want status 404", failure)
	}
}

func TestClient_WrongBaseURLIsNotNotFound(t *testing.T) {
	t.Parallel()
	for name, base := range map[string]func(url string) string{
		"without the version": func(url string) string { return strings.TrimSuffix(url, "/v1") },
		"another version":     func(url string) string { return strings.TrimSuffix(url, "1") + "2" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			config := s.config()
			config.URL = base(s.url)
			_, err := clerk.New(config).Get(t.Context(), s.jane)
			wantKind(t, err, clerk.Unavailable)
			if !strings.Contains(err.Error(), "CLERK_API_URL") {
				t.Errorf("the error does not name the setting: %v", err)
			}
		})
	}
}

func TestClient_BaseURLWithTrailingSlash(t *testing.T) {
	t.Parallel()
	s := start(t)
	config := s.config()
	config.URL += "/"
	if _, err := clerk.New(config).Get(t.Context(), s.jane); err != nil {
		t.Error(err)
	}
}

func TestClient_DefaultTimeout(t *testing.T) {
	t.Parallel()
	s := start(t)
	config := s.config()
	config.Timeout = 0
	if _, err := clerk.New(config).Get(t.Context(), s.jane); err != nil {
		t.Error(err)
	}
}

func TestClient_RejectsInvalidIDsLocally(t *testing.T) {
	t.Parallel()
	s := start(t)
	client := s.client()
	for _, id := range []user.ID{
		"", ".", "..", "user_", "user_x/../../organizations", "user_x?y", "user_x#frag", "user_x%2f..", "user_x\r\nX: y",
		"../instance", "user_jane/metadata", "user_jane ", user.ID("user_" + strings.Repeat("x", 1000)),
	} {
		_, err := client.Get(t.Context(), id)
		wantKind(t, err, clerk.Rejected)
		if !errors.Is(err, user.ErrInvalidID) {
			t.Errorf("Get(%q): %v, want ErrInvalidID", id, err)
		}
		_, err = client.WriteRole(t.Context(), id, user.GrantRole, user.Admin)
		wantKind(t, err, clerk.Rejected)
		if !errors.Is(err, user.ErrInvalidID) {
			t.Errorf("WriteRole(%q): %v, want ErrInvalidID", id, err)
		}
	}
	if got := s.Requests(); len(got) != 0 {
		t.Errorf("requests %v were sent", got)
	}
}

func TestInstance_ReturnsID(t *testing.T) {
	t.Parallel()
	got, err := start(t).client().Instance(t.Context())
	if err != nil || got != clerktest.DefaultInstanceID {
		t.Errorf("Instance = %q, %v; want %q", got, err, clerktest.DefaultInstanceID)
	}
}

func TestInstance_RequiresID(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{"object":"instance"}`, `{"object":"instance","id":""}`, `{"object":"instance","id":7}`,
		`{"object":"user","id":"user_jane"}`, `{"object":"instance","id":"` + personalText + `"}`,
	} {
		s := start(t)
		s.failAll(jsonResponse(http.StatusOK, body))
		_, err := s.client().Instance(t.Context())
		wantKind(t, err, clerk.Unavailable)
	}
}

func TestClient_UsesRotatedKey(t *testing.T) {
	t.Parallel()
	s := start(t)
	var key atomic.Value
	key.Store("sk_test_canary")
	config := s.config()
	config.Key = func() string { return key.Load().(string) }
	client := clerk.New(config)
	if _, err := client.Get(t.Context(), s.jane); err != nil {
		t.Fatal(err)
	}

	s.SetSecretKeys("sk_test_canary_2")
	_, err := client.Get(t.Context(), s.jane)
	wantKind(t, err, clerk.Unauthorized)

	key.Store("sk_test_canary_2")
	if _, err := client.Get(t.Context(), s.jane); err != nil {
		t.Errorf("with the new key: %v", err)
	}
}

func TestClient_ErrorDoesNotQuoteMalformedKey(t *testing.T) {
	t.Parallel()
	s := start(t)
	config := s.config()
	config.Key = func() string { return "sk_test_canary\n" }
	_, err := clerk.New(config).Get(t.Context(), s.jane)
	wantKind(t, err, clerk.Unavailable)
}

func TestClient_TooManyRequestsPausesAllCalls(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		respond  clerktest.Response
		min, max time.Duration
	}{
		"from Clerk":          {clerktest.Throttled(300), 4 * time.Minute, 5 * time.Minute},
		"plain text":          {clerktest.PlainText429("300"), 4 * time.Minute, 5 * time.Minute},
		"invalid Retry-After": {clerktest.PlainText429("soon"), 0, 10 * time.Second},
		"no Retry-After":      {clerktest.PlainText429(""), 0, 10 * time.Second},
		"next century":        {clerktest.PlainText429("Fri, 01 Jan 2100 00:00:00 GMT"), 14 * time.Minute, 15 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.Inject(clerktest.Fault{Times: 1, Respond: test.respond})
			client := s.client()
			_, first := client.Get(t.Context(), s.jane)
			_, read := client.Get(t.Context(), s.jane)
			_, written := client.WriteRole(t.Context(), s.jane, user.GrantRole, user.Admin)
			_, instance := client.Instance(t.Context())
			for _, err := range []error{first, read, written, instance} {
				wantKind(t, err, clerk.Throttled)
				if wait := clerk.RetryAfter(err); wait <= test.min || wait > test.max {
					t.Errorf("retry after %s, want more than %s and at most %s: %v", wait, test.min, test.max, err)
				}
			}
			if got := s.RequestCount(""); got != 1 {
				t.Errorf("%d requests were sent, want only the throttled one", got)
			}
		})
	}
}

func TestClient_OtherErrorsDoNotPause(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.Inject(clerktest.Fault{Times: 1, Respond: clerktest.Empty503()})
	client := s.client()
	_, err := client.Get(t.Context(), s.jane)
	wantKind(t, err, clerk.Unavailable)
	if wait := clerk.RetryAfter(err); wait != 0 {
		t.Errorf("retry after %s, want 0", wait)
	}
	if _, err := client.Get(t.Context(), s.jane); err != nil {
		t.Errorf("after the fault: %v", err)
	}
}

func TestGet_CancelledCallerReturnsAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t)
	respond, arrived, release := blockedResponse()
	s.failAll(respond)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	_, err := s.client().Get(ctx, s.jane)
	wantKind(t, err, clerk.Unavailable)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled as the cause", err)
	}
	release()
}

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

func TestCheckURL(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"https://api.clerk.com/v1", "https://api.clerk.com/v1/", "http://127.0.0.1:8080/v1"} {
		if err := clerk.CheckURL(good); err != nil {
			t.Errorf("CheckURL(%q): %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "api.clerk.com/v1", "ftp://api.clerk.com/v1", "https://", "https:///v1", "https://:443/v1",
		"https://sk_test_canary@api.clerk.com/v1", "https://api.clerk.com/v1?key=sk_test_canary",
		"https://api.clerk.com/v1?", "https://api.clerk.com/v1#x", "https://api.clerk.com/v1#", "https://a b/v1",
		"https://api.clerk.com/%zz", "sqlite:/tmp/db",
	} {
		err := clerk.CheckURL(bad)
		if err == nil {
			t.Errorf("CheckURL(%q): no error", bad)
		} else if strings.Contains(err.Error(), "sk_test_canary") {
			t.Errorf("the error quotes the address: %v", err)
		}
	}
}
