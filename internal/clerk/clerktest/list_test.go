package clerktest_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
)

func TestListUsers_DefaultsToTenNewestFirst(t *testing.T) {
	t.Parallel()
	s := start(t, clerktest.Config{})
	ids := s.Import(15)
	slices.Reverse(ids)
	if diff := cmp.Diff(ids[:10], s.list(t, "")); diff != "" {
		t.Errorf("first page (-want +got):\n%s", diff)
	}
}

func TestListUsers_Orders(t *testing.T) {
	t.Parallel()
	clk := newClock()
	s := start(t, clerktest.Config{Now: clk.now})
	signUp := func(p clerktest.Person) string {
		clk.advance(time.Minute)
		return s.SignUp(p)
	}
	a := signUp(clerktest.Person{Email: "c@example.com", FirstName: "B", LastName: "X", Phone: "+15550103", Username: "b"})
	b := signUp(clerktest.Person{Email: "a@example.com", FirstName: "C", LastName: "Y", Phone: "+15550101", Username: "c"})
	c := signUp(clerktest.Person{Email: "b@example.com", FirstName: "A", LastName: "Z", Phone: "+15550102", Username: "a"})
	clk.advance(time.Minute)
	s.SignIn(b)
	clk.advance(time.Minute)
	s.SignIn(a)

	tests := map[string][]string{
		"":                                         {c, b, a},
		"order_by=-created_at":                     {c, b, a},
		"order_by=created_at":                      {a, b, c},
		"order_by=%2Bcreated_at":                   {a, b, c},
		"order_by=+created_at":                     {a, b, c}, // an unescaped plus sign
		"order_by=updated_at":                      {c, b, a},
		"order_by=-email_address":                  {a, c, b},
		"order_by=first_name":                      {c, a, b},
		"order_by=last_name":                       {a, b, c},
		"order_by=phone_number":                    {b, c, a},
		"order_by=username":                        {c, a, b},
		"order_by=-last_sign_in_at":                {a, b, c},
		"order_by=last_active_at":                  {c, b, a},
		"order_by=web3wallet":                      {a, b, c},
		"order_by=email_address&order_by=username": {b, c, a}, // the first applies
	}
	for query, want := range tests {
		if diff := cmp.Diff(want, s.list(t, query)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
}

func TestListUsers_Filters(t *testing.T) {
	t.Parallel()
	clk := newClock()
	s := start(t, clerktest.Config{Now: clk.now})
	a := s.SignUp(clerktest.Person{Email: "ann@example.com", FirstName: "Ann", Phone: "+15550101", ExternalID: "1"})
	clk.advance(time.Hour)
	noon := clk.now().UnixMilli()
	b := s.SignUp(clerktest.Person{Email: "bob@example.org", LastName: "Builder", Username: "bobby", ExternalID: "2"})
	s.SignIn(b)
	s.Ban(b)
	s.AddEmail(a, "Shared@example.net", false)
	s.AddEmail(b, "shared@example.net", true)
	both := []string{b, a}

	tests := map[string][]string{
		"user_id=" + a:                                                   both[1:],
		"user_id=" + a + "&user_id=" + b:                                 both,
		"user_id=%2B" + a + "&user_id=user_nobody":                       {a},
		"user_id=-" + a:                                                  {b},
		"user_id=" + a + "&user_id=-" + a:                                {},
		"external_id=2":                                                  {b},
		"external_id=-2":                                                 {a},
		"email_address=ANN@example.com":                                  {a},
		"email_address=ann@example.com&user_id=" + b:                     {},
		"email_address=shared@example.net":                               both, // verified or not
		"email_address=SHARED@example.net&user_id=" + a:                  {a},
		"email_address=Bob@example.org&email_address=ann@example.COM":    both,
		"email_address=bob@example.org&email_address=nobody@example.com": {b},
		"email_address=bob@example.org&email_address=SHARED@example.net": both, // each user once
		"email_address=example.org":                                      {},
		"email_address=":                                                 {},
		"phone_number=%2B15550101":                                       {a},
		"username=bobby":                                                 {b},
		"web3_wallet=0x0":                                                {},
		"organization_id=org_1":                                          {},
		"organization_id=-org_1":                                         both,
		"provider=oauth_google&provider_user_id=1":                       {},
		"query=BUILD":                                                    {b},
		"query=" + a[5:]:                                                 {a},
		"email_address_query=EXAMPLE.org":                                {b},
		"phone_number_query=555":                                         {a},
		"username_query=obb":                                             {b},
		"name_query=ann":                                                 {a},
		"banned=true":                                                    {b},
		"banned=false":                                                   {a},
		fmt.Sprintf("created_at_before=%d", noon):                        {a},
		fmt.Sprintf("created_at_after=%d", noon-1):                       {b},
		fmt.Sprintf("last_active_at_since=%d", 0):                        {b},
		fmt.Sprintf("last_sign_in_at_before=%d", noon):                   {},
		"something_unknown=1":                                            both,
	}
	for query, want := range tests {
		if diff := cmp.Diff(want, s.list(t, query)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
		if got := s.count(t, query+"&limit=1&offset=1&order_by=nonsense"); got != len(want) {
			t.Errorf("count of %s = %d, want %d", query, got, len(want))
		}
	}
}

func (s standIn) count(t *testing.T, query string) int {
	t.Helper()
	var body struct {
		Object     string `json:"object"`
		TotalCount int    `json:"total_count"`
	}
	decode(t, s.send(t, "GET", "/users/count?"+query, "").body, &body)
	if body.Object != "total_count" {
		t.Errorf("object = %q", body.Object)
	}
	return body.TotalCount
}

func TestListUsers_IDsNeedLimit(t *testing.T) {
	t.Parallel()
	s := start(t, clerktest.Config{})
	query := url.Values{"user_id": s.Import(100)}.Encode()
	if got := len(s.list(t, query)); got != 10 {
		t.Errorf("without a limit: %d users, want 10", got)
	}
	if got := len(s.list(t, query+"&limit=100")); got != 100 {
		t.Errorf("with a limit: %d users, want 100", got)
	}
}

// The effect of changes during a scan depends on the kind of paging; this test shows the failures of each kind.
func TestListUsers_PagingDuringChanges(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		query  string
		cursor bool
		change func(s standIn, ids []string)
		want   string // the users seen, by their position in order of creation
	}{
		"offset, newest first, sign-up repeats a user": {
			change: func(s standIn, _ []string) { s.SignUp(clerktest.Person{Email: "new@example.com"}) },
			want:   "5 4 4 3 2 1 0",
		},
		"offset, newest first, deletion skips a user": {
			change: func(s standIn, ids []string) { s.Delete(ids[5]) },
			want:   "5 4 2 1 0",
		},
		"offset, oldest first, sign-up is included": {
			query:  "order_by=%2Bcreated_at&",
			change: func(s standIn, _ []string) { s.SignUp(clerktest.Person{Email: "new@example.com"}) },
			want:   "0 1 2 3 4 5 new",
		},
		"cursor, deletion of a listed user is harmless": {
			query: "order_by=%2Bcreated_at&", cursor: true,
			change: func(s standIn, ids []string) { s.Delete(ids[0]) },
			want:   "0 1 2 3 4 5",
		},
		"cursor, newest first, sign-up is harmless": {
			cursor: true,
			change: func(s standIn, _ []string) { s.SignUp(clerktest.Person{Email: "new@example.com"}) },
			want:   "5 4 3 2 1 0",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clk := newClock()
			s := start(t, clerktest.Config{Now: clk.now})
			ids := s.Import(6)
			clk.advance(time.Minute)
			seen := s.list(t, tt.query+"limit=2")
			tt.change(s, ids)
			for {
				next := fmt.Sprintf("offset=%d", len(seen))
				if tt.cursor {
					next = "starting_after=" + seen[len(seen)-1]
				}
				page := s.list(t, tt.query+"limit=2&"+next)
				seen = append(seen, page...)
				if len(page) < 2 {
					break
				}
			}
			if got := positions(seen, ids); got != tt.want {
				t.Errorf("saw %s, want %s", got, tt.want)
			}
		})
	}
}

func positions(seen, ids []string) string {
	names := make([]string, len(seen))
	for i, id := range seen {
		names[i] = "new"
		if n := slices.Index(ids, id); n >= 0 {
			names[i] = fmt.Sprint(n)
		}
	}
	return strings.Join(names, " ")
}

func TestListUsers_LargeInstance(t *testing.T) {
	t.Parallel()
	s := start(t, clerktest.Config{})
	const n = 2_000
	s.Import(n)
	seen := map[string]bool{}
	for offset := 0; offset < n; offset += 500 {
		for _, id := range listDirectly(t, s, fmt.Sprintf("order_by=created_at&limit=500&offset=%d", offset)) {
			seen[id] = true
		}
	}
	if len(seen) != n {
		t.Errorf("saw %d users, want %d", len(seen), n)
	}
}
