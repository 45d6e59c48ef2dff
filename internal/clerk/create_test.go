package clerk_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

// bcryptDigest is a bcrypt hash of Clerk's documentation.
const bcryptDigest = "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"

// newcomer returns a user from before Clerk.
func newcomer() clerk.NewUser {
	return clerk.NewUser{
		ExternalID: "7", Email: "Old.canary@example.com", FirstName: "Janecanary", LastName: "Doecanary", Phone: "+15550178999",
		CreatedAt: time.Date(2019, 2, 3, 5, 5, 6, 789_000_000, time.FixedZone("CET", 3600)),
		Role:      "trainer", Owner: "prod-eu", Digest: bcryptDigest, Hasher: "bcrypt",
	}
}

func TestCreateUser_CreatesWhatIsWanted(t *testing.T) {
	t.Parallel()
	s := start(t)
	got, err := s.client().CreateUser(t.Context(), newcomer())
	if err != nil {
		t.Fatal(err)
	}
	stored, _ := s.User(string(got.ID))
	want := user.User{
		ID: got.ID, ExternalID: "7", Email: "Old.canary@example.com", FirstName: "Janecanary", LastName: "Doecanary", Phone: "+15550178999",
		Role: "trainer", HasMarker: true, Marker: user.Marker{Role: "trainer", Owner: "prod-eu"},
		VerifiedEmails: []string{"old.canary@example.com"}, HasEmails: true,
		CreatedAt: time.UnixMilli(1549166706789), UpdatedAt: time.UnixMilli(stored.UpdatedAt),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("returned user (-want +got):\n%s", diff)
	}
	if stored.PasswordDigest != bcryptDigest || stored.PasswordHasher != "bcrypt" {
		t.Errorf("password %q of %q", stored.PasswordDigest, stored.PasswordHasher)
	}
	read, err := s.client().Get(t.Context(), got.ID)
	if diff := cmp.Diff(want, read); err != nil || diff != "" {
		t.Errorf("user read afterwards: %v (-want +got):\n%s", err, diff)
	}
}

func TestCreateUser_LeavesOutWhatIsEmpty(t *testing.T) {
	t.Parallel()
	s := startWith(t, clerktest.Config{SecretKeys: []string{"sk_test_canary"}, PasswordRequired: true})
	got, err := s.client().CreateUser(t.Context(), clerk.NewUser{ExternalID: "7", Email: "old@example.com", Unverified: true})
	if err != nil {
		t.Fatal(err)
	}
	stored, _ := s.User(string(got.ID))
	if stored.PasswordEnabled || stored.FirstName != nil || len(stored.PhoneNumbers) != 0 || len(stored.PublicMetadata) != 0 ||
		len(stored.PrivateMetadata) != 0 || got.Role != "" || got.HasMarker {
		t.Errorf("created %+v", stored)
	}
	if !stored.EmailAddresses[0].Reserved || len(got.VerifiedEmails) != 0 || got.Email != "old@example.com" {
		t.Errorf("the address is %+v, verified are %q; want it unverified and reserved", stored.EmailAddresses[0], got.VerifiedEmails)
	}
	unmarked, err := s.client().CreateUser(t.Context(), clerk.NewUser{ExternalID: "8", Email: "b@example.com", Role: "admin"})
	if err != nil || unmarked.Role != "admin" || unmarked.HasMarker {
		t.Errorf("role %q, marker %v, %v; want the role without a marker", unmarked.Role, unmarked.HasMarker, err)
	}
}

func TestCreateUser_RejectsInvalidUserLocally(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, invalid := range []clerk.NewUser{
		{}, {ExternalID: "7"}, {Email: "a@example.com"}, {ExternalID: "7", Email: "a@example.com", Role: `admin","x":"`},
	} {
		_, err := s.client().CreateUser(t.Context(), invalid)
		wantKind(t, err, clerk.Rejected)
	}
	if got := s.Requests(); len(got) != 0 {
		t.Errorf("requests %v were sent", got)
	}
}

func TestCreateUser_Refusals(t *testing.T) {
	t.Parallel()
	person := func(change func(*clerk.NewUser)) clerk.NewUser {
		u := newcomer()
		change(&u)
		return u
	}
	for name, test := range map[string]struct {
		wanted clerk.NewUser
		want   clerk.Refusal
	}{
		"address taken":     {person(func(u *clerk.NewUser) { u.Email = "JANE.canary@example.com" }), clerk.EmailTaken},
		"address malformed": {person(func(u *clerk.NewUser) { u.Email = "jane.canary@@example.com" }), clerk.EmailInvalid},
		"phone taken":       {person(func(u *clerk.NewUser) { u.Phone = "+15550177000" }), clerk.PhoneTaken},
		"phone malformed":   {person(func(u *clerk.NewUser) { u.Phone = "15550177" }), clerk.PhoneInvalid},
		"external id taken": {person(func(u *clerk.NewUser) { u.ExternalID = "42" }), clerk.ExternalIDTaken},
		"digest malformed":  {person(func(u *clerk.NewUser) { u.Digest = "sk_test_canary" }), clerk.PasswordInvalid},
		"hasher unknown":    {person(func(u *clerk.NewUser) { u.Hasher = "rot13" }), clerk.Refused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.Update("user_jane", func(u *clerktest.User) { u.ExternalID, u.PhoneNumbers[0].PhoneNumber = new("42"), "+15550177000" })
			_, err := s.client().CreateUser(t.Context(), test.wanted)
			wantKind(t, err, clerk.Rejected)
			if got := clerk.RefusalOf(err); got != test.want {
				t.Errorf("refusal %q, want %q: %v", got, test.want, err)
			}
			if users := s.Users(); len(users) != 1 {
				t.Errorf("%d users, want 1", len(users))
			}
		})
	}
}

func TestRefusalOf(t *testing.T) {
	t.Parallel()
	body := func(code, param string) string {
		return fmt.Sprintf(`{"errors":[{"message":"m","long_message":"l","code":%q,"meta":{"param_name":%q}}]}`, code, param)
	}
	for name, test := range map[string]struct {
		respond clerktest.Response
		want    clerk.Refusal
	}{
		"settings demand more":   {jsonResponse(422, body("form_data_missing", "")), clerk.SettingsDemandMore},
		"settings forbid phones": {jsonResponse(422, body("form_param_unknown", "phone_number")), clerk.SettingsForbid},
		"taken without a name":   {jsonResponse(422, `{"errors":[{"code":"form_identifier_exists","meta":[]}]}`), clerk.Refused},
		"taken, unknown name":    {jsonResponse(422, body("form_identifier_exists", "Janecanary")), clerk.Refused},
		"user quota":             {clerktest.Status(403, "user_quota_exceeded"), clerk.QuotaExceeded},
		"quota":                  {clerktest.Status(403, "quota_exceeded"), clerk.QuotaExceeded},
		"plan":                   {clerktest.Status(402, "unsupported_subscription_plan_features"), clerk.Refused},
		"other":                  {clerktest.Status(422, "form_password_pwned"), clerk.Refused},
		"wrong key":              {clerktest.Status(401, "clerk_key_invalid"), ""},
		"forbidden":              {clerktest.Status(403, "authorization_invalid"), ""},
		"throttled":              {clerktest.Throttled(1), ""},
		"down":                   {clerktest.Empty503(), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.failAll(test.respond)
			_, err := s.client().CreateUser(t.Context(), newcomer())
			if got := clerk.RefusalOf(err); err == nil || got != test.want || strings.Contains(err.Error(), "canary") {
				t.Errorf("refusal %q of %v, want %q", got, err, test.want)
			}
		})
	}
	if got := clerk.RefusalOf(nil); got != "" {
		t.Errorf("refusal %q of no error", got)
	}
}

func TestClient_ErrorNamesParameter(t *testing.T) {
	t.Parallel()
	s := start(t)
	wanted := newcomer()
	wanted.Phone = "1"
	_, err := s.client().CreateUser(t.Context(), wanted)
	failure, ok := errors.AsType[*clerk.Error](err)
	if !ok || failure.Param != "phone_number" || !strings.Contains(err.Error(), "parameter phone_number") {
		t.Errorf("got %v, want it to name phone_number", err)
	}
}

func TestCreateUser_LostResponseIsFoundByExternalID(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]clerktest.Response{
		"closed": clerktest.ApplyThen(clerktest.CloseConnection()),
		"502":    clerktest.ApplyThen(clerktest.HTML502()),
		"null":   clerktest.ApplyThen(clerktest.OKNull()),
		"another user": clerktest.ApplyThen(jsonResponse(http.StatusOK, `{"object":"user","id":"user_joe","email_addresses":[],
			"created_at":1700000000000,"updated_at":1700000000000}`)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.Inject(clerktest.Fault{Match: clerktest.On("POST", "/users"), Times: 1, Respond: lost})
			_, err := s.client().CreateUser(t.Context(), newcomer())
			wantKind(t, err, clerk.Unavailable)
			found, err := s.client().FindByExternalID(t.Context(), []string{"7", "8"})
			if err != nil || len(found) != 1 || found["7"].Email != "Old.canary@example.com" {
				t.Errorf("found %v, %v", found, err)
			}
			_, err = s.client().CreateUser(t.Context(), newcomer())
			wantKind(t, err, clerk.Rejected)
		})
	}
}

func TestCreateUser_NotSentWhenFenced(t *testing.T) {
	t.Parallel()
	s := start(t)
	errFenced := errors.New("no longer allowed")
	config := s.config()
	config.BeforeWrite = func() error { return errFenced }
	client := clerk.New(config)
	_, err := client.CreateUser(t.Context(), newcomer())
	wantKind(t, err, clerk.Unavailable)
	_, errSet := client.SetExternalID(t.Context(), s.jane, "7")
	if !errors.Is(err, errFenced) || !errors.Is(errSet, errFenced) || len(s.Requests()) != 0 {
		t.Errorf("%v and %v, requests %v; want both fenced", err, errSet, s.Requests())
	}
}
