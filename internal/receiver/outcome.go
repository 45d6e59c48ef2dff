package receiver

import (
	"errors"
	"net/http"
)

// outcome is how a request ended. It is the outcome label of the metric, so published names stay.
//
// It is also the error with which a step ends the request. After a step without an error the next step runs; after the
// last step the event is recorded.
type outcome string

func (o outcome) Error() string { return string(o) }

const (
	recorded  outcome = "recorded"
	duplicate outcome = "duplicate"
	ignored   outcome = "ignored"

	rejectedPath        outcome = "rejected_path"
	rejectedMethod      outcome = "rejected_method"
	rejectedSize        outcome = "rejected_size"
	rejectedBody        outcome = "rejected_body"
	rejectedContentType outcome = "rejected_content_type"
	rejectedHeaders     outcome = "rejected_headers"
	rejectedTimestamp   outcome = "rejected_timestamp"
	rejectedSignature   outcome = "rejected_signature"
	rejectedJSON        outcome = "rejected_json"
	rejectedEvent       outcome = "rejected_event"
	rejectedInstance    outcome = "rejected_instance"
	rejectedByAPI       outcome = "rejected_by_api"

	overloaded  outcome = "overloaded"
	noSecret    outcome = "no_secret"
	unavailable outcome = "unavailable"
	abandoned   outcome = "abandoned"
	failed      outcome = "failed"
)

// response is the HTTP response to an outcome. The text is for the person who reads the message in Clerk's dashboard. It
// is constant, so that no response repeats what an unauthenticated client sent.
type response struct {
	status int
	text   string
}

// newResponses returns the response to every outcome. It uses 2xx only for what was verified and recorded or needs no
// record. It never uses 3xx, which Svix does not follow, 410, with which an endpoint asks to be disabled, or 429, after
// which Svix waits a minute.
func newResponses() map[outcome]response {
	return map[outcome]response{
		recorded:  {http.StatusOK, "Recorded."},
		duplicate: {http.StatusOK, "Already recorded."},
		ignored:   {http.StatusOK, "Ignored: nothing to do for this event."},

		rejectedPath:        {http.StatusNotFound, "Not found: send webhooks to " + Path + "."},
		rejectedMethod:      {http.StatusMethodNotAllowed, "Method not allowed: send webhooks with POST."},
		rejectedSize:        {http.StatusRequestEntityTooLarge, "The body is larger than 1 MiB."},
		rejectedBody:        {http.StatusBadRequest, "The body did not arrive completely."},
		rejectedContentType: {http.StatusUnsupportedMediaType, "The body must be application/json in UTF-8, without a content encoding."},
		rejectedHeaders:     {http.StatusBadRequest, "The headers svix-id, svix-timestamp and svix-signature must be present once each and well-formed."},
		rejectedTimestamp:   {http.StatusBadRequest, "svix-timestamp is more than five minutes from the operator's clock: check the clock of the operator's machine."},
		rejectedSignature:   {http.StatusBadRequest, "The signature does not match: compare CLERK_WEBHOOK_SECRET with the signing secret of this endpoint."},
		rejectedJSON:        {http.StatusBadRequest, "The body is not one JSON object in UTF-8 with unique keys."},
		rejectedEvent:       {http.StatusUnprocessableEntity, "The event has no type, or no data.id that is a Clerk user id."},
		rejectedInstance:    {http.StatusUnprocessableEntity, "The event is from another Clerk instance than CLERK_INSTANCE_ID."},
		rejectedByAPI:       {http.StatusUnprocessableEntity, "The Kubernetes API server refuses the FitUser as invalid: see the operator's log."},

		overloaded:  {http.StatusServiceUnavailable, "Too many requests at once: send it again."},
		noSecret:    {http.StatusServiceUnavailable, "The operator has no signing secret at the moment: check CLERK_WEBHOOK_SECRET."},
		unavailable: {http.StatusServiceUnavailable, "The Kubernetes API server did not accept the hint: send the event again, and see the operator's log."},
		abandoned:   {http.StatusServiceUnavailable, "The sender disconnected."},
		failed:      {http.StatusInternalServerError, "The operator failed: see its log."},
	}
}

// outcomeOf returns the outcome that the error of the last step contains.
func outcomeOf(err error) outcome {
	o := failed
	if err == nil {
		o = recorded
	}
	errors.As(err, &o)
	return o
}

// isTerminal reports whether another attempt would have the same result. An error with an outcome is terminal. All other
// errors count as transient: timeouts, refused connections, 429, 5xx, conflicts.
func isTerminal(err error) bool {
	var o outcome
	return err == nil || errors.As(err, &o)
}
