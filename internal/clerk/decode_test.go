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
			"banned":null,"locked":null,"deprovisioned":null,"username":null,"external_id":null,`, user.User{},
		},
		"names": {`"first_name":"Jane","last_name":"O'Doe \u00e9",`, user.User{FirstName: "Jane", LastName: "O'Doe é"}},
		"primary of several addresses": {
			`"primary_email_address_id":"idn_2","email_addresses":[{"id":"idn_1","email_address":"a@example.com"},
			{"id":"idn_2","email_address":"b@example.com"},{"id":"idn_3","email_address":"c@example.com"}],`,
			user.User{Email: "b@example.com", HasEmails: true},
		},
		"dangling primary address": {
			`"primary_email_address_id":"idn_9","email_addresses":[{"id":"idn_1","email_address":"a@example.com"}],`,
			user.User{HasEmails: true},
		},
		"dangling primary address, empty list": {`"primary_email_address_id":"idn_9","email_addresses":[],`, user.User{}},
		"addresses without a primary": {
			`"primary_email_address_id":null,"email_addresses":[{"id":"idn_1","email_address":"a@example.com"}],`,
			user.User{HasEmails: true},
		},
		"address without an id": {
			`"primary_email_address_id":"","email_addresses":[{"email_address":"a@example.com"},null],
			"phone_numbers":[{"phone_number":"+1"}],`, user.User{HasEmails: true},
		},
		"no address at all": {`"email_addresses":[null,{"id":"idn_1"}],`, user.User{}},
		"external id":       {`"external_id":"42",`, user.User{ExternalID: "42"}},

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
			if user.IsRoleName(u.Role) && !strings.HasPrefix(test.public, `{"role":"`) {
				t.Errorf("%s was decoded as the role %s", test.public, u.Role)
			}
		})
	}
}

func TestDecodeUser_RoleOnlyFromPublicMetadata(t *testing.T) {
	t.Parallel()
	u, err := decodeUser([]byte(wire(
		`"unsafe_metadata":{"role":"admin","fituser":{"role":"admin"}},"private_metadata":{"role":"admin"},"role":"admin",`)))
	if err != nil || u.Role != "" || u.HasMarker || u.RequestedRole != "admin" {
		t.Errorf("role %q, marker %v, requested %q, %v; want only the requested role", u.Role, u.HasMarker, u.RequestedRole, err)
	}
}

func TestDecodeUser_RequestedRole(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ unsafe, want string }{
		"role":              {`{"role":"trainer","plan":"gold"}`, "trainer"},
		"escaped key":       {`{"r\u006fle":"trainer"}`, "trainer"},
		"escaped value":     {`{"role":"tr\u0061iner"}`, "trainer"},
		"no role":           {`{"plan":"gold"}`, ""},
		"only in a value":   {`{"plan":"role"}`, ""},
		"upper-case key":    {`{"Role":"trainer"}`, ""},
		"null":              {`{"role":null}`, ""},
		"number":            {`{"role":7}`, "7"},
		"list":              {`{"role":["trainer"]}`, `["trainer"]`},
		"metadata is null":  {`null`, ""},
		"metadata is text":  {`"role"`, ""},
		"metadata is empty": {`{}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u, err := decodeUser([]byte(wire(`"unsafe_metadata":` + test.unsafe + `,`)))
			if err != nil || u.RequestedRole != test.want || u.Role != "" || u.HasMarker {
				t.Errorf("got %+v, %v; want the requested role %q", u, err, test.want)
			}
		})
	}
}

func TestDecodeUser_VerifiedEmails(t *testing.T) {
	t.Parallel()
	address := func(email, verification string) string {
		return `{"id":"idn_` + email + `","email_address":"` + email + `","verification":` + verification + `}`
	}
	status := func(status string) string { return `{"status":` + status + `,"strategy":"email_code","attempts":1}` }
	for name, test := range map[string]struct {
		addresses []string
		want      []string
	}{
		"none":            {nil, nil},
		"verified":        {[]string{address("jane@example.com", status(`"verified"`))}, []string{"jane@example.com"}},
		"capitals":        {[]string{address("Jane@EXAMPLE.com", status(`"verified"`))}, []string{"jane@example.com"}},
		"by an admin":     {[]string{address("a@b.c", `{"status":"verified","strategy":"admin"}`)}, []string{"a@b.c"}},
		"test address":    {[]string{address("a+clerk_test@b.c", status(`"verified"`))}, []string{"a+clerk_test@b.c"}},
		"unverified":      {[]string{address("a@b.c", status(`"unverified"`))}, nil},
		"expired":         {[]string{address("a@b.c", status(`"expired"`))}, nil},
		"failed":          {[]string{address("a@b.c", status(`"failed"`))}, nil},
		"transferable":    {[]string{address("a@b.c", status(`"transferable"`))}, nil},
		"other case":      {[]string{address("a@b.c", status(`"Verified"`))}, nil},
		"status true":     {[]string{address("a@b.c", status(`true`))}, nil},
		"status null":     {[]string{address("a@b.c", status(`null`))}, nil},
		"never attempted": {[]string{address("a@b.c", `null`)}, nil},
		"empty":           {[]string{address("a@b.c", `{}`)}, nil},
		"no verification": {[]string{`{"id":"idn_1","email_address":"a@b.c"}`}, nil},
		"null address":    {[]string{`null`}, nil},
		"several addresses": {[]string{
			address("a@b.c", status(`"verified"`)), address("b@b.c", `null`), address("c@b.c", status(`"verified"`)),
		}, []string{"a@b.c", "c@b.c"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u, err := decodeUser([]byte(wire(`"email_addresses":[` + strings.Join(test.addresses, ",") + `],`)))
			if diff := cmp.Diff(test.want, u.VerifiedEmails); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestDecodeUser_Marker(t *testing.T) {
	t.Parallel()
	none, until := user.Marker{}, time.Date(2027, 1, 31, 18, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		private string
		present bool
		want    user.Marker
	}{
		"of a manifest": {
			`{"fituser":{"role":"admin","owner":"prod-eu"}}`, true, user.Marker{Role: "admin", Owner: "prod-eu"},
		},
		"of a rule": {
			`{"fituser":{"role":"admin","owner":"prod-eu","rule":"staff"}}`, true,
			user.Marker{Role: "admin", Owner: "prod-eu", Rule: "staff"},
		},
		"with an end": {
			`{"fituser":{"role":"admin","owner":"prod-eu","until":"2027-01-31T18:00:00Z"}}`, true,
			user.Marker{Role: "admin", Owner: "prod-eu", Until: until},
		},
		"end in another zone":    {`{"fituser":{"until":"2027-01-31T23:30:00+05:30"}}`, true, user.Marker{Until: until}},
		"end as a date":          {`{"fituser":{"until":"2027-01-31"}}`, true, none},
		"end as a number":        {`{"fituser":{"until":1801418400}}`, true, none},
		"end as any text":        {`{"fituser":{"until":"tomorrow"}}`, true, none},
		"end in the year 10000":  {`{"fituser":{"until":"9999-12-31T23:59:59-12:00"}}`, true, none},
		"end null":               {`{"fituser":{"role":"admin","until":null,"rule":null}}`, true, user.Marker{Role: "admin"}},
		"without owner":          {`{"fituser":{"role":"admin"}}`, true, user.Marker{Role: "admin"}},
		"escaped key":            {`{"fit\u0075ser":{"r\u006fle":"admin"}}`, true, user.Marker{Role: "admin"}},
		"extra key":              {`{"fituser":{"role":"admin","since":1}}`, true, user.Marker{Role: "admin"}},
		"unknown role":           {`{"fituser":{"role":"owner"}}`, true, user.Marker{Role: "owner"}},
		"no role":                {`{"fituser":{"owner":"prod-eu"}}`, true, user.Marker{Owner: "prod-eu"}},
		"empty":                  {`{"fituser":{}}`, true, none},
		"role null":              {`{"fituser":{"role":null}}`, true, none},
		"role number":            {`{"fituser":{"role":1,"owner":2,"rule":[]}}`, true, none},
		"role list":              {`{"fituser":{"role":["admin"]}}`, true, none},
		"upper-case keys":        {`{"fituser":{"ROLE":"admin","Owner":"a","rUle":"b","UNTIL":"2027-01-31T00:00:00Z"}}`, true, none},
		"upper-case after lower": {`{"fituser":{"owner":"a","OWNER":"b"}}`, true, user.Marker{Owner: "a"}},
		"string":                 {`{"fituser":"admin"}`, true, none},
		"list":                   {`{"fituser":[{"role":"admin"}]}`, true, none},
		"false":                  {`{"fituser":false}`, true, none},
		"null":                   {`{"fituser":null}`, false, none},
		"absent":                 {`{"stripe":"cus_1"}`, false, none},
		"upper-case key":         {`{"FITUSER":{"role":"admin"}}`, false, none},
		"only in a value":        {`{"app":"fituser","nested":{"fituser":{"role":"admin"}}}`, false, none},
		"metadata is a list":     {`[{"fituser":{"role":"admin"}}]`, false, none},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u, err := decodeUser([]byte(wire(`"private_metadata":` + test.private + `,`)))
			if err != nil || u.HasMarker != test.present || u.Marker != test.want { // == as in user.Policy, which compares so
				t.Errorf("marker %v %+v, %v; want %v %+v", u.HasMarker, u.Marker, err, test.present, test.want)
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
		"external id as a number":   wire(`"external_id":42,`),
		"name as a number":          wire(`"first_name":7,`),
		"addresses as an object":    wire(`"email_addresses":{},`),
		"address as a string":       wire(`"email_addresses":["a@example.com"],`),
		"verification as a string":  wire(`"email_addresses":[{"email_address":"a@b.c","verification":"verified"}],`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := decodeUser([]byte(body))
			if !isNoUser(got) || KindOf(err) != Unavailable {
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
