package clerk

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fitai/fituser-operator/internal/user"
)

// maxErrorBody bounds what is read of an error; Clerk's are below 1 KB.
const maxErrorBody = 64 << 10

// How long a 429 pauses all requests.
const (
	// defaultPause is for a 429 without a usable Retry-After: the length of Clerk's window.
	defaultPause = 10 * time.Second
	minPause     = time.Second
	maxPause     = 15 * time.Minute
)

func isJSON(header http.Header) bool {
	mediaType, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	return err == nil && mediaType == "application/json"
}

// failureOf classifies an answer that is no success. Only Clerk's own errors, which have a code, are Clerk's word: a
// proxy's 404 says nothing about a user, and its 403 nothing about the key. A 401 is believed of anybody, as nothing is
// lost by that.
func failureOf(request *http.Request, response *http.Response) *Error {
	said := readClerkError(response)
	failure := &Error{Kind: Unavailable, Status: response.StatusCode, Code: said.code, TraceID: said.traceID}
	switch status := response.StatusCode; {
	case status == http.StatusUnauthorized:
		failure.Kind = Unauthorized
	case status == http.StatusTooManyRequests:
		failure.Kind = Throttled
		failure.RetryAfter = parseRetryAfter(response.Header.Get("Retry-After"), time.Now())
	case status < 300:
		failure.detail = "the answer is not a 200 with JSON"
	case status < 400:
		failure.detail = "redirected: check CLERK_API_URL"
	case status == http.StatusRequestTimeout, status >= 500:
	case said.code == "":
		failure.detail = "not Clerk's own answer: check CLERK_API_URL"
	default:
		failure.refused(request, said)
	}
	return failure
}

// refused classifies what Clerk itself refuses.
func (e *Error) refused(request *http.Request, said clerkError) {
	switch {
	case e.Status == http.StatusNotFound && said.deniesUser(request):
		e.Kind = NotFound
	case e.Status == http.StatusNotFound:
		e.detail = "not about a user: check CLERK_API_URL"
	case e.Status == http.StatusForbidden:
		e.Kind = Unauthorized
	case e.Status == http.StatusConflict && e.Code == "resource_locked":
		e.detail = "the user is being changed by another request"
	default:
		e.Kind = Rejected
	}
}

// clerkError is what is used of Clerk's error envelope. Its message is looked at and never kept: it may quote data.
type clerkError struct{ code, message, traceID string }

var codePattern = regexp.MustCompile(`^[0-9A-Za-z_]{1,64}$`)

// readClerkError reads Clerk's error envelope, where there is one.
func readClerkError(response *http.Response) clerkError {
	var envelope struct {
		Errors []struct {
			Code        string `json:"code"`
			LongMessage string `json:"long_message"`
		} `json:"errors"`
		TraceID string `json:"clerk_trace_id"`
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxErrorBody))
	if err != nil || !isJSON(response.Header) || json.Unmarshal(body, &envelope) != nil {
		return clerkError{}
	}
	var said clerkError
	if codePattern.MatchString(envelope.TraceID) {
		said.traceID = envelope.TraceID
	}
	if len(envelope.Errors) > 0 && codePattern.MatchString(envelope.Errors[0].Code) {
		said.code, said.message = envelope.Errors[0].Code, envelope.Errors[0].LongMessage
	}
	return said
}

// deniesUser reports whether the error says that the user of request does not exist. The code alone would not do: Clerk's
// error catalogue has the same resource_not_found for an unknown URL and an unknown instance ("The URL was not found"),
// and a wrong CLERK_API_URL must not make every user look deleted. The message for a user names the id.
func (said clerkError) deniesUser(request *http.Request) bool {
	if said.code != "resource_not_found" {
		return false
	}
	segments := strings.Split(request.URL.Path, "/")
	words := strings.FieldsFunc(said.message, func(r rune) bool { return !isIDRune(r) })
	return slices.ContainsFunc(words, func(word string) bool {
		_, err := user.ParseID(word)
		return err == nil && slices.Contains(segments, word)
	})
}

func isIDRune(r rune) bool {
	return r == '_' || '0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z'
}

// parseRetryAfter reads a Retry-After header, in whole seconds (as Clerk documents it) or as a date. Garbage counts as
// the length of Clerk's window, and no value makes the operator hammer or sleep for ever.
func parseRetryAfter(value string, now time.Time) time.Duration {
	pause := defaultPause
	// A number that is out of range is a long time, not garbage: ParseUint gives the largest there is.
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil || errors.Is(err, strconv.ErrRange) {
		pause = time.Duration(seconds) * time.Second
	} else if date, err := http.ParseTime(value); err == nil {
		pause = date.Sub(now)
	}
	return min(max(pause, minPause), maxPause)
}
