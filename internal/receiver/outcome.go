package receiver

import (
	"errors"
	"net/http"
)

// outcome is what became of a request. It is the outcome label of the metric, so the names once published stay.
//
// It is also the error by which a step ends the request: a step without an error hands on to the next one, and when
// there is no more step, the event is recorded.
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

// answer is what the sender gets. The text is for the person who looks at the message in Clerk's dashboard; it is
// constant, so that nothing a stranger sent comes back.
type answer struct {
	status int
	text   string
}

// newAnswers has every outcome. Never 2xx for what was not verified or not recorded; never 3xx, which Svix does not
// follow; never 410, by which an endpoint asks to be disabled; never 429, at which Svix waits a minute.
func newAnswers() map[outcome]answer {
	return map[outcome]answer{
		recorded:  {http.StatusOK, "Recorded."},
		duplicate: {http.StatusOK, "Recorded already."},
		ignored:   {http.StatusOK, "Ignored: nothing to do for this event."},

		rejectedPath:        {http.StatusNotFound, "Not found: webhooks are taken at " + Path + "."},
		rejectedMethod:      {http.StatusMethodNotAllowed, "Method not allowed: webhooks are sent with POST."},
		rejectedSize:        {http.StatusRequestEntityTooLarge, "The body is larger than 1 MiB."},
		rejectedBody:        {http.StatusBadRequest, "The body did not arrive completely."},
		rejectedContentType: {http.StatusUnsupportedMediaType, "The body must be application/json in UTF-8, without a content encoding."},
		rejectedHeaders:     {http.StatusBadRequest, "The headers svix-id, svix-timestamp and svix-signature must be there once each and well-formed."},
		rejectedTimestamp:   {http.StatusBadRequest, "svix-timestamp is more than five minutes from the operator's clock: check the clock of the operator's machine."},
		rejectedSignature:   {http.StatusBadRequest, "The signature does not match: compare CLERK_WEBHOOK_SECRET with the signing secret of this endpoint."},
		rejectedJSON:        {http.StatusBadRequest, "The body is not one JSON object in UTF-8 with unique keys."},
		rejectedEvent:       {http.StatusUnprocessableEntity, "The event has no type, or no data.id that is a Clerk user id."},
		rejectedInstance:    {http.StatusUnprocessableEntity, "The event is from another Clerk instance than CLERK_INSTANCE_ID."},
		rejectedByAPI:       {http.StatusUnprocessableEntity, "The Kubernetes API server refuses the FitUser as invalid: see the operator's log."},

		overloaded:  {http.StatusServiceUnavailable, "Too many requests at once: send it again."},
		noSecret:    {http.StatusServiceUnavailable, "The operator has no signing secret at the moment: check CLERK_WEBHOOK_SECRET."},
		unavailable: {http.StatusServiceUnavailable, "The Kubernetes API server did not take the event: send it again, and see the operator's log."},
		abandoned:   {http.StatusServiceUnavailable, "The sender did not wait."},
		failed:      {http.StatusInternalServerError, "The operator failed: see its log."},
	}
}

// outcomeOf reads what became of a request from the error of its last step.
func outcomeOf(err error) outcome {
	o := failed
	if err == nil {
		o = recorded
	}
	errors.As(err, &o)
	return o
}
