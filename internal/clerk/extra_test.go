package clerk

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/user"
)

func TestDecodeUser_Extra(t *testing.T) {
	t.Parallel()
	metadata := func(json string) string { return `"public_metadata":` + json + `,` }
	for name, test := range map[string]struct {
		fields string
		field  user.Field
		want   string
	}{
		"username":                   {`"username":"jane",`, user.FieldUsername, "jane"},
		"no username":                {`"username":null,`, user.FieldUsername, ""},
		"locale":                     {`"locale":"de-DE",`, user.FieldLocale, "de-DE"},
		"picture":                    {`"has_image":true,"image_url":"https://img.clerk.com/a",`, user.FieldImageURL, "https://img.clerk.com/a"},
		"picture that Clerk draws":   {`"has_image":false,"image_url":"https://img.clerk.com/b",`, user.FieldImageURL, "https://img.clerk.com/b"},
		"sign-in":                    {`"last_sign_in_at":1700000000123,`, user.FieldLastSignInAt, "1700000000123"},
		"no sign-in":                 {`"last_sign_in_at":null,`, user.FieldLastSignInAt, ""},
		"text":                       {metadata(`{"plan":"gold"}`), "publicMetadata.plan", "gold"},
		"text with escapes":          {metadata(`{"pl\u0061n":"g\u00f6ld <&>\n"}`), "publicMetadata.plan", "göld <&>\n"},
		"empty text":                 {metadata(`{"plan":""}`), "publicMetadata.plan", ""},
		"nested":                     {metadata(`{"a":{"b":{"c":"x"}}}`), "publicMetadata.a.b.c", "x"},
		"nested in a text":           {metadata(`{"a":"b"}`), "publicMetadata.a.b", ""},
		"nested in a list":           {metadata(`{"a":[{"b":1}]}`), "publicMetadata.a.b", ""},
		"absent":                     {metadata(`{"Plan":"gold"}`), "publicMetadata.plan", ""},
		"null":                       {metadata(`{"plan":null}`), "publicMetadata.plan", ""},
		"null on the way":            {metadata(`{"a":null}`), "publicMetadata.a.b", ""},
		"number":                     {metadata(`{"level":9007199254740993}`), "publicMetadata.level", "9007199254740993"},
		"fraction":                   {metadata(`{"level":1.50}`), "publicMetadata.level", "1.50"},
		"false":                      {metadata(`{"beta":false}`), "publicMetadata.beta", "false"},
		"list":                       {metadata(`{"tags": ["b", "a", 1 ]}`), "publicMetadata.tags", `["b","a",1]`},
		"object with unsorted keys":  {metadata(`{"o": {"b": {"d":"<", "c":2}, "a": null}}`), "publicMetadata.o", `{"a":null,"b":{"c":2,"d":"<"}}`},
		"metadata null":              {metadata(`null`), "publicMetadata.plan", ""},
		"metadata absent":            {``, "publicMetadata.plan", ""},
		"metadata is a list":         {metadata(`["plan"]`), "publicMetadata.plan", ""},
		"field that is no column":    {``, user.FieldEmail, ""},
		"field of the rest":          {`"external_id":"42",`, user.FieldExternalID, ""},
		"invalid path":               {metadata(`{"a b":"x"}`), "publicMetadata.a b", ""},
		"private metadata is closed": {`"private_metadata":{"plan":"gold"},`, "publicMetadata.plan", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u, err := decodeUser([]byte(wire(test.fields)), test.field)
			if err != nil || u.Extra[test.field] != test.want || len(u.Extra) != 1 {
				t.Errorf("extra %q, %v; want %q", u.Extra, err, test.want)
			}
		})
	}
}

// A value of another type must not look like one that was removed.
func TestDecodeUser_ExtraOfWrongTypeIsUnavailable(t *testing.T) {
	t.Parallel()
	for _, fields := range []string{
		`"username":7,`, `"locale":[],`, `"image_url":{},`, `"last_sign_in_at":"soon",`, `"last_sign_in_at":-1,`,
		`"last_sign_in_at":1.5,`, `"last_sign_in_at":253402300800000,`,
	} {
		got, err := decodeUser([]byte(wire(fields)), user.FieldUsername)
		if !isNoUser(got) || KindOf(err) != Unavailable {
			t.Errorf("%s: got %+v, %v; want kind %q", fields, got, err, Unavailable)
		}
		if _, err := decodeUser([]byte(wire(fields))); err != nil {
			t.Errorf("%s: fields that nobody reads make the user invalid: %v", fields, err)
		}
	}
}

// Users of a page are decoded as without further fields, and all of them have the same fields.
func TestDecodePage_Extra(t *testing.T) {
	t.Parallel()
	body := page(t)
	plain, err := decodePage(body)
	if err != nil {
		t.Fatal(err)
	}
	fields := []user.Field{user.FieldUsername, user.FieldImageURL, "publicMetadata.plan"}
	got, err := decodePage(body, fields...)
	if err != nil || len(got.Users) != len(plain.Users) {
		t.Fatalf("%d users, %v; want %d", len(got.Users), err, len(plain.Users))
	}
	for i, u := range got.Users {
		if keys := slices.Sorted(maps.Keys(u.Extra)); len(keys) != len(fields) || u.Extra[user.FieldImageURL] == "" {
			t.Fatalf("user %d has %v", i, u.Extra)
		}
		if want := map[bool]string{true: "gold"}[i%2 == 0]; u.Extra["publicMetadata.plan"] != want {
			t.Fatalf("user %d has the plan %q, want %q", i, u.Extra["publicMetadata.plan"], want)
		}
		u.Extra = nil
		if diff := cmp.Diff(plain.Users[i], u); diff != "" {
			t.Fatalf("(-without +with further fields):\n%s", diff)
		}
	}
}

// A sweep of 10⁶ users must not pay for fields that nobody configured.
func TestDecodeUser_NoExtraAllocatesNothingMore(t *testing.T) {
	body := []byte(wire(`"username":"jane","image_url":"https://img.clerk.com/a","public_metadata":{"plan":"gold"},"external_id":null,`))
	same := []byte(wire(strings.Repeat(" ", 10)))
	allocations := func(body []byte, extra ...user.Field) float64 {
		return testing.AllocsPerRun(100, func() {
			if _, err := decodeUser(body, extra...); err != nil {
				t.Error(err)
			}
		})
	}
	if got, want := allocations(body), allocations(same); got > want {
		t.Errorf("%v allocations for a user with fields that nobody reads, %v for one without", got, want)
	}
}

// A field's text depends on the value and not on its spelling.
func FuzzDecodeExtra(f *testing.F) {
	for _, seed := range []string{`"x"`, `{"b":1,"a":2}`, `[1,2.50,null]`, `null`, `1e400`, `"\u0000"`, `{"a":{"a":{"a":1}}}`, ``, `{`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		const field = user.Field("publicMetadata.a")
		decode := func(value string) (user.User, error) {
			return decodeUser([]byte(wire(`"public_metadata":{"a":`+value+`},`)), field)
		}
		got, err := decode(string(value))
		if err != nil {
			if !isNoUser(got) || KindOf(err) != Unavailable {
				t.Fatalf("got %+v with the error %v", got, err)
			}
			return
		}
		text := got.Extra[field]
		if !strings.HasPrefix(text, "{") && !strings.HasPrefix(text, "[") {
			return
		}
		// What was JSON stays what it is; a text that looks like JSON is none of Clerk's values.
		if again, err := decode(text); err == nil && again.Extra[field] != text && !strings.HasPrefix(strings.TrimSpace(string(value)), `"`) {
			t.Errorf("%s became %s, then %s", value, text, again.Extra[field])
		}
	})
}
