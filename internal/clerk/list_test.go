package clerk_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

func TestList_ScansAllUsersOldestFirst(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.Import(2*clerk.PageSize - 1) // with Jane, two pages are exactly full
	client := s.client()

	var listed []user.ID
	var pages []int
	for after := user.ID(""); ; {
		page, err := client.List(t.Context(), after)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range page.Users {
			listed = append(listed, u.ID)
		}
		pages = append(pages, page.Entries)
		if page.Entries < clerk.PageSize {
			break
		}
		after = page.Last
	}

	var want []user.ID
	for _, u := range s.Users() {
		want = append(want, user.ID(u.ID))
	}
	if diff := cmp.Diff(want, listed); diff != "" {
		t.Errorf("listed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{clerk.PageSize, clerk.PageSize, 0}, pages); diff != "" {
		t.Errorf("page sizes (-want +got):\n%s", diff)
	}
}

func TestList_SkipsInvalidEntry(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		broken string
		listed []user.ID
	}{
		"in the middle": {`"Last00001"`, []user.ID{"user_00000", "user_00002"}},
		"at the end":    {`"Last00002"`, []user.ID{"user_00000", "user_00001"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.Delete("user_jane")
			for _, number := range []string{"00000", "00001", "00002"} {
				s.SignUp(clerktest.Person{ID: "user_" + number, LastName: "Last" + number})
			}
			s.failAll(clerktest.Replaced(test.broken, "7"))
			page, err := s.client().List(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			var listed []user.ID
			for _, u := range page.Users {
				listed = append(listed, u.ID)
			}
			if diff := cmp.Diff(test.listed, listed); diff != "" {
				t.Errorf("listed (-want +got):\n%s", diff)
			}
			if page.Entries != 3 || page.Last != "user_00002" {
				t.Errorf("%d entries, last id %s; want 3, user_00002", page.Entries, page.Last)
			}
		})
	}
}

func TestList_RequiresIDOfLastEntry(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"[null]", "[7]", "[{}]", `[{"id":""}]`, `[{"id":"org_1"}]`, `[{"id":7}]`} {
		s := start(t)
		s.failAll(jsonResponse(http.StatusOK, body))
		page, err := s.client().List(t.Context(), "")
		wantKind(t, err, clerk.Unavailable)
		if diff := cmp.Diff(clerk.Page{}, page); diff != "" {
			t.Errorf("page returned with the error (-want +got):\n%s", diff)
		}
	}
}

func TestList_EmptyPage(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.Delete("user_jane")
	page, err := s.client().List(t.Context(), "")
	if err != nil || len(page.Users) != 0 || page.Entries != 0 || page.Last != "" {
		t.Errorf("List = %+v, %v; want an empty page", page, err)
	}
}

func TestList_UnknownCursorIsRejected(t *testing.T) {
	t.Parallel()
	_, err := start(t).client().List(t.Context(), "user_nobody")
	wantKind(t, err, clerk.Rejected)
}

func TestCount_ReturnsNumberOfUsers(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.Import(41)
	if got, err := s.client().Count(t.Context()); err != nil || got != 42 {
		t.Errorf("Count = %d, %v; want 42", got, err)
	}
}

func TestCount_Zero(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.Delete("user_jane")
	if got, err := s.client().Count(t.Context()); err != nil || got != 0 {
		t.Errorf("Count = %d, %v; want 0", got, err)
	}
}

func TestListAndCount_UnusableResponseIsUnavailable(t *testing.T) {
	t.Parallel()
	unusableCounts := map[string]clerktest.Response{
		"no count":  jsonResponse(http.StatusOK, `{"object":"total_count"}`),
		"null":      jsonResponse(http.StatusOK, `{"object":"total_count","total_count":null}`),
		"negative":  jsonResponse(http.StatusOK, `{"object":"total_count","total_count":-1}`),
		"string":    jsonResponse(http.StatusOK, `{"object":"total_count","total_count":"7"}`),
		"fraction":  jsonResponse(http.StatusOK, `{"object":"total_count","total_count":1.5}`),
		"no object": jsonResponse(http.StatusOK, `{"total_count":7}`),
	}
	for _, table := range []map[string]clerktest.Response{unusableResponses(), unusableCounts} {
		for name, respond := range table {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := start(t)
				s.failAll(respond)
				client := s.client()
				_, err := client.Count(t.Context())
				wantKind(t, err, clerk.Unavailable)
				if name == "200 []" {
					return // a valid empty page
				}
				_, err = client.List(t.Context(), "")
				wantKind(t, err, clerk.Unavailable)
			})
		}
	}
}
