package receiver

import (
	"strings"

	"github.com/go-logr/logr"
	"golang.org/x/time/rate"
)

// journal counts and logs what became of each request: ids and reasons, and nothing else that was sent.
type journal struct {
	metrics *metrics
	log     logr.Logger
	// Strangers can cause these lines as often as they like, and a down API server causes one for every event.
	refusals, failures, connections rate.Sometimes
}

func newJournal(log logr.Logger, m *metrics) *journal {
	return &journal{
		metrics:     m,
		log:         log,
		refusals:    rate.Sometimes{Interval: logEvery},
		failures:    rate.Sometimes{Interval: logEvery},
		connections: rate.Sometimes{Interval: logEvery},
	}
}

// note is called once for each request, when its outcome is known.
func (j *journal) note(v visit, err error) {
	o := outcomeOf(err)
	j.metrics.count(v, o)
	log := j.log.WithValues("svixID", v.delivery.message, "type", typeLabel(v.event.kind), "clerkUserID", string(v.event.user))
	switch {
	case o == recorded:
		log.Info("Clerk event recorded")
	case o == duplicate, o == ignored:
		log.V(1).Info("Clerk event needs no record", "outcome", o)
	case o == unavailable, o == rejectedByAPI, o == noSecret, o == failed:
		j.failures.Do(func() { log.Error(err, "Clerk event not recorded; more of these within a second are only counted") })
	case o == abandoned:
		log.Info("Clerk event given up: its sender did not wait", "outcome", o)
	case v.verified:
		log.Info("Clerk event refused", "outcome", o)
	default:
		j.refusals.Do(func() { log.Info("Request refused; more of these within a second are only counted", "outcome", o) })
	}
}

// connectionLog takes what net/http has to say: of connections that fail before there is a request, mostly in TLS.
type connectionLog struct{ *journal }

func (l connectionLog) Write(line []byte) (int, error) {
	cause := strings.TrimSpace(string(line))
	l.connections.Do(func() { l.log.Info("Connection trouble; more of it within a second is dropped", "cause", cause) })
	return len(line), nil
}
