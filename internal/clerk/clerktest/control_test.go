package clerktest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
)

func TestIDs_AreKSUIDs(t *testing.T) {
	t.Parallel()
	// The id in Clerk's documentation, user_29w83sxmDNGwOuEthce5gg56FcC, contains this timestamp.
	at := time.Date(2022, 5, 31, 15, 56, 31, 0, time.UTC)
	s := clerktest.NewServer(clerktest.Config{Now: func() time.Time { return at }})
	id := s.SignUp(clerktest.Person{})
	if !strings.HasPrefix(id, "user_29w83") || len(id) != len("user_")+27 {
		t.Errorf("id = %s, want user_29w83… of 32 characters", id)
	}
}

func TestSignIn_ChangesOnlyTimes(t *testing.T) {
	t.Parallel()
	clk := newClock()
	s := clerktest.NewServer(clerktest.Config{Now: clk.now})
	id := s.SignUp(clerktest.Person{Email: "jane@example.com", FirstName: "Jane"})
	before, _ := s.User(id)
	clk.advance(time.Hour)
	s.SignIn(id)
	after, _ := s.User(id)
	times := cmpopts.IgnoreFields(clerktest.User{}, "UpdatedAt", "LastSignInAt", "LastActiveAt")
	if diff := cmp.Diff(before, after, times); diff != "" {
		t.Errorf("more than times changed:\n%s", diff)
	}
	if now := clk.now().UnixMilli(); after.UpdatedAt != now || *after.LastSignInAt != now {
		t.Errorf("updated %d, signed in %d, want %d", after.UpdatedAt, *after.LastSignInAt, now)
	}
}

func TestServer_EveryWriteAdvancesUpdatedAt(t *testing.T) {
	t.Parallel()
	clk := newClock() // not advanced
	s := clerktest.NewServer(clerktest.Config{Now: clk.now})
	a := s.SignUp(clerktest.Person{Email: "a@example.com"})
	b := s.SignUp(clerktest.Person{Email: "b@example.com"})
	writes := map[string]func(){
		"names":       func() { s.SetNames(a, "A", "") },
		"e-mail":      func() { s.SetPrimaryEmail(a, "c@example.com") },
		"swap":        func() { s.SwapEmails(a, b) },
		"public":      func() { s.SetPublicMetadata(a, nil) },
		"private":     func() { s.SetPrivateMetadata(a, nil) },
		"unsafe":      func() { s.SetUnsafeMetadata(a, nil) },
		"ban":         func() { s.Ban(a) },
		"unban":       func() { s.Unban(a) },
		"lock":        func() { s.Lock(a) },
		"unlock":      func() { s.Unlock(a) },
		"deprovision": func() { s.Deprovision(a) },
		"sign-in":     func() { s.SignIn(a) },
		"add e-mail":  func() { s.AddEmail(a, "further@example.com", false) },
		"verify":      func() { s.AddEmail(a, "v@example.com", false); s.VerifyEmail(a, "v@example.com") },
		"remove":      func() { s.AddEmail(a, "r@example.com", true); s.RemoveEmail(a, "r@example.com") },
		"anything":    func() { s.Update(a, func(*clerktest.User) {}) },
	}
	for name, write := range writes {
		before, _ := s.User(a)
		write()
		after, _ := s.User(a)
		if after.UpdatedAt <= before.UpdatedAt {
			t.Errorf("%s: updated_at %d, then %d", name, before.UpdatedAt, after.UpdatedAt)
		}
	}
}

func TestSetPrimaryEmail_MovesAddress(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		move func(s *clerktest.Server, a, b string)
		want [2]string
	}{
		"available address": {func(s *clerktest.Server, a, _ string) { s.SetPrimaryEmail(a, "new@example.com") },
			[2]string{"new@example.com", "b@example.com"}},
		"no address": {func(s *clerktest.Server, a, _ string) { s.SetPrimaryEmail(a, "") },
			[2]string{"", "b@example.com"}},
		"address of another user": {func(s *clerktest.Server, a, _ string) { s.SetPrimaryEmail(a, "B@example.com") },
			[2]string{"B@example.com", ""}},
		"same address": {func(s *clerktest.Server, a, _ string) { s.SetPrimaryEmail(a, "a@example.com") },
			[2]string{"a@example.com", "b@example.com"}},
		"swap": {func(s *clerktest.Server, a, b string) { s.SwapEmails(a, b) },
			[2]string{"b@example.com", "a@example.com"}},
		"chain": {func(s *clerktest.Server, a, b string) {
			s.SetPrimaryEmail(a, "c@example.com")
			s.SetPrimaryEmail(b, "a@example.com")
		}, [2]string{"c@example.com", "a@example.com"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := clerktest.NewServer(clerktest.Config{})
			a := s.SignUp(clerktest.Person{Email: "a@example.com"})
			b := s.SignUp(clerktest.Person{Email: "b@example.com"})
			tt.move(s, a, b)
			ua, _ := s.User(a)
			ub, _ := s.User(b)
			if diff := cmp.Diff(tt.want, [2]string{ua.PrimaryEmail(), ub.PrimaryEmail()}); diff != "" {
				t.Errorf("primary addresses (-want +got):\n%s", diff)
			}
			// A user can sign up with a released address, but not with a used one.
			free := map[string]bool{"a@example.com": true, "b@example.com": true}
			delete(free, strings.ToLower(ua.PrimaryEmail()))
			delete(free, strings.ToLower(ub.PrimaryEmail()))
			for address := range free {
				s.SignUp(clerktest.Person{Email: address})
			}
			for _, used := range []string{ua.PrimaryEmail(), ub.PrimaryEmail()} {
				if used != "" && !panics(func() { s.SignUp(clerktest.Person{Email: used}) }) {
					t.Errorf("%s has two owners", used)
				}
			}
		})
	}
}

// addresses returns a user's addresses with the status of each.
func (s standIn) addresses(t *testing.T, id string) map[string]string {
	t.Helper()
	var u clerktest.User
	decode(t, s.send(t, http.MethodGet, "/users/"+id, "").body, &u)
	statuses := map[string]string{}
	for _, e := range u.EmailAddresses {
		statuses[e.EmailAddress] = e.Verification.Status
	}
	return statuses
}

func TestEmails_AreAddedVerifiedAndRemoved(t *testing.T) {
	t.Parallel()
	s := start(t, clerktest.Config{})
	id := s.SignUp(clerktest.Person{
		Email: "a@example.com", VerifiedEmails: []string{"b@example.com"}, UnverifiedEmails: []string{"c@example.com"},
	})
	want := map[string]string{"a@example.com": "verified", "b@example.com": "verified", "c@example.com": "unverified"}
	check := func(primary string) {
		t.Helper()
		if diff := cmp.Diff(want, s.addresses(t, id)); diff != "" {
			t.Errorf("addresses (-want +got):\n%s", diff)
		}
		if u, _ := s.User(id); u.PrimaryEmail() != primary {
			t.Errorf("primary %q, want %q", u.PrimaryEmail(), primary)
		}
	}
	check("a@example.com")
	s.AddEmail(id, "d@example.com", true)
	s.VerifyEmail(id, "C@example.com")
	want["c@example.com"], want["d@example.com"] = "verified", "verified"
	check("a@example.com")
	s.AddEmail(id, "e@example.com", false)
	s.RemoveEmail(id, "A@Example.com")
	delete(want, "a@example.com")
	want["e@example.com"] = "unverified"
	check("b@example.com")
	for _, address := range []string{"b@example.com", "c@example.com", "d@example.com"} {
		s.RemoveEmail(id, address)
		delete(want, address)
	}
	check("") // an unverified address does not become primary
}

// Several users can list an address that none of them has verified. It belongs to the first who verifies it.
func TestEmails_BelongToTheUserWhoVerifiesThem(t *testing.T) {
	t.Parallel()
	s := start(t, clerktest.Config{})
	const shared = "shared@example.com"
	a := s.SignUp(clerktest.Person{Email: "a@example.com", UnverifiedEmails: []string{shared}})
	b := s.SignUp(clerktest.Person{Email: "b@example.com", UnverifiedEmails: []string{"SHARED@example.com"}})
	s.VerifyEmail(a, shared)
	if !panics(func() { s.VerifyEmail(b, shared) }) || !panics(func() { s.SignUp(clerktest.Person{Email: shared}) }) {
		t.Error("the address has two owners")
	}
	ub, _ := s.User(b)
	got := s.send(t, http.MethodPatch, "/email_addresses/"+ub.EmailAddresses[1].ID, `{"verified":true}`)
	exchange{status: http.StatusUnprocessableEntity, code: taken}.check(t, got)

	s.RemoveEmail(a, shared)
	s.VerifyEmail(b, shared)
	want := [2]map[string]string{
		{"a@example.com": "verified"}, {"b@example.com": "verified", "SHARED@example.com": "verified"},
	}
	if diff := cmp.Diff(want, [2]map[string]string{s.addresses(t, a), s.addresses(t, b)}); diff != "" {
		t.Errorf("after the move (-want +got):\n%s", diff)
	}
	s.AddEmail(a, shared, false)
	s.RemoveEmail(a, shared)
	if !panics(func() { s.SignUp(clerktest.Person{Email: shared}) }) {
		t.Error("removing an unverified address released that of another user")
	}
}

func TestServer_InvalidCallFromGoPanics(t *testing.T) {
	t.Parallel()
	s := clerktest.NewServer(clerktest.Config{})
	id := s.SignUp(clerktest.Person{Email: "jane@example.com", Username: "jane", ExternalID: "1", Phone: "+15550100"})
	misuse := map[string]func(){
		"e-mail taken":           func() { s.SignUp(clerktest.Person{Email: "Jane@example.com"}) },
		"phone taken":            func() { s.SignUp(clerktest.Person{Phone: "+15550100"}) },
		"username taken":         func() { s.SignUp(clerktest.Person{Username: "JANE"}) },
		"external id taken":      func() { s.SignUp(clerktest.Person{ExternalID: "1"}) },
		"ban unknown user":       func() { s.Ban("user_nobody") },
		"delete unknown user":    func() { s.Delete("user_nobody") },
		"swap with unknown user": func() { s.SwapEmails(id, "user_nobody") },
		"further e-mail taken":   func() { s.SignUp(clerktest.Person{VerifiedEmails: []string{"jane@example.com"}}) },
		"own e-mail again":       func() { s.AddEmail(id, "JANE@example.com", false) },
		"remove other's e-mail":  func() { s.RemoveEmail(id, "joe@example.com") },
		"verify other's e-mail":  func() { s.VerifyEmail(id, "joe@example.com") },
		"e-mail of unknown user": func() { s.AddEmail("user_nobody", "joe@example.com", true) },
	}
	for name, call := range misuse {
		if !panics(call) {
			t.Errorf("%s: no panic", name)
		}
	}
	if got := len(s.Users()); got != 1 {
		t.Errorf("%d users, want 1", got)
	}
}

func panics(call func()) (panicked bool) {
	defer func() { panicked = recover() != nil }()
	call()
	return false
}

func TestImport_ContinuesNumbering(t *testing.T) {
	t.Parallel()
	s := clerktest.NewServer(clerktest.Config{})
	s.Import(2)
	second := s.Import(1)
	u, _ := s.User(second[0])
	if u.PrimaryEmail() != "user00003@example.com" || *u.FirstName != "First00003" || *u.LastName != "Last00003" {
		t.Errorf("third user = %s %s %s", u.PrimaryEmail(), *u.FirstName, *u.LastName)
	}
}

// One user removes an address through the API, then another user adds it.
func TestEmailAddressAPI_MovesAddress(t *testing.T) {
	t.Parallel()
	s := start(t, clerktest.Config{})
	a := s.SignUp(clerktest.Person{Email: "a@example.com"})
	b := s.SignUp(clerktest.Person{Email: "b@example.com"})
	ua, _ := s.User(a)

	s.send(t, http.MethodDelete, "/email_addresses/"+*ua.PrimaryEmailAddressID, "")
	got := s.send(t, http.MethodPost, "/email_addresses",
		fmt.Sprintf(`{"user_id":%q,"email_address":"a@example.com","verified":true,"primary":true}`, b))
	if got.status != http.StatusOK {
		t.Fatalf("adding the address: %d %s", got.status, got.body)
	}
	ua, _ = s.User(a)
	ub, _ := s.User(b)
	if ua.PrimaryEmail() != "" || ub.PrimaryEmail() != "a@example.com" || len(ub.EmailAddresses) != 2 {
		t.Errorf("a has %q, b has %q of %d", ua.PrimaryEmail(), ub.PrimaryEmail(), len(ub.EmailAddresses))
	}
	s.send(t, http.MethodDelete, "/email_addresses/"+*ub.PrimaryEmailAddressID, "")
	if ub, _ = s.User(b); ub.PrimaryEmail() != "b@example.com" {
		t.Errorf("after the removal of its primary address b has %q, want b@example.com", ub.PrimaryEmail())
	}
}

// Of many concurrent requests to create a user with the same address, one succeeds.
func TestCreateUser_AddressIsUniqueUnderConcurrency(t *testing.T) {
	t.Parallel()
	s := start(t, clerktest.Config{})
	var wait sync.WaitGroup
	for range 16 {
		wait.Go(func() {
			_ = roundTrip(t, s.request(t, http.MethodPost, "/users", `{"email_address":["jane@example.com"]}`))
			s.list(t, "email_address=jane@example.com")
			s.Import(3)
		})
	}
	wait.Wait()
	if got := s.list(t, "email_address=jane@example.com"); len(got) != 1 {
		t.Errorf("%d users have the address, want 1", len(got))
	}
	if got := len(s.Users()); got != 1+16*3 {
		t.Errorf("%d users, want %d", got, 1+16*3)
	}
}

func TestUser_JSONRoundTrip(t *testing.T) {
	t.Parallel()
	s := clerktest.NewServer(clerktest.Config{})
	id := s.SignUp(clerktest.Person{Email: "jane@example.com", Phone: "+15550100"})
	want, _ := s.User(id)
	var got clerktest.User
	if err := json.Unmarshal(must(json.Marshal(want)), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
