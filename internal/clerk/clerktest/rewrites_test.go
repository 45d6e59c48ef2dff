package clerktest_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
)

func TestAnotherUser_ReplacesUser(t *testing.T) {
	t.Parallel()
	s := start(t, clerktest.Config{})
	ids := s.Import(2)
	s.Inject(clerktest.Fault{Match: clerktest.On("GET", "/users/*"), Respond: clerktest.AnotherUser(ids[1])})
	got, err := s.users.Get(t.Context(), ids[0])
	if err != nil || got.ID != ids[1] {
		t.Errorf("got %s, %v, want %s", got.ID, err, ids[1])
	}
}

func TestStale_ServesOldState(t *testing.T) {
	t.Parallel()
	s := start(t, clerktest.Config{})
	ids := s.Import(2)
	kept, deleted := ids[0], ids[1]
	s.SetNames(kept, "Old", "")
	remove := s.Inject(clerktest.Fault{Respond: s.Stale()})
	s.SetNames(kept, "New", "")
	s.Delete(deleted)
	s.send(t, http.MethodPost, "/users/"+kept+"/ban", "") // writes are applied
	created := s.SignUp(clerktest.Person{Email: "created@example.com"})

	status := func(id string) int { return roundTrip(t, s.request(t, http.MethodGet, "/users/"+id, "")).status }
	name := func() string {
		u, err := s.users.Get(t.Context(), kept)
		if err != nil {
			t.Fatal(err)
		}
		return *u.FirstName
	}
	if name() != "Old" || status(deleted) != 200 || status(created) != 404 {
		t.Errorf("lagging: %s, deleted %d, created %d, want Old, 200, 404", name(), status(deleted), status(created))
	}
	if diff := cmp.Diff([]string{kept, deleted}, s.list(t, "order_by=created_at")); diff != "" {
		t.Errorf("the lagging list (-want +got):\n%s", diff)
	}
	if got := s.count(t, "query=created"); got != 0 {
		t.Errorf("the lagging count includes %d new users, want 0", got)
	}
	remove()
	if name() != "New" || status(deleted) != 404 || status(created) != 200 {
		t.Errorf("caught up: %s, deleted %d, created %d, want New, 404, 200", name(), status(deleted), status(created))
	}
}

func TestResponses_Lists(t *testing.T) {
	t.Parallel()
	s := start(t, clerktest.Config{})
	ids := s.Import(6)
	inject := func(r clerktest.Response) {
		s.Inject(clerktest.Fault{Match: clerktest.On("GET", "/users"), Times: 1, Respond: r})
	}
	inject(clerktest.EmptyList())
	if got := s.list(t, ""); len(got) != 0 {
		t.Errorf("empty list = %v", got)
	}
	inject(clerktest.ShortPage(2))
	if diff := cmp.Diff(ids[:2], s.list(t, "order_by=created_at&limit=4")); diff != "" {
		t.Errorf("short page (-want +got):\n%s", diff)
	}
	for _, second := range []string{"offset=3", "starting_after=" + ids[2]} {
		inject(clerktest.RepeatedPage())
		if diff := cmp.Diff(ids[:3], s.list(t, "order_by=created_at&limit=3&"+second)); diff != "" {
			t.Errorf("page repeated for %s (-want +got):\n%s", second, diff)
		}
	}
}
