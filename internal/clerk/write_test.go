package clerk_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

// metadata is a user's three metadata fields.
type metadata struct{ Public, Private, Unsafe clerktest.Metadata }

func (s standIn) metadata() metadata {
	u, _ := s.User(string(s.jane))
	return metadata{u.PublicMetadata, u.PrivateMetadata, u.UnsafeMetadata}
}

func (s standIn) setMetadata(m metadata) {
	s.SetPublicMetadata(string(s.jane), m.Public)
	s.SetPrivateMetadata(string(s.jane), m.Private)
	s.SetUnsafeMetadata(string(s.jane), m.Unsafe)
}

// applicationMetadata returns metadata of another application: the operator's keys at other depths, and every kind of
// JSON value.
func applicationMetadata() metadata {
	all := func() clerktest.Metadata {
		return clerktest.Metadata{
			"Role": "owner", "roles": []any{"a", nil, map[string]any{"role": nil}}, "number": json.Number("12345678901234567890.50"),
			"nested": map[string]any{"role": "keep", "fituser": map[string]any{"role": "keep"}, "empty": map[string]any{}, "null": nil},
			"text":   "\u2028<&>\"\\", "true": true, "list": []any{}, "": "empty key",
		}
	}
	public, private, unsafe := all(), all(), all()
	public["fituser"] = map[string]any{"role": "not the operator's"}
	private["role"] = "not the operator's"
	unsafe["role"], unsafe["fituser"] = "admin", map[string]any{"role": "admin"}
	return metadata{public, private, unsafe}
}

// withGrant sets the role and the marker of m.
func withGrant(m metadata, role any, marker any) metadata {
	m.Public["role"], m.Private["fituser"] = role, marker
	return m
}

func TestWriteRole_ChangesOnlyRoleAndMarker(t *testing.T) {
	t.Parallel()
	marker := func(role string) map[string]any { return map[string]any{"role": role, "owner": "prod-eu"} }
	whole := func() map[string]any {
		return map[string]any{"role": "trainer", "owner": "former", "rule": "coaches", "until": "2027-01-31T18:00:00Z"}
	}
	end := time.Date(2027, 1, 31, 19, 0, 0, 999, time.FixedZone("CET", 3600))
	for name, test := range map[string]struct {
		before metadata
		change user.RoleChange
		marker user.Marker
		after  metadata
	}{
		"grant": {
			applicationMetadata(), user.GrantRole, own("admin"),
			withGrant(applicationMetadata(), "admin", marker("admin")),
		},
		"grant without metadata": {
			metadata{}, user.GrantRole, own("client"),
			withGrant(metadata{clerktest.Metadata{}, clerktest.Metadata{}, nil}, "client", marker("client")),
		},
		"grant of a configured role": {
			applicationMetadata(), user.GrantRole, own("Head-coach_2"),
			withGrant(applicationMetadata(), "Head-coach_2", marker("Head-coach_2")),
		},
		"grant by a rule with an end": {
			applicationMetadata(), user.GrantRole, user.Marker{Role: "trainer", Owner: "former", Rule: "coaches", Until: end},
			withGrant(applicationMetadata(), "trainer", whole()),
		},
		"grant replaces another role": {
			withGrant(applicationMetadata(), "admin", marker("admin")), user.GrantRole, own("trainer"),
			withGrant(applicationMetadata(), "trainer", marker("trainer")),
		},
		"grant replaces the whole marker": {
			withGrant(applicationMetadata(), "trainer", whole()), user.GrantRole, own("trainer"),
			withGrant(applicationMetadata(), "trainer", marker("trainer")),
		},
		"grant with an owner of any text": {
			metadata{}, user.GrantRole, user.Marker{Role: "admin", Owner: `a"},"x":{"`, Rule: "\u2028<&>"},
			withGrant(metadata{clerktest.Metadata{}, clerktest.Metadata{}, nil}, "admin",
				map[string]any{"role": "admin", "owner": `a"},"x":{"`, "rule": "\u2028<&>"}),
		},
		"grant replaces invalid values": {
			withGrant(applicationMetadata(), marker("admin"), "invalid"), user.GrantRole, own("trainer"),
			withGrant(applicationMetadata(), "trainer", marker("trainer")),
		},
		"revoke": {
			withGrant(applicationMetadata(), "trainer", whole()), user.RevokeRole, user.Marker{},
			applicationMetadata(),
		},
		"revoke twice": {applicationMetadata(), user.RevokeRole, user.Marker{}, applicationMetadata()},
		"remove marker": {
			withGrant(applicationMetadata(), "admin", marker("trainer")), user.RemoveMarker, user.Marker{},
			withRole(applicationMetadata(), "admin"),
		},
		"remove invalid marker": {
			withGrant(applicationMetadata(), "admin", "invalid"), user.RemoveMarker, user.Marker{},
			withRole(applicationMetadata(), "admin"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.setMetadata(test.before)
			client := s.client()
			got, err := client.WriteRole(t.Context(), s.jane, test.change, test.marker)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(asJSON(t, test.after), asJSON(t, s.metadata())); diff != "" {
				t.Errorf("metadata (-want +got):\n%s", diff)
			}
			want, err := client.Get(t.Context(), s.jane)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("returned user differs from Clerk's (-want +got):\n%s", diff)
			}
		})
	}
}

func withRole(m metadata, role string) metadata {
	m.Public["role"] = role
	return m
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestWriteRole_RejectsInvalidChange(t *testing.T) {
	t.Parallel()
	s := start(t)
	client := s.client()
	for _, test := range []struct {
		change user.RoleChange
		marker user.Marker
	}{
		{user.NoRoleChange, own("admin")}, {user.GrantRole, own("")}, {user.GrantRole, own(`admin","x":"`)},
		{user.GrantRole, own("head coach")}, {user.GrantRole, own("null")}, {user.GrantRole, own(strings.Repeat("x", 64))},
		{user.GrantRole, user.Marker{Role: "admin"}}, // nobody could revoke it
	} {
		_, err := client.WriteRole(t.Context(), s.jane, test.change, test.marker)
		wantKind(t, err, clerk.Rejected)
	}
	if got := s.Requests(); len(got) != 0 {
		t.Errorf("requests %v were sent", got)
	}
}

func TestWriteRole_LostResponseIsVisibleToNextRead(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]clerktest.Response{
		"closed":    clerktest.ApplyThen(clerktest.CloseConnection()),
		"502":       clerktest.ApplyThen(clerktest.HTML502()),
		"null":      clerktest.ApplyThen(clerktest.OKNull()),
		"truncated": clerktest.Truncated(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			client := s.client()
			if _, err := client.Get(t.Context(), s.jane); err != nil { // so that the write reuses a connection
				t.Fatal(err)
			}
			s.Inject(clerktest.Fault{Match: clerktest.On("PATCH", "/users/*/metadata"), Respond: lost})
			_, err := client.WriteRole(t.Context(), s.jane, user.GrantRole, own("admin"))
			wantKind(t, err, clerk.Unavailable)
			got, err := client.Get(t.Context(), s.jane)
			if err != nil || got.Role != "admin" || got.Marker != own("admin") {
				t.Errorf("Get = %+v, %v; want the role that was written", got, err)
			}
			if writes := s.Writes(); len(writes) != 1 {
				t.Errorf("%d writes, want 1", len(writes))
			}
		})
	}
}

func TestWriteRole_EleventhWriteInTenSecondsIsNotSent(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.SetLimits(clerktest.Limits{UserWrites: 10})
	client := s.client()
	for i := range 10 {
		if _, err := client.WriteRole(t.Context(), s.jane, user.GrantRole, own("admin")); err != nil {
			t.Fatalf("write %d: %v", i+1, err)
		}
	}
	s.ResetJournal()
	_, err := client.WriteRole(t.Context(), s.jane, user.GrantRole, own("trainer"))
	wantKind(t, err, clerk.Throttled)
	if wait := clerk.RetryAfter(err); wait <= 0 || wait > 10*time.Second {
		t.Errorf("retry after %s, want more than 0 s and at most 10 s", wait)
	}
	if got := s.Requests(); len(got) != 0 {
		t.Errorf("requests %v were sent", got)
	}

	other := user.ID(s.SignUp(clerktest.Person{Email: "doe@example.com"}))
	if _, err := client.WriteRole(t.Context(), other, user.GrantRole, own("admin")); err != nil {
		t.Errorf("writing to another user: %v", err)
	}
	if _, err := client.Get(t.Context(), s.jane); err != nil {
		t.Errorf("reading the user: %v", err)
	}
}

func TestWriteRole_ConcurrentUsers(t *testing.T) {
	t.Parallel()
	s := start(t)
	client := s.client()
	errs := make(chan error)
	ids := s.Import(20)
	for _, id := range ids {
		go func() {
			_, err := client.WriteRole(t.Context(), user.ID(id), user.GrantRole, own("trainer"))
			if err != nil {
				err = fmt.Errorf("%s: %w", id, err)
			}
			errs <- err
		}()
	}
	for range ids {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	for _, u := range s.Users() {
		if u.ID != string(s.jane) && u.PublicMetadata["role"] != "trainer" {
			t.Errorf("%s has role %v", u.ID, u.PublicMetadata["role"])
		}
	}
}
