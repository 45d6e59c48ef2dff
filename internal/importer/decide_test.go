package importer

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

func testPolicy(change func(*policy)) policy {
	p := policy{
		mapping: user.DefaultMapping(), roles: user.DefaultRoles(), owner: "here", hashes: newHashes(),
		now: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
	}
	if change != nil {
		change(&p)
	}
	return p
}

func legacyRow(change func(*store.LegacyRow)) *store.LegacyRow {
	row := &store.LegacyRow{
		Holder: store.Holder{Key: "7"}, Password: bcryptHash,
		Row: user.Row{
			ID: "7", Email: "Jane@example.com", FirstName: "Jane", LastName: "Doe", Phone: "+12025550123", Role: "trainer",
			CreatedAt: time.Unix(1500000000, 0),
		},
	}
	if change != nil {
		change(row)
	}
	return row
}

func TestPlan_User(t *testing.T) {
	t.Parallel()
	whole := clerk.NewUser{
		ExternalID: "7", Email: "Jane@example.com", FirstName: "Jane", LastName: "Doe", Phone: "+12025550123", CreatedAt: time.Unix(1500000000, 0),
		Role: "trainer", Owner: "here", Digest: bcryptHash, Hasher: "bcrypt",
	}
	external := *user.DefaultMapping()
	external.Key.Holds = user.HoldsExternalID
	spelled := *user.DefaultMapping()
	spelled.RoleNames = map[user.Role]user.Role{"trainer": "COACH"}
	for name, test := range map[string]struct {
		policy func(*policy)
		row    func(*store.LegacyRow)
		want   func(*clerk.NewUser)
		notes  []Note
	}{
		"whole": {},
		"key beside the primary key": {
			row:  func(r *store.LegacyRow) { r.Holder = store.Holder{PrimaryKey: "0c1e"} },
			want: func(u *clerk.NewUser) { u.ExternalID = "0c1e" },
		},
		"external id as the key": {
			policy: func(p *policy) { p.mapping = &external },
			row:    func(r *store.LegacyRow) { r.Holder = store.Holder{Key: "k", PrimaryKey: "1"} },
			want:   func(u *clerk.NewUser) { u.ExternalID = "k" },
		},
		"blanks around": {
			row: func(r *store.LegacyRow) { r.Row.Email, r.Row.Phone = " Jane@example.com\n", " +12025550123 " },
		},
		"default role": {
			row:  func(r *store.LegacyRow) { r.Row.Role = "client" },
			want: func(u *clerk.NewUser) { u.Role, u.Owner = "", "" },
		},
		"no role": {
			row:  func(r *store.LegacyRow) { r.Row.Role = "" },
			want: func(u *clerk.NewUser) { u.Role, u.Owner = "", "" },
		},
		"unknown role": {
			row:   func(r *store.LegacyRow) { r.Row.Role = "owner" },
			want:  func(u *clerk.NewUser) { u.Role, u.Owner = "", "" },
			notes: []Note{RoleUnknown},
		},
		"spelled role": {
			policy: func(p *policy) { p.mapping = &spelled },
			row:    func(r *store.LegacyRow) { r.Row.Role = "COACH" },
		},
		"without markers": {
			policy: func(p *policy) { p.owner = "" },
			want:   func(u *clerk.NewUser) { u.Owner = "" },
		},
		"unverified": {
			policy: func(p *policy) { p.unverified = true },
			want:   func(u *clerk.NewUser) { u.Unverified = true },
		},
		"no password": {
			row:  func(r *store.LegacyRow) { r.Password = "" },
			want: func(u *clerk.NewUser) { u.Digest, u.Hasher = "", "" },
		},
		"unknown password and role": {
			row:   func(r *store.LegacyRow) { r.Password, r.Row.Role = "secret", "owner" },
			want:  func(u *clerk.NewUser) { u.Digest, u.Hasher, u.Role, u.Owner = "", "", "", "" },
			notes: []Note{PasswordUnknown, RoleUnknown},
		},
		"sign-up in the future": {
			row:  func(r *store.LegacyRow) { r.Row.CreatedAt = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC) },
			want: func(u *clerk.NewUser) { u.CreatedAt = time.Time{} },
		},
		"sign-up in 1970": {
			row:  func(r *store.LegacyRow) { r.Row.CreatedAt = time.Unix(0, 0) },
			want: func(u *clerk.NewUser) { u.CreatedAt = time.Time{} },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := whole
			if test.want != nil {
				test.want(&want)
			}
			got := testPolicy(test.policy).plan(legacyRow(test.row), copies{})
			if diff := cmp.Diff(want, got.user); got.reason != "" || diff != "" {
				t.Errorf("reason %q (-want +got):\n%s", got.reason, diff)
			}
			if diff := cmp.Diff(test.notes, got.notes); diff != "" {
				t.Errorf("notes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPlan_Reason(t *testing.T) {
	t.Parallel()
	email := func(text string) func(*store.LegacyRow) { return func(r *store.LegacyRow) { r.Row.Email = text } }
	phone := func(text string) func(*store.LegacyRow) { return func(r *store.LegacyRow) { r.Row.Phone = text } }
	for name, test := range map[string]struct {
		row    func(*store.LegacyRow)
		shared copies
		want   Reason
	}{
		"none":                   {nil, copies{}, ""},
		"no address":             {email(""), copies{}, AddressMissing},
		"blank address":          {email(" "), copies{}, AddressMissing},
		"no at":                  {email("jane.example.com"), copies{}, AddressMalformed},
		"two ats":                {email("jane@@example.com"), copies{}, AddressMalformed},
		"name":                   {email("Jane <jane@example.com>"), copies{}, AddressMalformed},
		"two addresses":          {email("jane@example.com, joe@example.com"), copies{}, AddressMalformed},
		"no domain":              {email("jane@"), copies{}, AddressMalformed},
		"domain without a dot":   {email("jane@localhost"), copies{}, AddressMalformed},
		"address literal":        {email("jane@[192.0.2.1]"), copies{}, AddressMalformed},
		"blank inside":           {email("jane doe@example.com"), copies{}, AddressMalformed},
		"other letters":          {email("jané@exämple.de"), copies{}, ""},
		"shared address":         {nil, copies{email: true}, AddressDuplicated},
		"no phone, shared":       {phone(""), copies{phone: true}, ""},
		"shared phone":           {nil, copies{phone: true}, PhoneDuplicated},
		"phone without a plus":   {phone("2025550123"), copies{}, PhoneMalformed},
		"phone with blanks":      {phone("+1 202 555 0123"), copies{}, PhoneMalformed},
		"softly deleted":         {func(r *store.LegacyRow) { r.Row.DeletedAt = time.Unix(1, 0) }, copies{}, SoftDeleted},
		"anonymized":             {email("deleted-7@deleted.invalid"), copies{}, Anonymized},
		"no key":                 {func(r *store.LegacyRow) { r.Holder = store.Holder{} }, copies{}, KeyMissing},
		"several: the first one": {email(""), copies{email: true, phone: true}, AddressMissing},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := testPolicy(nil).plan(legacyRow(test.row), test.shared)
			if got.reason != test.want || test.want != "" && (got.user != clerk.NewUser{}) {
				t.Errorf("reason %q and user %+v, want %q", got.reason, got.user, test.want)
			}
		})
	}
}

// Every reason and note has a sentence for people.
func TestReasons_HaveNextStep(t *testing.T) {
	t.Parallel()
	for _, reason := range []Reason{
		SoftDeleted, Anonymized, KeyMissing, AddressMissing, AddressMalformed, AddressDuplicated, AddressTaken, PhoneMalformed, PhoneDuplicated,
		PhoneTaken, ExternalIDTaken, ExternalIDForeign, SettingsDemand, SettingsForbid, Refused, KeyTaken, RowKept, RowChanged,
	} {
		if reason.nextStep() == "" {
			t.Errorf("%s has no next step", reason)
		}
	}
	for _, note := range []Note{PasswordUnknown, PasswordRefused, RoleUnknown} {
		if note.nextStep() == "" {
			t.Errorf("%s has no next step", note)
		}
	}
}
