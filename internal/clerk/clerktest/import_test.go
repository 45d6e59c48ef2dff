package clerktest_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

// The requests with which the operator's own client moves a person to Clerk conform to Clerk's document.
func TestConformance_ImportOfOperator(t *testing.T) {
	t.Parallel()
	s := start(t, clerktest.Config{PasswordRequired: true})
	client := clerk.New(clerk.Config{
		URL: s.url, Key: func() string { return clerktest.DefaultSecretKey }, RequestsPerSecond: 1000,
		Transport: conformanceTransport{t: t, spec: apiSpec(t), next: http.DefaultTransport},
	})
	for _, wanted := range []clerk.NewUser{
		{ExternalID: "1", Email: "a@example.com"},
		{
			ExternalID: "2", Email: "b@example.com", Unverified: true, FirstName: "B", LastName: "C", Phone: "+12025550123",
			CreatedAt: time.Unix(1, 0), Role: "trainer", Owner: "here", Digest: bcryptDigest, Hasher: "bcrypt",
		},
	} {
		created, err := client.CreateUser(t.Context(), wanted)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.SetExternalID(t.Context(), created.ID, "x"+wanted.ExternalID); err != nil {
			t.Error(err)
		}
	}
	found, err := client.FindByExternalID(t.Context(), []string{"x1", "x2", "-x3"})
	if err != nil || len(found) != 2 || found["x2"].Marker != (user.Marker{Role: "trainer", Owner: "here"}) {
		t.Errorf("found %+v, %v", found, err)
	}
}

func TestCreateUser_PasswordRequired(t *testing.T) {
	t.Parallel()
	s := start(t, clerktest.Config{PasswordRequired: true})
	for body, want := range map[string]exchange{
		`{"username":"a"}`: {status: 422, code: "form_data_missing"},
		`{"username":"b","password_digest":"` + bcryptDigest + `","password_hasher":"bcrypt"}`: {status: 200},
		`{"username":"c","skip_password_requirement":true}`:                                    {status: 200},
		`{"username":"d","skip_password_requirement":false}`:                                   {status: 422, code: "form_data_missing"},
	} {
		want.check(t, s.send(t, http.MethodPost, "/users", body))
	}
}

func TestCreateUser_MaxUsers(t *testing.T) {
	t.Parallel()
	s := start(t, clerktest.Config{MaxUsers: 2})
	s.Import(1)
	exchange{status: 200}.check(t, s.send(t, http.MethodPost, "/users", `{"username":"a"}`))
	exchange{status: 403, code: "user_quota_exceeded"}.check(t, s.send(t, http.MethodPost, "/users", `{"username":"b"}`))
	if got := len(s.Users()); got != 2 {
		t.Errorf("%d users, want 2", got)
	}
	s.SignUp(clerktest.Person{Username: "c"})
}

func TestCreateUser_PasswordFormats(t *testing.T) {
	t.Parallel()
	s := start(t, clerktest.Config{})
	for hasher, digest := range map[string]string{
		"argon2i":              "$argon2i$v=19$m=4096,t=3,p=1$4t6CL3P7YiHBtwESXawI8Hm20zJj4cs7/4/G3c187e0$m7RQFczcKr5bIR0IIxbpO2P0tyrLjf3eUW3M3QSwnLc",
		"argon2id":             "$argon2id$v=19$m=64,t=4,p=8$Z2liZXJyaXNo$iGXEpMBTDYQ8G/71tF0qGjxRHEmR3gpGULcE93zUJVU",
		"bcrypt":               bcryptDigest,
		"bcrypt_sha256_django": "bcrypt_sha256$" + bcryptDigest,
		"md5":                  "5f4dcc3b5aa765d61d8327deb882cf99",
		"sha256":               "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
		"pbkdf2_sha256_django": "pbkdf2_sha256$600000$salt$+1sMJ1oJG1LQ2JYYiUJUbHM0YxV3cUTgBU6ay8bLCNc=",
		"phpass":               "$P$B12345678jtVoXeYRNOYBqWOEEhoVH.",
		"scrypt_werkzeug":      "scrypt:32768:8:1$salt$" + "ab01",
	} {
		client := clerk.New(clerk.Config{URL: s.url, Key: func() string { return clerktest.DefaultSecretKey }, RequestsPerSecond: 1000})
		u, err := client.CreateUser(t.Context(), clerk.NewUser{ExternalID: hasher, Email: hasher + "@example.com", Digest: digest, Hasher: hasher})
		if err != nil {
			t.Errorf("%s: %v", hasher, err)
		}
		if stored, _ := s.User(string(u.ID)); stored.PasswordDigest != digest || stored.PasswordHasher != hasher || !stored.PasswordEnabled {
			t.Errorf("%s: stored %q", hasher, stored.PasswordDigest)
		}
		_, err = client.CreateUser(t.Context(), clerk.NewUser{ExternalID: "x", Email: "x@example.com", Digest: "x" + digest + "$", Hasher: hasher})
		if failure, ok := errors.AsType[*clerk.Error](err); !ok || failure.Code != "form_password_digest_invalid_code" {
			t.Errorf("%s: the malformed digest is not refused: %v", hasher, err)
		}
	}
}
