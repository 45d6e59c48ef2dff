package receiver

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// delivery holds the signature headers of one delivery. Their form is valid; the signature is not verified yet.
type delivery struct {
	messageID  string // svix-id: the same for every attempt to deliver one message
	timestamp  string // seconds since 1970; new for every attempt
	signatures []string
}

// readEvent verifies the request and decodes its event. The body is in memory only in here: a request that waits for
// the API server afterwards holds a connection and nothing else.
func (r *Receiver) readEvent(w http.ResponseWriter, req *request) (err error) {
	if req.ContentLength > r.config.Limits.BodyBytes {
		return rejectedSize
	}
	if req.delivery, err = parseDelivery(req.Header); err != nil {
		return err
	}
	body, release, err := r.readBody(w, req)
	defer release()
	if err != nil {
		return err
	}
	if err := verifySignature(req.delivery, body, r.config.Keys(), req.receivedAt); err != nil {
		return err
	}
	req.verified = true
	if !isPlainJSON(req.Header) {
		return rejectedContentType
	}
	req.event, err = decodeEvent(body, r.config.InstanceID, req.receivedAt)
	return err
}

var (
	// messageIDPattern excludes the dot: the signed text is id, dot, timestamp, dot, body.
	messageIDPattern = regexp.MustCompile(`^[0-9A-Za-z_-]+$`)
	// timestampPattern is stricter than the Svix library. The library also reads +1614265330 and 01614265330, and then
	// verifies another text than the sender signed. 18 digits fit an int64.
	timestampPattern = regexp.MustCompile(`^[1-9][0-9]{0,17}$`)
)

// parseDelivery reads the signature headers. Clerk's are svix-id, svix-timestamp and svix-signature. Svix names them
// webhook-… when it sends under a customer's own name, as the Standard Webhooks specification does. parseDelivery reads
// one set as a whole: the webhook- set counts only when no svix- header is present.
func parseDelivery(header http.Header) (delivery, error) {
	prefix := "svix-"
	if !hasAny(header, prefix) {
		prefix = "webhook-"
	}
	id, timestamp := only(header, prefix+"id"), only(header, prefix+"timestamp")
	signatures, ok := parseSignatures(only(header, prefix+"signature"))
	if !ok || len(id) > maxMessageID || !messageIDPattern.MatchString(id) || !timestampPattern.MatchString(timestamp) {
		return delivery{}, rejectedHeaders
	}
	return delivery{messageID: id, timestamp: timestamp, signatures: signatures}, nil
}

func hasAny(header http.Header, prefix string) bool {
	return len(header.Values(prefix+"id"))+len(header.Values(prefix+"timestamp"))+len(header.Values(prefix+"signature")) > 0
}

// only returns the header's value, or "" unless the header has exactly one. Of two values, the Svix library and a proxy
// in front of the receiver might read different ones.
func only(header http.Header, name string) string {
	values := header.Values(name)
	if len(values) != 1 {
		return ""
	}
	return values[0]
}

// parseSignatures returns the v1 signatures: the kind that a symmetric secret verifies. Other kinds in the list are
// skipped, because Svix adds new versions to it.
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

// readBody reads the body: up to SmallBodyBytes at once, and more once a slot for large bodies is free. The caller calls
// release when it no longer needs the body, also after an error.
func (r *Receiver) readBody(w http.ResponseWriter, req *request) (body []byte, release func(), err error) {
	limits, release := r.config.Limits, func() {}
	limited := http.MaxBytesReader(w, req.Body, limits.BodyBytes)
	var read bytes.Buffer
	// Growing step by step would take several times the memory.
	read.Grow(int(min(max(req.ContentLength, 0), limits.SmallBodyBytes)) + bytes.MinRead)
	_, err = io.CopyN(&read, limited, limits.SmallBodyBytes)
	if err == nil { // there may be more
		if release, err = r.acquireSlot(req.Context()); err != nil {
			return nil, func() {}, err
		}
		read.Grow(int(max(req.ContentLength-limits.SmallBodyBytes, 0)) + bytes.MinRead)
		_, err = read.ReadFrom(limited)
	}
	tooLarge := (*http.MaxBytesError)(nil)
	switch {
	case errors.As(err, &tooLarge):
		return nil, release, rejectedSize
	case err != nil && !errors.Is(err, io.EOF):
		return nil, release, rejectedBody
	}
	return read.Bytes(), release, nil
}

// acquireSlot waits for a slot for a large body. release frees the slot.
func (r *Receiver) acquireSlot(ctx context.Context) (release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, r.config.Limits.Queue)
	defer cancel()
	select {
	case r.bodySlots <- struct{}{}:
		return func() { <-r.bodySlots }, nil
	case <-ctx.Done():
		return nil, overloaded
	}
}

// verifySignature checks that d is recent and that one of the keys signed body in it.
func verifySignature(d delivery, body []byte, keys Keys, now time.Time) error {
	seconds, err := strconv.ParseInt(d.timestamp, 10, 64)
	skew := now.Unix() - seconds
	switch {
	case err != nil:
		return rejectedHeaders
	case keys.empty():
		return noSecret
	case skew < -toleranceSeconds || skew > toleranceSeconds:
		return rejectedTimestamp
	case !keys.match(d, body):
		return rejectedSignature
	}
	return nil
}

// isPlainJSON reports whether the body is unencoded JSON in UTF-8. The receiver decompresses nothing.
func isPlainJSON(header http.Header) bool {
	if len(header.Values("Content-Encoding")) > 0 {
		return false
	}
	media, params, err := mime.ParseMediaType(only(header, "Content-Type"))
	if err != nil || media != "application/json" {
		return false
	}
	charset, given := params["charset"]
	return len(params) == 0 || len(params) == 1 && given && strings.EqualFold(charset, "utf-8")
}
