package receiver

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// delivery is what the signature headers of one delivery say, checked for form.
type delivery struct {
	message    string // svix-id: the same for every try of one message
	timestamp  string // seconds since 1970; new for every try
	signatures []string
}

var (
	// messagePattern has no dot: the signed text is id, dot, timestamp, dot, body.
	messagePattern = regexp.MustCompile(`^[0-9A-Za-z_-]+$`)
	// timestampPattern is stricter than the Svix library, which also reads +1614265330 and 01614265330 and then verifies
	// another text than the sender signed. 18 digits fit an int64.
	timestampPattern = regexp.MustCompile(`^[1-9][0-9]{0,17}$`)
)

// parseDelivery reads the signature headers. Clerk's are svix-id, svix-timestamp and svix-signature; Svix calls them
// webhook-… when it sends for a customer under the customer's own name, as the Standard Webhooks specification does.
// One set counts as a whole: the webhook- set is looked at only where no svix- header is.
func parseDelivery(header http.Header) (delivery, error) {
	prefix := "svix-"
	if !hasAny(header, prefix) {
		prefix = "webhook-"
	}
	message, timestamp := only(header, prefix+"id"), only(header, prefix+"timestamp")
	signatures, ok := parseSignatures(only(header, prefix+"signature"))
	if !ok || len(message) > maxMessageID || !messagePattern.MatchString(message) || !timestampPattern.MatchString(timestamp) {
		return delivery{}, rejectedHeaders
	}
	return delivery{message: message, timestamp: timestamp, signatures: signatures}, nil
}

func hasAny(header http.Header, prefix string) bool {
	return len(header.Values(prefix+"id"))+len(header.Values(prefix+"timestamp"))+len(header.Values(prefix+"signature")) > 0
}

// only is the header's value, or "" unless it has exactly one: with two, the library and others before us might not
// look at the same one.
func only(header http.Header, name string) string {
	values := header.Values(name)
	if len(values) != 1 {
		return ""
	}
	return values[0]
}

// parseSignatures keeps the signatures of the one kind that a symmetric secret can verify. Others may stand beside
// them: Svix adds new versions to the list.
func parseSignatures(value string) (signatures []string, ok bool) {
	entries := strings.Split(value, " ")
	if len(entries) > maxSignatures {
		return nil, false
	}
	for _, entry := range entries {
		encoded, isV1 := strings.CutPrefix(entry, "v1,")
		sum, err := base64.StdEncoding.Strict().DecodeString(encoded)
		if isV1 && err == nil && len(sum) == sha256.Size {
			signatures = append(signatures, entry)
		}
	}
	return signatures, len(signatures) > 0
}

// verify checks that d is recent and that one of the keys signed body in it.
func verify(d delivery, body []byte, keys Keys, now time.Time) error {
	seconds, err := strconv.ParseInt(d.timestamp, 10, 64)
	skew := now.Unix() - seconds
	switch {
	case err != nil:
		return rejectedHeaders
	case keys.empty():
		return noSecret
	case skew < -toleranceSeconds || skew > toleranceSeconds:
		return rejectedTimestamp
	case !keys.verify(d, body):
		return rejectedSignature
	}
	return nil
}
