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

// Kind is what an error of Clerk's means for those who have to decide.
type Kind string

// The kinds of errors.
const (
	// NotFound: Clerk was asked for one user by id and answered with its own "no such user", which names that id.
	NotFound Kind = "not found"
	// Throttled: the request was refused for now, by Clerk or by our own share of its limit. RetryAfter says how long.
	Throttled Kind = "throttled"
	// Unauthorized: Clerk refuses the secret key.
	Unauthorized Kind = "unauthorized"
	// Rejected: Clerk understood the request, refuses it, and would refuse it again.
	Rejected Kind = "rejected"
	// Unavailable: no answer, or one that is no answer. Nothing follows from it; try again later.
	Unavailable Kind = "unavailable"
)

// Error is any failure of a call. Its text holds no personal data: of Clerk's answer only the status, the error code
// and the trace id, never a message.
type Error struct {
	Kind Kind
	// Status is the HTTP status of the answer, 0 when there was none.
	Status int
	// Code is Clerk's error code, such as resource_not_found; empty when the answer had none.
	Code string
	// TraceID is what Clerk's support asks for; often empty.
	TraceID string
	// RetryAfter is how long Clerk asks to wait, 0 when it does not say.
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

// Unwrap gives the cause, such as a context's error or a dial error.
func (e *Error) Unwrap() error { return e.cause }

// KindOf classifies err. An error that is none of this package's is [Unavailable]; nil is of no kind.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Unavailable
}

// RetryAfter is how long err asks to wait; 0 when it does not say.
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

// classify makes an [Error] of what the SDK returned. Answers that are no success were classified by the transport
// already; what is left are failures to get a whole one. Of those only causes are kept that quote nothing of it.
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
		return &Error{Kind: Unavailable, detail: "no answer in time", cause: context.DeadlineExceeded}
	case errors.Is(err, context.Canceled):
		return &Error{Kind: Unavailable, detail: "given up", cause: context.Canceled}
	case errors.As(err, &network):
		return &Error{Kind: Unavailable, detail: "no answer", cause: network}
	case errors.As(err, &certificate):
		return &Error{Kind: Unavailable, detail: "no answer", cause: certificate}
	case errors.As(err, &tooLarge):
		return unavailable("the answer is larger than a page of users can be")
	case errors.As(err, &syntax):
		return unavailable("the answer is not JSON")
	default:
		return unavailable("the connection broke, or what came is not HTTP")
	}
}
