package clerktest

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// apiError is an unsuccessful response: a status and one or more errors.
type apiError struct {
	status     int
	retryAfter time.Duration
	items      []errorItem
}

// errorItem is Clerk's schema ClerkError.
type errorItem struct {
	Message     string         `json:"message"`
	LongMessage string         `json:"long_message"`
	Code        string         `json:"code"`
	Meta        map[string]any `json:"meta,omitempty"`
}

// errorEnvelope is Clerk's schema ClerkErrors.
type errorEnvelope struct {
	Errors       []errorItem `json:"errors"`
	ClerkTraceID string      `json:"clerk_trace_id"`
}

// Error returns the status and the codes, for the log of a failed test.
func (e *apiError) Error() string {
	codes := make([]string, len(e.items))
	for i, item := range e.items {
		codes[i] = item.Code
	}
	return fmt.Sprintf("%d %s", e.status, strings.Join(codes, ", "))
}

func (e *apiError) write(w http.ResponseWriter, trace string) {
	if e.retryAfter > 0 {
		seconds := (e.retryAfter + time.Second - 1) / time.Second
		w.Header().Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
	}
	writeJSON(w, e.status, errorEnvelope{Errors: e.items, ClerkTraceID: trace})
}

// asAPIError returns the response for err. Unknown errors become Clerk's 500.
func asAPIError(err error) *apiError {
	if known, ok := errors.AsType[*apiError](err); ok {
		return known
	}
	return catalogError(http.StatusInternalServerError, "internal_clerk_error")
}

// catalogError returns an error without a parameter, with the texts of Clerk's error catalogue.
func catalogError(status int, code string) *apiError {
	message, long := catalogTexts(code)
	return newAPIError(status, code, message, long)
}

func newAPIError(status int, code, message, long string) *apiError {
	return &apiError{status: status, items: []errorItem{{Message: message, LongMessage: long, Code: code}}}
}

func catalogTexts(code string) (message, long string) {
	switch code {
	case "clerk_key_invalid":
		s := "The provided Clerk Secret Key is invalid. Make sure that your Clerk Secret Key is correct."
		return s, s
	case "authorization_header_format_invalid":
		return "Invalid Authorization header format",
			"Invalid Authorization header format. Must be 'Bearer <YOUR_API_KEY>'"
	case "authorization_invalid":
		return "Unauthorized request", "You are not authorized to perform this request"
	case "resource_not_found":
		return "not found", "Resource not found"
	case "resource_locked":
		return "resource busy",
			"This resource is currently being modified by another request. Please try again."
	case "user_managed_by_scim":
		return "user managed by directory sync",
			"This user is managed by a directory and cannot be deleted manually."
	case "request_body_invalid":
		return "Request body invalid",
			"The request body is invalid. Please consult the API documentation for more information."
	case "too_many_requests":
		return "Too many requests", "Too many requests, retry later"
	case "internal_clerk_error":
		return "Oops, an unexpected error occurred",
			"There was an internal error on our servers. We've been notified and are working on fixing it."
	case "service_unavailable":
		return "Service unavailable", "Service unavailable"
	default:
		text := strings.ReplaceAll(code, "_", " ")
		return text, text
	}
}

func userNotFound(id string) *apiError {
	return newAPIError(http.StatusNotFound, "resource_not_found", "not found", "No user was found with id "+id)
}

func urlNotFound() *apiError {
	return newAPIError(http.StatusNotFound, "resource_not_found", "URL not found", "The URL was not found")
}

func tooManyRequests(retryAfter time.Duration) *apiError {
	e := catalogError(http.StatusTooManyRequests, "too_many_requests")
	e.retryAfter = retryAfter
	return e
}

// invalid returns a 422 for one parameter.
func invalid(parameter, code, message, long string) *apiError {
	item := errorItem{Message: message, LongMessage: long, Code: code, Meta: map[string]any{"param_name": parameter}}
	return &apiError{status: http.StatusUnprocessableEntity, items: []errorItem{item}}
}

func unknownParameter(p string) *apiError {
	return invalid(p, "form_param_unknown", "is unknown", p+" is not a valid parameter for this request.")
}

func wrongValue(p, value string) *apiError {
	return invalid(p, "form_param_value_invalid", "is invalid",
		value+" does not match one of the allowed values for parameter "+p)
}

func wrongType(p, want string) *apiError {
	return invalid(p, "form_param_value_invalid", "is invalid", p+" is invalid. Must be of type "+want+".")
}

func wrongFormat(p, want string) *apiError {
	return invalid(p, "form_param_format_invalid", "is invalid", p+" must be "+want+".")
}

func missing(p string) *apiError {
	return invalid(p, "form_param_missing", "is missing", p+" must be included.")
}

// identifierExists returns the error for a value that another user has. The text is that of Clerk's real responses; its
// catalogue has none.
func identifierExists(v uniqueValue) *apiError {
	text := fmt.Sprintf("That %s is taken. Please try another.", strings.ReplaceAll(v.parameter, "_", " "))
	return invalid(v.parameter, "form_identifier_exists", text, text)
}
