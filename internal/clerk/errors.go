package clerk

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// Kind is the meaning of an error for the caller's decisions.
type Kind string

// The kinds of errors.
const (
	// NotFound: Clerk answered a request for one id with its own not-found error, which names that id.
	NotFound Kind = "not found"
	// Throttled: Clerk, or the operator's own share of its rate limit, refused the request for now. See RetryAfter.
	Throttled Kind = "throttled"
	// Unauthorized: Clerk rejected the secret key.
	Unauthorized Kind = "unauthorized"
	// Rejected: Clerk refused the request and would refuse a retry.
	Rejected Kind = "rejected"
	// Unavailable: there was no response, or not a usable one. It proves nothing; retry later.
	Unavailable Kind = "unavailable"
)

// Error is a failed call. Its text contains no personal data: of Clerk's response it keeps the status, the error code
// and the trace id, but never a message.
type Error struct {
	Kind Kind
	// Status is the HTTP status of the response, or 0 without one.
	Status int
	// Code is Clerk's error code, such as resource_not_found. It may be empty.
	Code string
	// Param is the parameter of the request that the code is about, such as email_address. It is often empty.
	Param string
	// TraceID identifies the request to Clerk's support. It is often empty.
	TraceID string
	// RetryAfter is the delay before a retry that Clerk or the budget requests, or 0.
	RetryAfter time.Duration

	detail string
	cause  error
}

func (e *Error) Error() string {
	parts := []string{"clerk", string(e.Kind)}
	if e.Status != 0 {
		parts = append(parts, fmt.Sprintf("status %d", e.Status))
	}
	if e.Code != "" {
		parts = append(parts, e.Code)
	}
	if e.Param != "" {
		parts = append(parts, "parameter "+e.Param)
	}
	if e.detail != "" {
		parts = append(parts, e.detail)
	}
	if e.cause != nil {
		parts = append(parts, e.cause.Error())
	}
	text := strings.Join(parts, ": ")
	if e.TraceID != "" {
		text += " (trace " + e.TraceID + ")"
	}
	return text
}

// Unwrap returns the cause, such as a context error or a dial error.
func (e *Error) Unwrap() error { return e.cause }

// KindOf returns the kind of err: [Unavailable] for an error of another package, "" for nil.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Unavailable
}

// RetryAfter returns the delay that err requests before a retry, or 0.
func RetryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.RetryAfter
	}
	return 0
}

func unavailable(detail string) *Error { return &Error{Kind: Unavailable, detail: detail} }

func throttled(wait time.Duration, detail string) *Error {
	return &Error{Kind: Throttled, RetryAfter: wait, detail: detail}
}

// classify turns an error of the SDK into an [Error]. The transport has classified unsuccessful responses already; the
// rest are failures to receive a complete response. Only causes that quote nothing of the response are kept.
func classify(err error) error {
	var (
		known       *Error
		network     *net.OpError
		certificate *tls.CertificateVerificationError
		tooLarge    *http.MaxBytesError
		syntax      *json.SyntaxError
	)
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Kind: Unavailable, detail: "timed out", cause: context.DeadlineExceeded}
	case errors.Is(err, context.Canceled):
		return &Error{Kind: Unavailable, detail: "canceled", cause: context.Canceled}
	case errors.As(err, &network):
		return &Error{Kind: Unavailable, detail: "no response", cause: network}
	case errors.As(err, &certificate):
		return &Error{Kind: Unavailable, detail: "no response", cause: certificate}
	case errors.As(err, &tooLarge):
		return unavailable("response is larger than a page of users")
	case errors.As(err, &syntax):
		return unavailable("response is not JSON")
	default:
		return unavailable("connection broken, or response is not HTTP")
	}
}
