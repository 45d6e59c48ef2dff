package clerk_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

func TestSetExternalID_ChangesOnlyTheExternalID(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.setMetadata(applicationMetadata())
	before, err := s.client().Get(t.Context(), s.jane)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.client().SetExternalID(t.Context(), s.jane, "-42")
	if err != nil {
		t.Fatal(err)
	}
	before.ExternalID, before.UpdatedAt = "-42", got.UpdatedAt
	if diff := cmp.Diff(before, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(asJSON(t, applicationMetadata()), asJSON(t, s.metadata())); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
}

func TestSetExternalID_Errors(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.SignUp(clerktest.Person{ID: "user_joe", Email: "joe@example.com", ExternalID: "42"})
	client := s.client()
	_, err := client.SetExternalID(t.Context(), s.jane, "42")
	wantKind(t, err, clerk.Rejected)
	if got := clerk.RefusalOf(err); got != clerk.ExternalIDTaken {
		t.Errorf("refusal %q, want %q", got, clerk.ExternalIDTaken)
	}
	_, err = client.SetExternalID(t.Context(), "user_nobody", "43")
	wantKind(t, err, clerk.NotFound)
	s.ResetJournal()
	_, err = client.SetExternalID(t.Context(), "user_jane/../x", "43")
	wantKind(t, err, clerk.Rejected)
	_, err = client.SetExternalID(t.Context(), s.jane, "")
	wantKind(t, err, clerk.Rejected)
	if got := s.Requests(); len(got) != 0 {
		t.Errorf("requests %v were sent", got)
	}
}

func TestSetExternalID_CountsAsWriteOfTheUser(t *testing.T) {
	t.Parallel()
	s := start(t)
	client := s.client()
	for i := range 5 {
		_, errRole := client.WriteRole(t.Context(), s.jane, user.GrantRole, own("admin"))
		_, errSet := client.SetExternalID(t.Context(), s.jane, fmt.Sprint(i))
		if errRole != nil || errSet != nil {
			t.Fatal(errRole, errSet)
		}
	}
	_, err := client.SetExternalID(t.Context(), s.jane, "x")
	wantKind(t, err, clerk.Throttled)
}

func TestFindByExternalID_ReturnsEachUserByExternalID(t *testing.T) {
	t.Parallel()
	s := start(t)
	odd := []string{"42", "-42", "+42", " 42", "42 ", "a&limit=1", "ü/?#%", strings.Repeat("x", 200), "A", "a"}
	want := map[string]user.ID{}
	for _, externalID := range odd {
		want[externalID] = user.ID(s.SignUp(clerktest.Person{ExternalID: externalID, Username: "u" + fmt.Sprint(len(want))}))
	}
	got, err := s.client().FindByExternalID(t.Context(), append(odd, "unknown", "-1", "+", ""))
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]user.ID{}
	for externalID, u := range got {
		ids[externalID] = u.ID
	}
	if diff := cmp.Diff(want, ids); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFindByExternalID_SplitsRequests(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		ids      int
		length   int
		requests int
	}{
		"none": {0, 1, 0}, "one": {1, 1, 1}, "100": {100, 3, 1}, "101": {101, 3, 2}, "250": {250, 3, 3},
		"long ids": {100, 200, 4}, // 7 KiB each
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			var ids []string
			for i := range test.ids {
				ids = append(ids, fmt.Sprintf("%0*d", test.length, i))
				s.SignUp(clerktest.Person{ExternalID: ids[i], Username: fmt.Sprintf("u%d", i)})
			}
			got, err := s.client().FindByExternalID(t.Context(), ids)
			if keys := slices.Sorted(maps.Keys(got)); err != nil || !slices.Equal(keys, slices.Sorted(slices.Values(ids))) {
				t.Errorf("found %d of %d, %v", len(keys), len(ids), err)
			}
			if got := s.RequestCount("GET /users"); got != test.requests {
				t.Errorf("%d requests, want %d", got, test.requests)
			}
		})
	}
}

// An unusable response is an error and not an absent user, who would be created a second time.
func TestFindByExternalID_UnusableResponseIsUnavailable(t *testing.T) {
	t.Parallel()
	responses := unusableResponses()
	delete(responses, "200 []") // a valid empty list
	responses["422"] = clerktest.Status(http.StatusUnprocessableEntity, "form_param_format_invalid")
	responses["200 with half a user"] = jsonResponse(http.StatusOK, `[{"object":"user","id":"user_joe","external_id":"42"}]`)
	for name, respond := range responses {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.failAll(respond)
			got, err := s.client().FindByExternalID(t.Context(), []string{"42"})
			wantKind(t, err, clerk.Unavailable)
			if got != nil {
				t.Errorf("got %v with the error", got)
			}
		})
	}
}
