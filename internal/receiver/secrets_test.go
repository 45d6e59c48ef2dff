package receiver

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	svix "github.com/svix/svix-webhooks/go"
)

// secretOf returns a signing secret as Clerk's dashboard shows it.
func secretOf(key string) string { return "whsec_" + base64.StdEncoding.EncodeToString([]byte(key)) }

func TestParseSecrets_Valid(t *testing.T) {
	t.Parallel()
	a, b := secretOf("the first signing secret"), secretOf("the second signing secret, longer")
	cases := map[string]struct {
		value string
		keys  int
	}{
		"one":                            {a, 1},
		"a file's line end":              {a + "\n", 1},
		"a Windows file's line end":      {a + "\r\n", 1},
		"two, during a rotation":         {a + "," + b, 2},
		"two, with space between":        {" " + a + " ,\n" + b + "\n", 2},
		"without the prefix, as in Svix": {strings.TrimPrefix(a, "whsec_"), 1},
		"as many as are allowed":         {strings.Repeat(a+",", maxSecrets-1) + a, maxSecrets},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keys, err := ParseSecrets(c.value)
			if err != nil || len(keys.hooks) != c.keys {
				t.Errorf("got %d keys and error %v, want %d keys", len(keys.hooks), err, c.keys)
			}
		})
	}
}

func TestParseSecrets_UnsafeIsRefused(t *testing.T) {
	t.Parallel()
	good := secretOf("the first signing secret")
	urlSafe := "whsec_" + base64.URLEncoding.EncodeToString([]byte(strings.Repeat("\xfb\xff", 16)))
	cases := map[string]struct{ value, want string }{
		"nothing":                  {"", "is empty"},
		"only a line end":          {"\n", "is empty"},
		"only the prefix":          {"whsec_", "0 bytes"},
		"prefix and line end":      {"whsec_\n", "0 bytes"},
		"too short":                {secretOf("23 bytes are too few..."), "23 bytes"},
		"zeros, as good as empty":  {secretOf(strings.Repeat("\x00", 24)), "zeros"},
		"the prefix twice":         {"whsec_" + good, "standard base64"},
		"not base64":               {"whsec_this is not base64, is it?", "standard base64"},
		"URL-safe base64":          {urlSafe, "standard base64"},
		"unpadded base64":          {strings.TrimRight(secretOf("the first signing secret1"), "="), "standard base64"},
		"a line break inside":      {good[:20] + "\n" + good[20:], "line break"},
		"an empty one in the list": {good + ",", "secret 2 of 2 is empty"},
		"a bad one in the list":    {good + ",whsec_AAAA," + good, "secret 2 of 3"},
		"too many":                 {strings.Repeat(good+",", maxSecrets) + good, "17 secrets"},
		"Clerk's API key":          {"sk_live_abcdefghijklmnopqrstuvwxyz0123456789ABCDEF", "CLERK_SECRET_KEY"},
		"a public key":             {"whpk_" + strings.TrimPrefix(good, "whsec_"), "asymmetric"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keys, err := ParseSecrets(c.value)
			if err == nil {
				t.Fatal("was accepted")
			}
			if !keys.empty() {
				t.Error("some of the keys were kept")
			}
			for _, want := range []string{"CLERK_WEBHOOK_SECRET", c.want} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not contain %q", err, want)
				}
			}
			for part := range strings.FieldsFuncSeq(c.value, func(r rune) bool { return strings.ContainsRune("_,\n ", r) }) {
				if len(part) > 7 && strings.Contains(err.Error(), part) {
					t.Errorf("error %q repeats the secret", err)
				}
			}
		})
	}
}

func FuzzParseSecrets(f *testing.F) {
	good := secretOf("the first signing secret")
	for _, seed := range []string{
		"", ",", good, good + "\n", good + "," + good, good[:20], "whsec_", "whsec_" + good, "sk_test_abc", "whpk_abc",
		secretOf(strings.Repeat("\x00", 24)), strings.Repeat(good+",", maxSecrets), good[:10] + "\n" + good[10:],
	} {
		f.Add(seed)
	}
	body := []byte("{}")
	f.Fuzz(func(t *testing.T, value string) {
		keys, err := ParseSecrets(value)
		if err != nil {
			if !keys.empty() {
				t.Errorf("keys in spite of %v", err)
			}
			if len(value) > 30 && strings.Contains(err.Error(), value) {
				t.Errorf("the error repeats the secret: %v", err)
			}
			return
		}
		if keys.empty() || len(keys.hooks) > maxSecrets {
			t.Fatalf("%d keys", len(keys.hooks))
		}
		for _, guess := range []string{"", strings.Repeat("\x00", minSecretBytes)} {
			hook, err := svix.NewWebhookRaw([]byte(guess))
			if err != nil {
				t.Fatal(err)
			}
			signature, err := hook.Sign("msg_1", time.Unix(1, 0), body)
			if err != nil {
				t.Fatal(err)
			}
			if keys.match(delivery{messageID: "msg_1", timestamp: "1", signatures: []string{signature}}, body) {
				t.Error("anybody can sign")
			}
		}
	})
}
