package clerk

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/user"
)

// wire is a user of Clerk's with what every user has, and more in front. The first of equal keys would lose, so
// the rest has none of what is commonly replaced.
func wire(more string) string {
	if !strings.Contains(more, `"email_addresses"`) {
		more += `"email_addresses":[],`
	}
	return `{` + more + `"id":"user_jane","object":"user","created_at":1700000000000,"updated_at":1700000000001}`
}

func TestDecodeUser(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		more string
		want user.User // with the id and the times left out
	}{
		"nothing": {``, user.User{}},
		"nulls": {
			`"first_name":null,"last_name":null,"primary_email_address_id":null,"primary_phone_number_id":null,
			"phone_numbers":null,"public_metadata":null,"private_metadata":null,"unsafe_metadata":null,
			"banned":null,"locked":null,"deprovisioned":null,"username":null,`, user.User{},
		},
		"names": {`"first_name":"Jane","last_name":"O'Doe \u00e9",`, user.User{FirstName: "Jane", LastName: "O'Doe é"}},
		"the primary of several addresses": {
			`"primary_email_address_id":"idn_2","email_addresses":[{"id":"idn_1","email_address":"a@example.com"},
			{"id":"idn_2","email_address":"b@example.com"},{"id":"idn_3","email_address":"c@example.com"}],`,
			user.User{Email: "b@example.com"},
		},
		"a primary address that is not there": {
			`"primary_email_address_id":"idn_9","email_addresses":[{"id":"idn_1","email_address":"a@example.com"}],`,
			user.User{},
		},
		"a primary address and no list": {`"primary_email_address_id":"idn_9","email_addresses":[],`, user.User{}},
		"addresses and no primary one": {
			`"primary_email_address_id":null,"email_addresses":[{"id":"idn_1","email_address":"a@example.com"}],`,
			user.User{},
		},
		"an address without an id is nobody's primary one": {
			`"primary_email_address_id":"","email_addresses":[{"email_address":"a@example.com"},null],
			"phone_numbers":[{"phone_number":"+1"}],`, user.User{},
		},
		"the primary of several phones": {
			`"primary_phone_number_id":"idn_2","phone_numbers":[{"id":"idn_1","phone_number":"+1"},
			{"id":"idn_2","phone_number":"+2"}],`, user.User{Phone: "+2"},
		},
		"flags": {
			`"banned":true,"locked":true,"deprovisioned":true,`,
			user.User{Banned: true, Locked: true, Deprovisioned: true},
		},
		"what is not used may be anything": {
			`"last_active_at":"soon","passkeys":7,"saml_accounts":{},"image_url":[],"new_in_2030":{"a":[1]},`, user.User{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := decodeUser([]byte(wire(test.more)))
			if err != nil {
				t.Fatal(err)
			}
			want := test.want
			want.ID = "user_jane"
			want.CreatedAt, want.UpdatedAt = time.UnixMilli(1700000000000), time.UnixMilli(1700000000001)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecodeRole(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 10_000)
	for name, test := range map[string]struct{ public, want string }{
		"a role":                      {`{"role":"admin"}`, "admin"},
		"an unknown role":             {`{"role":"owner"}`, "owner"},
		"an empty role":               {`{"role":""}`, ""},
		"null":                        {`{"role":null}`, ""},
		"no role":                     {`{"plan":"admin"}`, ""},
		"a key in capitals":           {`{"ROLE":"admin"}`, ""},
		"a key with a capital":        {`{"Role":"admin","rolE":"trainer"}`, ""},
		"a key like it after it":      {`{"role":"client","ROLE":"admin","Role":"admin"}`, "client"},
		"a key with a long s is none": {`{"roleſ":"admin"}`, ""},
		"deeper":                      {`{"nested":{"role":"admin"}}`, ""},
		"a number":                    {`{"role":1}`, "1"},
		"a truth":                     {`{"role":true}`, "true"},
		"a list":                      {`{"role":["admin"]}`, `["admin"]`},
		"an object":                   {`{"role":{"role":"admin"}}`, `{"role":"admin"}`},
		"a very long text":            {`{"role":"` + long + `"}`, long},
		"no object: null":             {`null`, ""},
		"no object: text":             {`"admin"`, ""},
		"no object: list":             {`[{"role":"admin"}]`, ""},
		"no object: number":           {`7`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u, err := decodeUser([]byte(wire(`"public_metadata":` + test.public + `,`)))
			if err != nil || u.Role != test.want {
				t.Errorf("role %q, %v; want %q", u.Role, err, test.want)
			}
			if _, known := user.ParseRole(u.Role); known && !strings.HasPrefix(test.public, `{"role":"`) {
				t.Errorf("%s became the role %s", test.public, u.Role)
			}
		})
	}
}

func TestOnlyPublicMetadataHasARole(t *testing.T) {
	t.Parallel()
	u, err := decodeUser([]byte(wire(
		`"unsafe_metadata":{"role":"admin","fituser":{"role":"admin"}},"private_metadata":{"role":"admin"},"role":"admin",`)))
	if err != nil || u.Role != "" || u.HasMarker {
		t.Errorf("role %q, marked %v, %v; want neither", u.Role, u.HasMarker, err)
	}
}

func TestDecodeMark(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		private string
		marked  bool
		role    string
	}{
		"ours":                    {`{"fituser":{"role":"admin"}}`, true, "admin"},
		"ours with more":          {`{"fituser":{"role":"admin","since":1}}`, true, "admin"},
		"of an unknown role":      {`{"fituser":{"role":"owner"}}`, true, "owner"},
		"of no role":              {`{"fituser":{}}`, true, ""},
		"of null":                 {`{"fituser":{"role":null}}`, true, ""},
		"of a number":             {`{"fituser":{"role":1}}`, true, ""},
		"of a list":               {`{"fituser":{"role":["admin"]}}`, true, ""},
		"of a role in capitals":   {`{"fituser":{"ROLE":"admin"}}`, true, ""},
		"text":                    {`{"fituser":"admin"}`, true, ""},
		"list":                    {`{"fituser":[{"role":"admin"}]}`, true, ""},
		"false":                   {`{"fituser":false}`, true, ""},
		"null":                    {`{"fituser":null}`, false, ""},
		"none":                    {`{"stripe":"cus_1"}`, false, ""},
		"under a key in capitals": {`{"FITUSER":{"role":"admin"}}`, false, ""},
		"in no object":            {`[{"fituser":{"role":"admin"}}]`, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u, err := decodeUser([]byte(wire(`"private_metadata":` + test.private + `,`)))
			if err != nil || u.HasMarker != test.marked || u.MarkerRole != test.role {
				t.Errorf("marked %v %q, %v; want %v %q", u.HasMarker, u.MarkerRole, err, test.marked, test.role)
			}
		})
	}
}

func TestDecodeUserRefusesWhatIsNoUser(t *testing.T) {
	t.Parallel()
	whole := wire("")
	for name, body := range map[string]string{
		"nothing":                   "",
		"blank":                     "  \n",
		"null":                      "null",
		"empty object":              "{}",
		"list of a user":            "[" + whole + "]",
		"text":                      `"user_jane"`,
		"cut off":                   whole[:len(whole)-1],
		"followed by more":          whole + "x",
		"after a mark":              "\ufeff" + whole,
		"id in capital":             strings.Replace(whole, `"user_jane"`, `"User_jane"`, 1),
		"id with a path":            strings.Replace(whole, `"user_jane"`, `"user_jane/../x"`, 1),
		"no id":                     strings.Replace(whole, `"id"`, `"key"`, 1),
		"id null":                   strings.Replace(whole, `"user_jane"`, `null`, 1),
		"an organization":           strings.Replace(whole, `"object":"user"`, `"object":"organization"`, 1),
		"no object":                 strings.Replace(whole, `"object"`, `"kind"`, 1),
		"deleted":                   `{"object":"user","id":"user_jane","deleted":true}`,
		"no list of addresses":      strings.Replace(whole, `"email_addresses":[],`, ``, 1),
		"addresses null":            strings.Replace(whole, `"email_addresses":[]`, `"email_addresses":null`, 1),
		"created never":             strings.Replace(whole, `1700000000000`, `0`, 1),
		"created before 1970":       strings.Replace(whole, `1700000000000`, `-1`, 1),
		"created as text":           strings.Replace(whole, `1700000000000`, `"1700000000000"`, 1),
		"created in the year 10000": strings.Replace(whole, `1700000000000`, `253402300800000`, 1),
		"updated never":             strings.Replace(whole, `1700000000001`, `null`, 1),
		"updated between two":       strings.Replace(whole, `1700000000001`, `1700000000001.5`, 1),
		"updated in no int64":       strings.Replace(whole, `1700000000001`, `1e30`, 1),
		"name as a number":          wire(`"first_name":7,`),
		"addresses as an object":    wire(`"email_addresses":{},`),
		"address as text":           wire(`"email_addresses":["a@example.com"],`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := decodeUser([]byte(body))
			if got != (user.User{}) || KindOf(err) != Unavailable {
				t.Errorf("got %+v, %v; want no user and kind %q", got, err, Unavailable)
			}
		})
	}
}

func TestTheLastMillisecondOf9999IsATime(t *testing.T) {
	t.Parallel()
	u, err := decodeUser([]byte(strings.Replace(wire(""), `1700000000001`, `253402300799999`, 1)))
	if err != nil || u.UpdatedAt.UTC().Year() != 9999 {
		t.Errorf("updated %s, %v", u.UpdatedAt, err)
	}
}
