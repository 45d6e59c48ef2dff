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

func TestIDsAreKSUIDsOfTheClock(t *testing.T) {
	t.Parallel()
	// The id in Clerk's documentation, user_29w83sxmDNGwOuEthce5gg56FcC, was made at this second.
	at := time.Date(2022, 5, 31, 15, 56, 31, 0, time.UTC)
	s := clerktest.NewServer(clerktest.Config{Now: func() time.Time { return at }})
	id := s.SignUp(clerktest.Person{})
	if !strings.HasPrefix(id, "user_29w83") || len(id) != len("user_")+27 {
		t.Errorf("id = %s, want user_29w83… of 32 characters", id)
	}
}

func TestSignInMovesTimesOnly(t *testing.T) {
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

func TestEveryWriteMovesUpdatedAt(t *testing.T) {
	t.Parallel()
	clk := newClock() // which stands still
	s := clerktest.NewServer(clerktest.Config{Now: clk.now})
	a := s.SignUp(clerktest.Person{Email: "a@example.com"})
	b := s.SignUp(clerktest.Person{Email: "b@example.com"})
	writes := map[string]func(){
		"names":    func() { s.SetNames(a, "A", "") },
		"e-mail":   func() { s.SetPrimaryEmail(a, "c@example.com") },
		"swap":     func() { s.SwapEmails(a, b) },
		"public":   func() { s.SetPublicMetadata(a, nil) },
		"private":  func() { s.SetPrivateMetadata(a, nil) },
		"unsafe":   func() { s.SetUnsafeMetadata(a, nil) },
		"ban":      func() { s.Ban(a) },
		"unban":    func() { s.Unban(a) },
		"lock":     func() { s.Lock(a) },
		"unlock":   func() { s.Unlock(a) },
		"deprov.":  func() { s.Deprovision(a) },
		"sign-in":  func() { s.SignIn(a) },
		"anything": func() { s.Update(a, func(*clerktest.User) {}) },
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

func TestEmailsMove(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		move func(s *clerktest.Server, a, b string)
		want [2]string
	}{
		"to a free one": {func(s *clerktest.Server, a, _ string) { s.SetPrimaryEmail(a, "new@example.com") },
			[2]string{"new@example.com", "b@example.com"}},
		"to none": {func(s *clerktest.Server, a, _ string) { s.SetPrimaryEmail(a, "") },
			[2]string{"", "b@example.com"}},
		"to the other's": {func(s *clerktest.Server, a, _ string) { s.SetPrimaryEmail(a, "B@example.com") },
			[2]string{"B@example.com", ""}},
		"to the same": {func(s *clerktest.Server, a, _ string) { s.SetPrimaryEmail(a, "a@example.com") },
			[2]string{"a@example.com", "b@example.com"}},
		"exchanged": {func(s *clerktest.Server, a, b string) { s.SwapEmails(a, b) },
			[2]string{"b@example.com", "a@example.com"}},
		"in a row": {func(s *clerktest.Server, a, b string) {
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
			// What nobody has any more can be signed up with; what somebody has cannot.
			free := map[string]bool{"a@example.com": true, "b@example.com": true}
			delete(free, strings.ToLower(ua.PrimaryEmail()))
			delete(free, strings.ToLower(ub.PrimaryEmail()))
			for address := range free {
				s.SignUp(clerktest.Person{Email: address})
			}
			for _, held := range []string{ua.PrimaryEmail(), ub.PrimaryEmail()} {
				if held != "" && !panics(func() { s.SignUp(clerktest.Person{Email: held}) }) {
					t.Errorf("%s has two owners", held)
				}
			}
		})
	}
}

func TestMisuseFromGoPanics(t *testing.T) {
	t.Parallel()
	s := clerktest.NewServer(clerktest.Config{})
	id := s.SignUp(clerktest.Person{Email: "jane@example.com", Username: "jane", ExternalID: "1", Phone: "+15550100"})
	misuse := map[string]func(){
		"e-mail taken":      func() { s.SignUp(clerktest.Person{Email: "Jane@example.com"}) },
		"phone taken":       func() { s.SignUp(clerktest.Person{Phone: "+15550100"}) },
		"username taken":    func() { s.SignUp(clerktest.Person{Username: "JANE"}) },
		"external id taken": func() { s.SignUp(clerktest.Person{ExternalID: "1"}) },
		"no such user":      func() { s.Ban("user_nobody") },
		"deleted twice":     func() { s.Delete("user_nobody") },
		"swap with nobody":  func() { s.SwapEmails(id, "user_nobody") },
	}
	for name, call := range misuse {
		if !panics(call) {
			t.Errorf("%s: no panic", name)
		}
	}
	if got := len(s.Users()); got != 1 {
		t.Errorf("%d users, want the one from before", got)
	}
}

func panics(call func()) (did bool) {
	defer func() { did = recover() != nil }()
	call()
	return false
}

func TestImportGoesOnCounting(t *testing.T) {
	t.Parallel()
	s := clerktest.NewServer(clerktest.Config{})
	s.Import(2)
	second := s.Import(1)
	u, _ := s.User(second[0])
	if u.PrimaryEmail() != "user00003@example.com" || *u.FirstName != "First00003" || *u.LastName != "Last00003" {
		t.Errorf("third user = %s %s %s", u.PrimaryEmail(), *u.FirstName, *u.LastName)
	}
}

// Through the API alone: one user gives an address up, another takes it.
func TestEmailsMoveThroughTheAPI(t *testing.T) {
	t.Parallel()
	s := start(t, clerktest.Config{})
	a := s.SignUp(clerktest.Person{Email: "a@example.com"})
	b := s.SignUp(clerktest.Person{Email: "b@example.com"})
	ua, _ := s.User(a)

	s.send(t, http.MethodDelete, "/email_addresses/"+*ua.PrimaryEmailAddressID, "")
	got := s.send(t, http.MethodPost, "/email_addresses",
		fmt.Sprintf(`{"user_id":%q,"email_address":"a@example.com","verified":true,"primary":true}`, b))
	if got.status != http.StatusOK {
		t.Fatalf("taking the address: %d %s", got.status, got.body)
	}
	ua, _ = s.User(a)
	ub, _ := s.User(b)
	if ua.PrimaryEmail() != "" || ub.PrimaryEmail() != "a@example.com" || len(ub.EmailAddresses) != 2 {
		t.Errorf("a has %q, b has %q of %d", ua.PrimaryEmail(), ub.PrimaryEmail(), len(ub.EmailAddresses))
	}
	s.send(t, http.MethodDelete, "/email_addresses/"+*ub.PrimaryEmailAddressID, "")
	if ub, _ = s.User(b); ub.PrimaryEmail() != "b@example.com" {
		t.Errorf("after the loss of its primary address b has %q, want the one that is left", ub.PrimaryEmail())
	}
}

// The first user to ask wins an address; with many asking at once there is one winner.
func TestAddressHasOneOwnerUnderConcurrency(t *testing.T) {
	t.Parallel()
	s := start(t, clerktest.Config{})
	var wait sync.WaitGroup
	for range 16 {
		wait.Go(func() {
			_ = plain(t, s.request(t, http.MethodPost, "/users", `{"email_address":["jane@example.com"]}`))
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

func TestUserEncodesAsItsOwnSnapshot(t *testing.T) {
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
