package receiver

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"

	svix "github.com/svix/svix-webhooks/go"
)

// secretPrefix is how Svix marks a signing secret; the rest is standard base64.
const secretPrefix = "whsec_"

// Keys are signing secrets. The zero value verifies nothing.
type Keys struct {
	hooks []*svix.Webhook
}

// ParseSecrets reads the value of CLERK_WEBHOOK_SECRET: one signing secret, or several separated by commas. Space and
// line ends around them do not count. The error names what is wrong and what to do, and repeats nothing of a secret.
//
// It refuses what the Svix library takes: with an empty secret, or one of zeros only, anybody can sign.
func ParseSecrets(value string) (Keys, error) {
	secrets := strings.Split(value, ",")
	if len(secrets) > maxSecrets {
		return Keys{}, fmt.Errorf("CLERK_WEBHOOK_SECRET: %d secrets, and more than %d cannot be in force at once: remove those that Clerk no longer signs with", len(secrets), maxSecrets)
	}
	var keys Keys
	for i, secret := range secrets {
		key, err := decodeSecret(strings.TrimSpace(secret))
		if err != nil {
			return Keys{}, fmt.Errorf("CLERK_WEBHOOK_SECRET: secret %d of %d %w: copy the endpoint's signing secret from Clerk's dashboard (Configure, Webhooks)", i+1, len(secrets), err)
		}
		hook, err := svix.NewWebhookRaw(key)
		if err != nil {
			return Keys{}, fmt.Errorf("CLERK_WEBHOOK_SECRET: secret %d of %d: %w", i+1, len(secrets), err)
		}
		keys.hooks = append(keys.hooks, hook)
	}
	return keys, nil
}

func decodeSecret(secret string) ([]byte, error) {
	switch {
	case secret == "":
		return nil, errors.New("is empty")
	case strings.HasPrefix(secret, "sk_"):
		return nil, errors.New("is an API key (sk_…), which belongs in CLERK_SECRET_KEY")
	case strings.HasPrefix(secret, "whpk_"), strings.HasPrefix(secret, "whsk_"):
		return nil, errors.New("is of an asymmetric pair, which Clerk does not sign with")
	case strings.ContainsAny(secret, "\r\n"): // base64 would skip them
		return nil, errors.New("has a line break in it")
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, secretPrefix))
	switch {
	case err != nil:
		return nil, errors.New("is not whsec_ followed by standard base64")
	case len(key) < minSecretBytes:
		return nil, fmt.Errorf("is %d bytes long, and fewer than %d can be guessed", len(key), minSecretBytes)
	case len(bytes.Trim(key, "\x00")) == 0: // to an HMAC the same as no key at all
		return nil, errors.New("is nothing but zeros")
	}
	return key, nil
}

// empty reports whether there is no secret to verify with.
func (k Keys) empty() bool { return len(k.hooks) == 0 }

// verify reports whether one of the keys signed body in d. All keys are tried whatever the first ones say, so that the
// time it takes does not tell which one fits.
func (k Keys) verify(d delivery, body []byte) bool {
	header := http.Header{}
	header.Set("svix-id", d.message)
	header.Set("svix-timestamp", d.timestamp)
	header.Set("svix-signature", strings.Join(d.signatures, " "))
	verified := false
	for _, hook := range k.hooks {
		// The time was checked before, against our own clock: the library's cannot be injected.
		if hook.VerifyIgnoringTimestamp(body, header) == nil {
			verified = true
		}
	}
	return verified
}
