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

// maxErrorBody bounds how much of an error response is read. Clerk's are below 1 KB.
const maxErrorBody = 64 << 10

// Bounds on the pause of all requests after a 429.
const (
	// defaultPause applies to a 429 without a valid Retry-After. It is the length of Clerk's window.
	defaultPause = 10 * time.Second
	minPause     = time.Second
	maxPause     = 15 * time.Minute
)

func isJSON(header http.Header) bool {
	mediaType, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	return err == nil && mediaType == "application/json"
}

// classifyResponse classifies an unsuccessful response. It trusts only Clerk's own errors, which have a code: a proxy's
// 404 proves nothing about a user, and a proxy's 403 nothing about the key. A 401 from any source counts as
// [Unauthorized], because that has no lasting effect.
func classifyResponse(request *http.Request, response *http.Response) *Error {
	apiErr := readAPIError(response)
	failure := &Error{Kind: Unavailable, Status: response.StatusCode, Code: apiErr.code, Param: apiErr.param, TraceID: apiErr.traceID}
	switch status := response.StatusCode; {
	case status == http.StatusUnauthorized:
		failure.Kind = Unauthorized
	case status == http.StatusTooManyRequests:
		failure.Kind = Throttled
		failure.RetryAfter = parseRetryAfter(response.Header.Get("Retry-After"), time.Now())
	case status < 300:
		failure.detail = "response is not a 200 with JSON"
	case status < 400:
		failure.detail = "redirected: check CLERK_API_URL"
	case status == http.StatusRequestTimeout, status >= 500:
	case apiErr.code == "":
		failure.detail = "response is not from Clerk: check CLERK_API_URL"
	default:
		failure.classifyRejection(request, apiErr)
	}
	return failure
}

// classifyRejection classifies a rejection by Clerk itself.
func (e *Error) classifyRejection(request *http.Request, apiErr apiError) {
	switch {
	case e.Status == http.StatusNotFound && apiErr.confirmsNotFound(request):
		e.Kind = NotFound
	case e.Status == http.StatusNotFound:
		e.detail = "404 does not concern the user: check CLERK_API_URL"
	case e.Status == http.StatusForbidden && strings.HasSuffix(e.Code, "quota_exceeded"):
		e.Kind = Rejected // the key is good: the plan is used up
	case e.Status == http.StatusForbidden:
		e.Kind = Unauthorized
	case e.Status == http.StatusConflict && e.Code == "resource_locked":
		e.detail = "another request is changing the user"
	default:
		e.Kind = Rejected
	}
}

// apiError is the part of Clerk's error envelope that is used. The message is inspected and never kept, because it may
// quote personal data.
type apiError struct{ code, param, message, traceID string }

var codePattern = regexp.MustCompile(`^[0-9A-Za-z_]{1,64}$`)

// readAPIError reads Clerk's error envelope. It returns the zero value for any other body.
func readAPIError(response *http.Response) apiError {
	var envelope struct {
		Errors []struct {
			Code        string          `json:"code"`
			LongMessage string          `json:"long_message"`
			Meta        json.RawMessage `json:"meta"` // its keys depend on the code
		} `json:"errors"`
		TraceID string `json:"clerk_trace_id"`
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxErrorBody))
	if err != nil || !isJSON(response.Header) || json.Unmarshal(body, &envelope) != nil {
		return apiError{}
	}
	var apiErr apiError
	if codePattern.MatchString(envelope.TraceID) {
		apiErr.traceID = envelope.TraceID
	}
	if len(envelope.Errors) > 0 && codePattern.MatchString(envelope.Errors[0].Code) {
		first := envelope.Errors[0]
		apiErr.code, apiErr.message, apiErr.param = first.Code, first.LongMessage, paramOf(first.Meta)
	}
	return apiErr
}

// paramOf returns the parameter that an error's meta names, if it is one that this package sends: any other text could be
// personal data.
func paramOf(meta json.RawMessage) string {
	var named struct {
		Param string `json:"param_name"`
	}
	if json.Unmarshal(meta, &named) != nil || !slices.Contains(sentParams(), named.Param) {
		return ""
	}
	return named.Param
}

// confirmsNotFound reports whether the error means that the user of request does not exist. The code alone is not
// enough: Clerk's error catalogue uses resource_not_found also for an unknown URL ("The URL was not found") and an
// unknown instance. A wrong CLERK_API_URL must not make every user look deleted. The message for a user names the id.
func (e apiError) confirmsNotFound(request *http.Request) bool {
	if e.code != "resource_not_found" {
		return false
	}
	segments := strings.Split(request.URL.Path, "/")
	tokens := strings.FieldsFunc(e.message, func(r rune) bool { return !isIDRune(r) })
	return slices.ContainsFunc(tokens, func(token string) bool {
		_, err := user.ParseID(token)
		return err == nil && slices.Contains(segments, token)
	})
}

func isIDRune(r rune) bool {
	return r == '_' || '0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z'
}

// parseRetryAfter parses a Retry-After header: whole seconds, as Clerk documents it, or a date. An invalid value counts
// as the length of Clerk's window. The result is at least minPause and at most maxPause.
func parseRetryAfter(value string, now time.Time) time.Duration {
	pause := defaultPause
	// A number out of range means a long pause and is not invalid: ParseUint then returns the maximum.
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil || errors.Is(err, strconv.ErrRange) {
		pause = time.Duration(seconds) * time.Second
	} else if date, err := http.ParseTime(value); err == nil {
		pause = date.Sub(now)
	}
	return min(max(pause, minPause), maxPause)
}
