package clerk_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

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
		_, err = client.WriteRole(t.Context(), id, user.GrantRole, own("admin"))
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
			_, written := client.WriteRole(t.Context(), s.jane, user.GrantRole, own("admin"))
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
