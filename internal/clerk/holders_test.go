package clerk

import (
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

// searches are concurrent searches by address that share requests.
type searches struct {
	*clerktest.Server
	client *client
	calls  sync.WaitGroup
	queued int
	// sent is closed to let the first requests pass, for which all others wait.
	sent chan struct{}
}

// startSearches starts as many searches as there are slots. They end, and the searches that were added since are sent,
// with [searches.finish].
func startSearches(t *testing.T) *searches {
	t.Helper()
	server, c, _ := startServer(t, 0)
	s := &searches{Server: server, client: c, sent: make(chan struct{})}
	arrived := make(chan struct{})
	s.Inject(clerktest.Fault{
		Match: clerktest.On("GET", "/users"), Times: maxInFlight,
		Respond: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			arrived <- struct{}{}
			<-s.sent
			next.ServeHTTP(w, r)
		},
	})
	for i := range maxInFlight {
		s.calls.Go(func() {
			if got, err := c.FindByEmail(t.Context(), fmt.Sprintf("first%d@example.com", i)); err != nil || len(got) != 0 {
				t.Errorf("first search: %v, %v", got, err)
			}
		})
		<-arrived
	}
	return s
}

// add queues a search that must return these users, or an error of the kind.
func (s *searches) add(t *testing.T, address string, kind Kind, want ...string) {
	t.Helper()
	s.calls.Go(func() {
		got, err := s.client.FindByEmail(t.Context(), address)
		ids := make([]string, 0, len(got))
		for i, u := range got {
			ids = append(ids, string(u.ID))
			got[i] = user.User{} // must not change the result of another caller
		}
		if KindOf(err) != kind || !slices.Equal(ids, want) {
			t.Errorf("%.40s: found %v, %v; want %v and kind %q", address, ids, err, want, kind)
		}
		if err != nil && strings.Contains(err.Error(), address) {
			t.Errorf("the error contains the address: %v", err)
		}
	})
	s.queued++
}

// finish waits until the searches have ended. It returns how many requests were sent for those that were added.
func (s *searches) finish() int {
	for len(waitingKeys(s.client.byEmail)) < s.queued {
		runtime.Gosched()
	}
	close(s.sent)
	s.calls.Wait()
	return s.RequestCount("GET /users") - maxInFlight
}

// waitingKeys returns the key of each waiting caller.
func waitingKeys[K comparable, V any](b *batch[K, V]) []K {
	b.mu.Lock()
	defer b.mu.Unlock()
	var keys []K
	for key, callers := range b.waiting {
		for range callers {
			keys = append(keys, key)
		}
	}
	return keys
}

// addUsers adds a search for each of n users who exist, with two callers for the first one.
func (s *searches) addUsers(t *testing.T, n int) []string {
	t.Helper()
	ids := s.Import(n)
	for i, id := range ids {
		s.add(t, fmt.Sprintf("USER%05d@example.com", i+1), "", id)
	}
	s.add(t, "user00001@example.com", "", ids[0])
	return ids
}

func TestFindByEmail_HundredAddressesShareOneRequest(t *testing.T) {
	t.Parallel()
	s := startSearches(t)
	ids := s.addUsers(t, maxBatch-2)
	for _, id := range ids {
		s.AddEmail(id, "shared@example.org", false) // more users than addresses, and than Clerk lists without a limit
	}
	s.add(t, "shared@example.org", "", ids...)
	s.add(t, "nobody@example.com", "")
	if got := s.finish(); got != 1 {
		t.Errorf("%d requests, want 1", got)
	}
}

func TestFindByEmail_FurtherAddressesNeedAnotherRequest(t *testing.T) {
	t.Parallel()
	s := startSearches(t)
	s.addUsers(t, maxBatch+1)
	if got := s.finish(); got != 2 {
		t.Errorf("%d requests, want 2", got)
	}
}

// searchDepth is how many requests find one of maxBatch addresses by halves: two for each of seven halvings, one before
// and one after them.
const searchDepth = 1 + 2*7 + 1

func TestFindByEmail_UnusableEntryAffectsOneAddress(t *testing.T) {
	t.Parallel()
	s := startSearches(t)
	s.addUsers(t, maxBatch-1)
	s.SignUp(clerktest.Person{Email: "broken@example.com", LastName: "Broken"})
	s.add(t, "broken@example.com", Unavailable)
	s.Inject(clerktest.Fault{Match: clerktest.On("GET", "/users"), Respond: clerktest.Replaced(`"Broken"`, "7")})
	if got := s.finish(); got > searchDepth {
		t.Errorf("%d requests, want at most %d", got, searchDepth)
	}
}

func TestFindByEmail_RejectedAddressAffectsOneAddress(t *testing.T) {
	t.Parallel()
	s := startSearches(t)
	s.addUsers(t, maxBatch-1)
	s.add(t, "rejected@example.com", Rejected)
	s.Inject(clerktest.Fault{
		Match: func(r *http.Request) bool {
			return slices.Contains(r.URL.Query()["email_address"], "rejected@example.com")
		},
		Respond: clerktest.Status(http.StatusUnprocessableEntity, "form_param_format_invalid"),
	})
	if got := s.finish(); got > searchDepth {
		t.Errorf("%d requests, want at most %d", got, searchDepth)
	}
}

// An address that too many users list must not look like one that nobody has, and must not hide the others.
func TestFindByEmail_FullPageAffectsOneAddress(t *testing.T) {
	t.Parallel()
	s := startSearches(t)
	ids := s.addUsers(t, maxBatch-2)
	for _, id := range append(ids, s.Import(PageSize-len(ids))...) {
		s.AddEmail(id, "shared@example.org", false)
	}
	s.add(t, "shared@example.org", Unavailable)
	s.add(t, "nobody@example.com", "")
	if got := s.finish(); got > searchDepth {
		t.Errorf("%d requests, want at most %d", got, searchDepth)
	}
}

// Half of an answer is none.
func TestFindByEmail_FailureOfHalfIsUnavailable(t *testing.T) {
	t.Parallel()
	s := startSearches(t)
	s.SignUp(clerktest.Person{Email: "broken@example.com", LastName: "Broken"})
	for i := range maxBatch - 1 {
		s.add(t, fmt.Sprintf("nobody%d@example.com", i), Unavailable)
	}
	s.add(t, "broken@example.com", Unavailable)
	s.Inject(clerktest.Fault{
		Match: clerktest.On("GET", "/users"), Times: 2, Respond: clerktest.Replaced(`"Broken"`, "7"),
	})
	s.Inject(clerktest.Fault{Match: clerktest.On("GET", "/users"), Respond: clerktest.Empty503()})
	s.finish()
}

// Proxies refuse long URLs.
func TestFindByEmail_LongAddressesNeedMoreRequests(t *testing.T) {
	t.Parallel()
	s := startSearches(t)
	for i := range maxBatch {
		address := fmt.Sprintf("%s%03d@example.com", strings.Repeat("x", 300), i)
		s.add(t, address, "", s.SignUp(clerktest.Person{Email: address}))
	}
	var mu sync.Mutex
	longest := 0
	s.Inject(clerktest.Fault{
		Match: clerktest.On("GET", "/users"),
		Respond: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			mu.Lock()
			longest = max(longest, len(r.URL.RawQuery))
			mu.Unlock()
			next.ServeHTTP(w, r)
		},
	})
	if got := s.finish(); got < 2 || got > 10 {
		t.Errorf("%d requests, want at most 10", got)
	}
	if longest > maxQuery {
		t.Errorf("a query has %d bytes, want at most %d", longest, maxQuery)
	}
}

// A search returns all users or an error.
func FuzzDecodeHolders(f *testing.F) {
	address := func(fields string) string { return wire(`"email_addresses":[` + fields + `],`) }
	for _, seed := range []string{
		"", "null", "{}", "[]", "[null]", "[" + wire("") + "]", "[" + wire("") + ",7]",
		"[" + address(`{"email_address":"Jane@example.com","verification":{"status":"verified"}}`) + "]",
		"[" + address(`{"email_address":"jane@example.com"},{"email_address":"jane@example.com","verification":null}`) + "]",
		"[" + address(`{"email_address":"jane@example.com"}`) + "," + address(`{"email_address":"joe@example.com"}`) + "]",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		requested := []string{"jane@example.com", "joe@example.com"}
		found, err := decodeHolders(body, requested)
		if err != nil {
			if found != nil || KindOf(err) != Unavailable {
				t.Errorf("found %v with the error %v", found, err)
			}
			return
		}
		if len(found) != len(requested) {
			t.Errorf("found %v, want an entry for each address", found)
		}
		for address, users := range found {
			for _, u := range users {
				if _, err := user.ParseID(string(u.ID)); err != nil || !slices.Contains(requested, address) {
					t.Errorf("%s lists %q", u.ID, address)
				}
				if len(u.VerifiedEmails) > 0 && !strings.Contains(string(body), `"verified"`) {
					t.Errorf("%s has verified %q", u.ID, u.VerifiedEmails)
				}
			}
		}
	})
}
