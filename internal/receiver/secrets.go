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

// secretPrefix starts a signing secret of Svix; the rest is standard base64.
const secretPrefix = "whsec_"

// Keys are signing secrets. The zero value verifies nothing.
type Keys struct {
	hooks []*svix.Webhook
}

// ParseSecrets parses the value of CLERK_WEBHOOK_SECRET: one signing secret, or several separated by commas. It ignores
// space and line ends around them. The error names the problem and the fix, and contains no part of a secret.
//
// ParseSecrets is stricter than the Svix library: with an empty secret, or one of zeros only, anybody can sign.
func ParseSecrets(value string) (Keys, error) {
	secrets := strings.Split(value, ",")
	if len(secrets) > maxSecrets {
		return Keys{}, fmt.Errorf("CLERK_WEBHOOK_SECRET: %d secrets, and at most %d are allowed: remove those that Clerk no longer signs with", len(secrets), maxSecrets)
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
		return nil, errors.New("belongs to an asymmetric key pair, which Clerk does not sign with")
	case strings.ContainsAny(secret, "\r\n"): // base64 would skip them
		return nil, errors.New("contains a line break")
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, secretPrefix))
	switch {
	case err != nil:
		return nil, errors.New("is not whsec_ followed by standard base64")
	case len(key) < minSecretBytes:
		return nil, fmt.Errorf("is %d bytes long, and less than %d bytes can be guessed", len(key), minSecretBytes)
	case len(bytes.Trim(key, "\x00")) == 0: // an HMAC treats it like an empty key
		return nil, errors.New("contains only zeros")
	}
	return key, nil
}

// empty reports whether k contains no secret.
func (k Keys) empty() bool { return len(k.hooks) == 0 }

// match reports whether one of the keys signed body in d. It always tries all keys, so that its duration does not reveal
// which one matches.
func (k Keys) match(d delivery, body []byte) bool {
	header := http.Header{}
	header.Set("svix-id", d.messageID)
	header.Set("svix-timestamp", d.timestamp)
	header.Set("svix-signature", strings.Join(d.signatures, " "))
	matched := false
	for _, hook := range k.hooks {
		// verifySignature has checked the time against the receiver's clock: the library's clock cannot be injected.
		if hook.VerifyIgnoringTimestamp(body, header) == nil {
			matched = true
		}
	}
	return matched
}
