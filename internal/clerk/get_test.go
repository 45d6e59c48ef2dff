package clerk_test

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"strings"
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
	s.SetPublicMetadata("user_jane", clerktest.Metadata{"role": "trainer", "plan": map[string]any{"name": "gold"}})
	s.SignIn("user_jane")
	s.Update("user_jane", func(u *clerktest.User) {
		u.ExternalID, u.Username, u.Locale, u.LastSignInAt = new("42"), new("jane"), new("de-DE"), new(int64(1700000000123))
	})
	s.SetPrivateMetadata("user_jane", clerktest.Metadata{"fituser": map[string]any{
		"role": "trainer", "owner": "prod-eu", "rule": "coaches", "until": "2027-01-31T18:00:00Z",
	}})
	s.SetUnsafeMetadata("user_jane", clerktest.Metadata{"role": "admin"})
	s.AddEmail("user_jane", "jane.unverified@example.com", false)
	s.AddEmail("user_jane", "Jane@Example.org", true)
	s.Ban("user_jane")
	s.Lock("user_jane")
	s.Deprovision("user_jane")

	config := s.config()
	config.Extra = func() []user.Field { return user.Decoded(append(user.ExtraFields(), "publicMetadata.plan.name")) }
	got, err := clerk.New(config).Get(t.Context(), s.jane)
	if err != nil {
		t.Fatal(err)
	}
	stored, _ := s.User("user_jane")
	want := user.User{
		ID: "user_jane", ExternalID: "42", Email: "jane.canary@example.com", FirstName: "Janecanary", LastName: "Doecanary", Phone: "+15550177",
		Role: "trainer", HasMarker: true, Marker: user.Marker{
			Role: "trainer", Owner: "prod-eu", Rule: "coaches", Until: time.Date(2027, 1, 31, 18, 0, 0, 0, time.UTC),
		},
		RequestedRole: "admin", VerifiedEmails: []string{"jane.canary@example.com", "jane@example.org"},
		HasEmails: true, Banned: true, Locked: true, Deprovisioned: true,
		CreatedAt: time.UnixMilli(stored.CreatedAt), UpdatedAt: time.UnixMilli(stored.UpdatedAt),
		Extra: map[user.Field]string{
			user.FieldUsername: "jane", user.FieldImageURL: stored.ImageURL, user.FieldLocale: "de-DE",
			user.FieldLastSignInAt: "1700000000123", "publicMetadata.plan.name": "gold",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for field, value := range reflect.ValueOf(got).Fields() {
		if value.IsZero() {
			t.Errorf("decoding leaves user.User.%s empty, although Clerk has every field of this user", field.Name)
		}
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
	_, err = client.WriteRole(t.Context(), s.jane, user.GrantRole, own("admin"))
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
