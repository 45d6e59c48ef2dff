package clerk

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/user"
)

// wire returns the JSON of a minimal user, preceded by the given fields. Of two equal keys the decoder uses the last, so
// the minimal fields do not include those that tests set.
func wire(fields string) string {
	if !strings.Contains(fields, `"email_addresses"`) {
		fields += `"email_addresses":[],`
	}
	return `{` + fields + `"id":"user_jane","object":"user","created_at":1700000000000,"updated_at":1700000000001}`
}

func TestDecodeUser_Fields(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fields string
		want   user.User // without the id and the times
	}{
		"minimal": {``, user.User{}},
		"nulls": {
			`"first_name":null,"last_name":null,"primary_email_address_id":null,"primary_phone_number_id":null,
			"phone_numbers":null,"public_metadata":null,"private_metadata":null,"unsafe_metadata":null,
			"banned":null,"locked":null,"deprovisioned":null,"username":null,`, user.User{},
		},
		"names": {`"first_name":"Jane","last_name":"O'Doe \u00e9",`, user.User{FirstName: "Jane", LastName: "O'Doe é"}},
		"primary of several addresses": {
			`"primary_email_address_id":"idn_2","email_addresses":[{"id":"idn_1","email_address":"a@example.com"},
			{"id":"idn_2","email_address":"b@example.com"},{"id":"idn_3","email_address":"c@example.com"}],`,
			user.User{Email: "b@example.com"},
		},
		"dangling primary address": {
			`"primary_email_address_id":"idn_9","email_addresses":[{"id":"idn_1","email_address":"a@example.com"}],`,
			user.User{},
		},
		"dangling primary address, empty list": {`"primary_email_address_id":"idn_9","email_addresses":[],`, user.User{}},
		"addresses without a primary": {
			`"primary_email_address_id":null,"email_addresses":[{"id":"idn_1","email_address":"a@example.com"}],`,
			user.User{},
		},
		"address without an id": {
			`"primary_email_address_id":"","email_addresses":[{"email_address":"a@example.com"},null],
			"phone_numbers":[{"phone_number":"+1"}],`, user.User{},
		},
		"primary of several phones": {
			`"primary_phone_number_id":"idn_2","phone_numbers":[{"id":"idn_1","phone_number":"+1"},
			{"id":"idn_2","phone_number":"+2"}],`, user.User{Phone: "+2"},
		},
		"flags": {
			`"banned":true,"locked":true,"deprovisioned":true,`,
			user.User{Banned: true, Locked: true, Deprovisioned: true},
		},
		"unused fields of any type": {
			`"last_active_at":"soon","passkeys":7,"saml_accounts":{},"image_url":[],"new_in_2030":{"a":[1]},`, user.User{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := decodeUser([]byte(wire(test.fields)))
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

func TestDecodeUser_Role(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 10_000)
	for name, test := range map[string]struct{ public, want string }{
		"known role":                {`{"role":"admin"}`, "admin"},
		"unknown role":              {`{"role":"owner"}`, "owner"},
		"empty role":                {`{"role":""}`, ""},
		"null":                      {`{"role":null}`, ""},
		"no role":                   {`{"plan":"admin"}`, ""},
		"upper-case key":            {`{"ROLE":"admin"}`, ""},
		"mixed-case keys":           {`{"Role":"admin","rolE":"trainer"}`, ""},
		"upper-case key after role": {`{"role":"client","ROLE":"admin","Role":"admin"}`, "client"},
		"key with a long s":         {`{"roleſ":"admin"}`, ""},
		"nested key":                {`{"nested":{"role":"admin"}}`, ""},
		"number":                    {`{"role":1}`, "1"},
		"boolean":                   {`{"role":true}`, "true"},
		"list":                      {`{"role":["admin"]}`, `["admin"]`},
		"object":                    {`{"role":{"role":"admin"}}`, `{"role":"admin"}`},
		"very long string":          {`{"role":"` + long + `"}`, long},
		"metadata is null":          {`null`, ""},
		"metadata is a string":      {`"admin"`, ""},
		"metadata is a list":        {`[{"role":"admin"}]`, ""},
		"metadata is a number":      {`7`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u, err := decodeUser([]byte(wire(`"public_metadata":` + test.public + `,`)))
			if err != nil || u.Role != test.want {
				t.Errorf("role %q, %v; want %q", u.Role, err, test.want)
			}
			if _, known := user.ParseRole(u.Role); known && !strings.HasPrefix(test.public, `{"role":"`) {
				t.Errorf("%s was decoded as the role %s", test.public, u.Role)
			}
		})
	}
}

func TestDecodeUser_RoleOnlyFromPublicMetadata(t *testing.T) {
	t.Parallel()
	u, err := decodeUser([]byte(wire(
		`"unsafe_metadata":{"role":"admin","fituser":{"role":"admin"}},"private_metadata":{"role":"admin"},"role":"admin",`)))
	if err != nil || u.Role != "" || u.HasMarker {
		t.Errorf("role %q, marker %v, %v; want neither", u.Role, u.HasMarker, err)
	}
}

func TestDecodeUser_Marker(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		private string
		present bool
		role    string
	}{
		"marker":             {`{"fituser":{"role":"admin"}}`, true, "admin"},
		"extra key":          {`{"fituser":{"role":"admin","since":1}}`, true, "admin"},
		"unknown role":       {`{"fituser":{"role":"owner"}}`, true, "owner"},
		"no role":            {`{"fituser":{}}`, true, ""},
		"role null":          {`{"fituser":{"role":null}}`, true, ""},
		"role number":        {`{"fituser":{"role":1}}`, true, ""},
		"role list":          {`{"fituser":{"role":["admin"]}}`, true, ""},
		"upper-case role":    {`{"fituser":{"ROLE":"admin"}}`, true, ""},
		"string":             {`{"fituser":"admin"}`, true, ""},
		"list":               {`{"fituser":[{"role":"admin"}]}`, true, ""},
		"false":              {`{"fituser":false}`, true, ""},
		"null":               {`{"fituser":null}`, false, ""},
		"absent":             {`{"stripe":"cus_1"}`, false, ""},
		"upper-case key":     {`{"FITUSER":{"role":"admin"}}`, false, ""},
		"metadata is a list": {`[{"fituser":{"role":"admin"}}]`, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u, err := decodeUser([]byte(wire(`"private_metadata":` + test.private + `,`)))
			if err != nil || u.HasMarker != test.present || u.MarkerRole != test.role {
				t.Errorf("marker %v %q, %v; want %v %q", u.HasMarker, u.MarkerRole, err, test.present, test.role)
			}
		})
	}
}

func TestDecodeUser_RejectsInvalidUsers(t *testing.T) {
	t.Parallel()
	whole := wire("")
	for name, body := range map[string]string{
		"empty body":                "",
		"blanks":                    "  \n",
		"null":                      "null",
		"empty object":              "{}",
		"list of a user":            "[" + whole + "]",
		"string":                    `"user_jane"`,
		"truncated":                 whole[:len(whole)-1],
		"trailing text":             whole + "x",
		"byte order mark":           "\ufeff" + whole,
		"upper-case id":             strings.Replace(whole, `"user_jane"`, `"User_jane"`, 1),
		"id with a path":            strings.Replace(whole, `"user_jane"`, `"user_jane/../x"`, 1),
		"no id":                     strings.Replace(whole, `"id"`, `"key"`, 1),
		"id null":                   strings.Replace(whole, `"user_jane"`, `null`, 1),
		"organization":              strings.Replace(whole, `"object":"user"`, `"object":"organization"`, 1),
		"no object":                 strings.Replace(whole, `"object"`, `"kind"`, 1),
		"deleted":                   `{"object":"user","id":"user_jane","deleted":true}`,
		"no addresses":              strings.Replace(whole, `"email_addresses":[],`, ``, 1),
		"addresses null":            strings.Replace(whole, `"email_addresses":[]`, `"email_addresses":null`, 1),
		"created at zero":           strings.Replace(whole, `1700000000000`, `0`, 1),
		"created before 1970":       strings.Replace(whole, `1700000000000`, `-1`, 1),
		"created as a string":       strings.Replace(whole, `1700000000000`, `"1700000000000"`, 1),
		"created in the year 10000": strings.Replace(whole, `1700000000000`, `253402300800000`, 1),
		"updated null":              strings.Replace(whole, `1700000000001`, `null`, 1),
		"updated with a fraction":   strings.Replace(whole, `1700000000001`, `1700000000001.5`, 1),
		"updated beyond int64":      strings.Replace(whole, `1700000000001`, `1e30`, 1),
		"name as a number":          wire(`"first_name":7,`),
		"addresses as an object":    wire(`"email_addresses":{},`),
		"address as a string":       wire(`"email_addresses":["a@example.com"],`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := decodeUser([]byte(body))
			if got != (user.User{}) || KindOf(err) != Unavailable {
				t.Errorf("got %+v, %v; want a zero user and kind %q", got, err, Unavailable)
			}
		})
	}
}

func TestDecodeUser_AcceptsYear9999(t *testing.T) {
	t.Parallel()
	u, err := decodeUser([]byte(strings.Replace(wire(""), `1700000000001`, `253402300799999`, 1)))
	if err != nil || u.UpdatedAt.UTC().Year() != 9999 {
		t.Errorf("updated %s, %v", u.UpdatedAt, err)
	}
}
