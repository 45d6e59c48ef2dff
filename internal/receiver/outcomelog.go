package receiver

import (
	"strings"

	"github.com/go-logr/logr"
	"golang.org/x/time/rate"
)

// outcomeLog logs the outcome of each request: ids and reasons, and nothing else that a client sent.
type outcomeLog struct {
	log logr.Logger
	// Unauthenticated clients can cause refusals and failed connections as often as they like, and an unavailable API
	// server causes a failure for every event. So each kind of line is limited.
	refusals, failures, connections rate.Sometimes
}

func newOutcomeLog(log logr.Logger) *outcomeLog {
	return &outcomeLog{
		log:         log,
		refusals:    rate.Sometimes{Interval: logEvery},
		failures:    rate.Sometimes{Interval: logEvery},
		connections: rate.Sometimes{Interval: logEvery},
	}
}

// logOutcome logs one request, when its outcome is known.
func (l *outcomeLog) logOutcome(req *request, o outcome, err error) {
	log := l.log.WithValues("svixID", req.delivery.messageID, "type", typeLabel(req.event.eventType),
		"clerkUserID", string(req.event.userID))
	switch {
	case o == recorded:
		log.Info("Clerk event recorded")
	case o == duplicate, o == ignored:
		log.V(1).Info("Clerk event skipped", "outcome", o)
	case o == unavailable, o == rejectedByAPI, o == noSecret, o == failed:
		l.failures.Do(func() { log.Error(err, "Clerk event not recorded; more within a second are only counted") })
	case o == abandoned:
		log.Info("Clerk event abandoned: its sender disconnected", "outcome", o)
	case req.verified:
		log.Info("Clerk event refused", "outcome", o)
	default:
		l.refusals.Do(func() { log.Info("Request refused; more within a second are only counted", "outcome", o) })
	}
}

// connectionLog receives the log lines of net/http: connections that fail before a request arrives, mostly in TLS.
type connectionLog struct{ *outcomeLog }

func (l connectionLog) Write(line []byte) (int, error) {
	cause := strings.TrimSpace(string(line))
	l.connections.Do(func() { l.log.Info("Connection failed; more within a second are not logged", "cause", cause) })
	return len(line), nil
}
