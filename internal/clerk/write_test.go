package clerk_test

import (
	"encoding/json"
	"fmt"
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
	marker := func(role string) map[string]any { return map[string]any{"role": role} }
	for name, test := range map[string]struct {
		before metadata
		change user.RoleChange
		role   user.Role
		after  metadata
	}{
		"grant": {
			applicationMetadata(), user.GrantRole, user.Admin,
			withGrant(applicationMetadata(), "admin", marker("admin")),
		},
		"grant without metadata": {
			metadata{}, user.GrantRole, user.Client,
			withGrant(metadata{clerktest.Metadata{}, clerktest.Metadata{}, nil}, "client", marker("client")),
		},
		"grant replaces another role": {
			withGrant(applicationMetadata(), "admin", marker("admin")), user.GrantRole, user.Trainer,
			withGrant(applicationMetadata(), "trainer", marker("trainer")),
		},
		"grant replaces invalid values": {
			withGrant(applicationMetadata(), marker("admin"), "invalid"), user.GrantRole, user.Trainer,
			withGrant(applicationMetadata(), "trainer", marker("trainer")),
		},
		"revoke": {
			withGrant(applicationMetadata(), "admin", marker("admin")), user.RevokeRole, "",
			applicationMetadata(),
		},
		"revoke twice": {applicationMetadata(), user.RevokeRole, "", applicationMetadata()},
		"remove marker": {
			withGrant(applicationMetadata(), "admin", marker("trainer")), user.RemoveMarker, "",
			withRole(applicationMetadata(), "admin"),
		},
		"remove invalid marker": {
			withGrant(applicationMetadata(), "admin", "invalid"), user.RemoveMarker, "",
			withRole(applicationMetadata(), "admin"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.setMetadata(test.before)
			client := s.client()
			got, err := client.WriteRole(t.Context(), s.jane, test.change, test.role)
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
		role   user.Role
	}{
		{user.NoRoleChange, user.Admin}, {user.GrantRole, ""}, {user.GrantRole, "owner"}, {user.GrantRole, `admin","x":"`},
	} {
		_, err := client.WriteRole(t.Context(), s.jane, test.change, test.role)
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
			_, err := client.WriteRole(t.Context(), s.jane, user.GrantRole, user.Admin)
			wantKind(t, err, clerk.Unavailable)
			got, err := client.Get(t.Context(), s.jane)
			if err != nil || got.Role != "admin" || got.MarkerRole != "admin" {
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
		if _, err := client.WriteRole(t.Context(), s.jane, user.GrantRole, user.Admin); err != nil {
			t.Fatalf("write %d: %v", i+1, err)
		}
	}
	s.ResetJournal()
	_, err := client.WriteRole(t.Context(), s.jane, user.GrantRole, user.Trainer)
	wantKind(t, err, clerk.Throttled)
	if wait := clerk.RetryAfter(err); wait <= 0 || wait > 10*time.Second {
		t.Errorf("retry after %s, want more than 0 s and at most 10 s", wait)
	}
	if got := s.Requests(); len(got) != 0 {
		t.Errorf("requests %v were sent", got)
	}

	other := user.ID(s.SignUp(clerktest.Person{Email: "doe@example.com"}))
	if _, err := client.WriteRole(t.Context(), other, user.GrantRole, user.Admin); err != nil {
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
			_, err := client.WriteRole(t.Context(), user.ID(id), user.GrantRole, user.Trainer)
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
