package clerktest_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"

	"github.com/clerk/clerk-sdk-go/v2"
	"github.com/clerk/clerk-sdk-go/v2/user"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
)

func TestSDK_ReadsUser(t *testing.T) {
	t.Parallel()
	s := start(t, clerktest.Config{})
	id := s.SignUp(clerktest.Person{
		Email: "jane@example.com", FirstName: "Jane", Phone: "+15550100",
		PublicMetadata: clerktest.Metadata{"role": "trainer"},
	})

	got, err := s.users.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != id || *got.FirstName != "Jane" || got.LastName != nil {
		t.Errorf("got %s %v %v, want %s Jane and no last name", got.ID, *got.FirstName, got.LastName, id)
	}
	email := got.EmailAddresses[0]
	if email.EmailAddress != "jane@example.com" || *got.PrimaryEmailAddressID != email.ID {
		t.Errorf("primary e-mail %+v, want jane@example.com", email)
	}
	if string(got.PublicMetadata) != `{"role":"trainer"}` {
		t.Errorf("public metadata = %s", got.PublicMetadata)
	}
}

func TestSDK_ListsAndCounts(t *testing.T) {
	t.Parallel()
	s := start(t, clerktest.Config{})
	s.Import(12)

	got, err := s.users.List(t.Context(), &user.ListParams{})
	if err != nil {
		t.Fatal(err)
	}
	if got.TotalCount != 12 || len(got.Users) != 10 {
		t.Errorf("got %d of %d users, want 10 of 12", len(got.Users), got.TotalCount)
	}
}

func TestSDK_CreatesUpdatesAndDeletes(t *testing.T) {
	t.Parallel()
	s := start(t, clerktest.Config{})
	ctx := t.Context()

	created, err := s.users.Create(ctx, &user.CreateParams{
		EmailAddresses: &[]string{"jane@example.com"}, FirstName: new("Jane"), SkipPasswordRequirement: new(true),
	})
	if err != nil {
		t.Fatal(err)
	}
	updated, err := s.users.Update(ctx, created.ID, &user.UpdateParams{LastName: new("Doe")})
	if err != nil {
		t.Fatal(err)
	}
	if *updated.FirstName != "Jane" || *updated.LastName != "Doe" || updated.UpdatedAt <= created.UpdatedAt {
		t.Errorf("after the update: %+v", updated)
	}
	role := json.RawMessage(`{"role":"admin"}`)
	merged, err := s.users.UpdateMetadata(ctx, created.ID, &user.UpdateMetadataParams{PublicMetadata: &role})
	if err != nil {
		t.Fatal(err)
	}
	if string(merged.PublicMetadata) != string(role) {
		t.Errorf("public metadata = %s, want %s", merged.PublicMetadata, role)
	}
	deleted, err := s.users.Delete(ctx, created.ID)
	if err != nil {
		t.Fatal(err)
	}
	if deleted.ID != created.ID || !deleted.Deleted || deleted.Object != "user" {
		t.Errorf("response to the deletion: %+v", deleted)
	}
	_, err = s.users.Delete(ctx, created.ID)
	wantError(t, err, http.StatusNotFound, "resource_not_found")
}

// The Go SDK cannot send null; it removes a username with "".
func TestSDK_RemovesUsername(t *testing.T) {
	t.Parallel()
	s := start(t, clerktest.Config{})
	id := s.SignUp(clerktest.Person{Username: "jane", FirstName: "Jane"})
	got, err := s.users.Update(t.Context(), id, &user.UpdateParams{Username: new(""), FirstName: new("")})
	if err != nil {
		t.Fatal(err)
	}
	if got.Username != nil || got.FirstName == nil || *got.FirstName != "" {
		t.Errorf("username %v and first name %v, want null and an empty string", got.Username, got.FirstName)
	}
}

func TestSDK_ReceivesErrors(t *testing.T) {
	t.Parallel()
	s := start(t, clerktest.Config{})
	s.SignUp(clerktest.Person{Email: "jane@example.com"})
	ctx := t.Context()

	_, err := s.users.Get(ctx, "user_nobody")
	wantError(t, err, http.StatusNotFound, "resource_not_found")
	if want := "No user was found with id user_nobody"; apiError(t, err).Errors[0].LongMessage != want {
		t.Errorf("long message = %q, want %q", apiError(t, err).Errors[0].LongMessage, want)
	}

	_, err = newSDK(t, s.url, "sk_test_other").Get(ctx, "user_nobody")
	wantError(t, err, http.StatusUnauthorized, "clerk_key_invalid")

	_, err = s.users.Create(ctx, &user.CreateParams{EmailAddresses: &[]string{"JANE@example.com"}})
	wantError(t, err, http.StatusUnprocessableEntity, "form_identifier_exists")

	s.Inject(clerktest.Fault{Times: 1, Respond: clerktest.Throttled(7)})
	_, err = s.users.Get(ctx, "user_nobody")
	wantError(t, err, http.StatusTooManyRequests, "too_many_requests")
	if got := apiError(t, err).Response.Header.Get("Retry-After"); got != "7" {
		t.Errorf("Retry-After = %q, want 7", got)
	}
}

func TestSetSecretKeys_Rotation(t *testing.T) {
	t.Parallel()
	s := start(t, clerktest.Config{SecretKeys: []string{"sk_test_old", "sk_test_new"}})
	id := s.SignUp(clerktest.Person{Email: "jane@example.com"})
	renewed := newSDK(t, s.url, "sk_test_new")
	if _, err := renewed.Get(t.Context(), id); err != nil {
		t.Errorf("second key during the rotation: %v", err)
	}

	s.SetSecretKeys("sk_test_new")
	_, err := s.users.Get(t.Context(), id)
	wantError(t, err, http.StatusUnauthorized, "clerk_key_invalid")
	if _, err := renewed.Get(t.Context(), id); err != nil {
		t.Errorf("new key after the rotation: %v", err)
	}
}

func wantError(t *testing.T, err error, status int, code string) {
	t.Helper()
	e := apiError(t, err)
	if e.Response.StatusCode != status || e.Errors[0].Code != code {
		t.Errorf("got %d %s, want %d %s", e.Response.StatusCode, e.Errors[0].Code, status, code)
	}
	if e.TraceID == "" {
		t.Error("the error has no trace id")
	}
}

func apiError(t *testing.T, err error) *clerk.APIErrorResponse {
	t.Helper()
	var e *clerk.APIErrorResponse
	if !errors.As(err, &e) || len(e.Errors) == 0 {
		t.Fatalf("got %v, want an error from Clerk's API", err)
	}
	return e
}
