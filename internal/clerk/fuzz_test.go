package clerk

import (
	"strings"
	"testing"
	"time"

	"github.com/fitai/fituser-operator/internal/user"
)

func TestParseRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"0":                              minPause,
		"1":                              time.Second,
		"7":                              7 * time.Second,
		"007":                            7 * time.Second,
		"899":                            899 * time.Second,
		"900":                            maxPause,
		"901":                            maxPause,
		"4294967295":                     maxPause,
		"4294967296":                     maxPause,
		"99999999999999999999999":        maxPause,
		"Sun, 01 Mar 2026 12:01:30 GMT":  90 * time.Second,
		"Sunday, 01-Mar-26 12:01:30 GMT": 90 * time.Second,
		"Sun Mar  1 12:01:30 2026":       90 * time.Second,
		"Sun, 01 Mar 2026 12:00:00 GMT":  minPause,
		"Sun, 01 Mar 2020 12:00:00 GMT":  minPause,
		"Mon, 01 Jan 0001 00:00:00 GMT":  minPause,
		"Fri, 31 Dec 9999 23:59:59 GMT":  maxPause,
		"":                               defaultPause,
		"soon":                           defaultPause,
		"-7":                             defaultPause,
		"+7":                             defaultPause,
		"7.5":                            defaultPause,
		"1e3":                            defaultPause,
		"0x10":                           defaultPause,
		"1_000":                          defaultPause,
		"7 s":                            defaultPause,
		"7, 9":                           defaultPause,
		"2026-03-01T12:01:30Z":           defaultPause,
	} {
		if got := parseRetryAfter(value, now); got != want {
			t.Errorf("Retry-After %q: pause of %s, want %s", value, got, want)
		}
	}
}

func FuzzParseRetryAfter(f *testing.F) {
	for _, seed := range []string{"", "0", "7", "-1", "4294967296", "1e9", "Sun, 01 Mar 2026 12:01:30 GMT", "soon\x00"} {
		f.Add(seed, int64(1_772_366_400))
	}
	f.Fuzz(func(t *testing.T, value string, now int64) {
		if got := parseRetryAfter(value, time.Unix(now, 0)); got < minPause || got > maxPause {
			t.Errorf("Retry-After %q: pause of %s", value, got)
		}
	})
}

func FuzzDecodeUser(f *testing.F) {
	for _, seed := range []string{
		"", "null", "{}", "[]", `"x"`, wire(""), wire("")[:40], "[" + wire("") + "]",
		wire(`"first_name":"Jane","primary_email_address_id":"i","email_addresses":[{"id":"i","email_address":"a@b.c"}],`),
		wire(`"public_metadata":{"role":"admin"},"private_metadata":{"fituser":{"role":"admin"}},`),
		wire(`"private_metadata":{"fituser":{"role":"admin","owner":"a","rule":"b","until":"2027-01-31T18:00:00+01:00"}},`),
		wire(`"unsafe_metadata":{"r\u006fle":"admin"},"email_addresses":[{"email_address":"A@b.c",
			"verification":{"status":"verified"}},{"email_address":"","verification":null}],`),
		wire(`"public_metadata":{"ROLE":"admin"},"private_metadata":{"fituser":[]},"banned":true,`),
		`{"object":"user","id":"user_jane","deleted":true}`,
		strings.Replace(wire(""), "user_jane", "user_jane/../x", 1),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := decodeUser(body)
		if err != nil {
			if !isNoUser(got) || KindOf(err) != Unavailable {
				t.Fatalf("got %+v with the error %v", got, err)
			}
			return
		}
		if _, err := user.ParseID(string(got.ID)); err != nil {
			t.Errorf("user with the invalid id %q", got.ID)
		}
		if !strings.Contains(string(body), string(got.ID)) && !strings.Contains(string(body), `\u`) {
			t.Errorf("the id %q is not in the response", got.ID)
		}
		if got.CreatedAt.UnixMilli() <= 0 || got.UpdatedAt.UnixMilli() <= 0 || got.CreatedAt.UTC().Year() > 9999 {
			t.Errorf("user created %s, updated %s", got.CreatedAt, got.UpdatedAt)
		}
		if !got.HasMarker && got.Marker != (user.Marker{}) {
			t.Errorf("%+v without a marker", got.Marker)
		}
		if until := got.Marker.Until; until.Location() != time.UTC || !until.IsZero() && !isTime(until.UnixMilli()) {
			t.Errorf("the marker ends at %s", until)
		}
		for _, address := range got.VerifiedEmails {
			if address != user.NormalizeEmail(address) || !strings.Contains(string(body), `"verified"`) {
				t.Errorf("verified address %q", address)
			}
		}
	})
}

// FuzzDecodePage decodes arbitrary bodies. An invalid page must neither end a scan early nor move its cursor elsewhere.
func FuzzDecodePage(f *testing.F) {
	for _, seed := range []string{
		"", "null", "{}", "[]", "[null]", "[[]]", "[" + wire("") + "]", "[" + wire("") + "," + wire("") + "]",
		`[{"id":"user_jane"}]`, `[` + wire("") + `,{"id":"user_joe"}]`, `[` + wire("") + `,{"id":"../joe"}]`,
		`{"data":[` + wire("") + `],"total_count":1}`, "[" + wire("")[:40],
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		page, err := decodePage(body)
		if err != nil {
			if KindOf(err) != Unavailable {
				t.Errorf("kind %q", KindOf(err))
			}
			return
		}
		if len(page.Users) > page.Entries || page.Entries == 0 && page.Last != "" {
			t.Errorf("%d users of %d entries, last id %q", len(page.Users), page.Entries, page.Last)
		}
		if _, err := user.ParseID(string(page.Last)); page.Entries > 0 && err != nil {
			t.Errorf("the next page would start after the invalid id %q", page.Last)
		}
		for _, u := range page.Users {
			if _, err := user.ParseID(string(u.ID)); err != nil {
				t.Errorf("user with the invalid id %q", u.ID)
			}
		}
	})
}
