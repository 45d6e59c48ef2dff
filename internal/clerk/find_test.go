package clerk_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

func idsOf(users []user.User) []user.ID {
	ids := make([]user.ID, 0, len(users))
	for _, u := range users {
		ids = append(ids, u.ID)
	}
	return ids
}

func TestFindByEmail_ReturnsUsersWhoListTheAddress(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.Import(20)
	s.AddEmail("user_jane", "jane@Example.org", true)
	s.AddEmail("user_jane", "shared@example.org", false)
	s.SignUp(clerktest.Person{ID: "user_joe", Email: "joe@example.com", UnverifiedEmails: []string{"Shared@example.org"}})
	s.SignUp(clerktest.Person{ID: "user_zoe", Email: "zoe@example.com", VerifiedEmails: []string{"shared@example.org"}})
	for address, want := range map[string][]user.ID{
		"jane.canary@example.com": {s.jane},
		"JANE.Canary@example.com": {s.jane},
		"JANE@example.org":        {s.jane},
		"shared@example.org":      {"user_jane", "user_joe", "user_zoe"}, // verified or not, oldest first
		"nobody@example.com":      {},
		"a&limit=500@example.com": {},
		"+jane@example.com":       {},
		"user000@example.com":     {},
	} {
		got, err := s.client().FindByEmail(t.Context(), address)
		if diff := cmp.Diff(want, idsOf(got)); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", address, err, diff)
		}
		for _, u := range got {
			byID, err := s.client().Get(t.Context(), u.ID)
			if diff := cmp.Diff(byID, u); err != nil || diff != "" {
				t.Errorf("%s: %v; by id and by address (-want +got):\n%s", address, err, diff)
			}
			if holds := strings.HasPrefix(address, "shared") == (u.ID == "user_zoe"); u.Holds(address) != holds {
				t.Errorf("%s holds %s: %v, want %v", u.ID, address, u.Holds(address), holds)
			}
		}
	}
}

func TestFindByEmail_RejectsEmptyAddressLocally(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, address := range []string{"", " \n"} {
		_, err := s.client().FindByEmail(t.Context(), address)
		wantKind(t, err, clerk.Rejected)
	}
	if got := s.Requests(); len(got) != 0 {
		t.Errorf("requests %v were sent", got)
	}
}

// An unusable response is an error and not an empty result. The error does not quote the address.
func TestFindByEmail_UnusableResponseIsUnavailable(t *testing.T) {
	t.Parallel()
	for name, respond := range unusableResponses() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "200 []" {
				return // a valid empty list
			}
			s := start(t)
			s.failAll(respond)
			got, err := s.client().FindByEmail(t.Context(), "jane.canary@example.com")
			wantKind(t, err, clerk.Unavailable)
			if got != nil {
				t.Errorf("got %v with the error", got)
			}
		})
	}
}

// The unusable user may be the one who has the address.
func TestFindByEmail_UnusableUserIsUnavailable(t *testing.T) {
	t.Parallel()
	for name, respond := range unusableUsers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "200 with another user" || name == "200 with an upper-case id" {
				return // usable: the response decides which user has the address
			}
			s := start(t)
			s.failAll(respond)
			_, err := s.client().FindByEmail(t.Context(), "jane.canary@example.com")
			wantKind(t, err, clerk.Unavailable)
		})
	}
}

func TestFindByEmail_RejectionKeepsStatus(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.failAll(clerktest.Status(http.StatusUnprocessableEntity, "form_param_format_invalid"))
	_, err := s.client().FindByEmail(t.Context(), "jane.canary@example.com")
	wantKind(t, err, clerk.Rejected)
	var failure *clerk.Error
	if !errors.As(err, &failure) || failure.Status != http.StatusUnprocessableEntity {
		t.Errorf("got %+v, want status 422", failure)
	}
}

// Clerk lists 500 users at most. The holder may be another one.
func TestFindByEmail_FullPageIsUnavailable(t *testing.T) {
	t.Parallel()
	s := start(t)
	ids := s.Import(clerk.PageSize)
	for _, id := range ids[1:] {
		s.AddEmail(id, "shared@example.org", false)
	}
	client := s.client()
	got, err := client.FindByEmail(t.Context(), "shared@example.org")
	if err != nil || len(got) != clerk.PageSize-1 {
		t.Errorf("found %d users, %v; want %d", len(got), err, clerk.PageSize-1)
	}
	s.AddEmail(ids[0], "shared@example.org", false)
	_, err = client.FindByEmail(t.Context(), "shared@example.org")
	wantKind(t, err, clerk.Unavailable)
}
