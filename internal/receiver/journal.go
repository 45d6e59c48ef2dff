package receiver

import (
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/time/rate"
)

// journal counts and logs what became of each request: ids and reasons, and nothing else that was sent.
type journal struct {
	metrics *metrics
	log     logr.Logger
	// Strangers can cause these lines as often as they like, and a down API server causes one for every event.
	refusals, failures rate.Sometimes
}

func newJournal(log logr.Logger, m *metrics) *journal {
	return &journal{
		metrics:  m,
		log:      log,
		refusals: rate.Sometimes{First: 1, Interval: logEvery},
		failures: rate.Sometimes{First: 1, Interval: logEvery},
	}
}

// note is called once for each request, when its outcome is known.
func (j *journal) note(v visit, err error, now time.Time) {
	o := outcomeOf(err)
	j.metrics.count(v, o, now)
	log := j.log.WithValues("svixID", v.delivery.message, "type", typeLabel(v.event.kind), "clerkUserID", string(v.event.user))
	switch o {
	case recorded:
		log.Info("recorded a Clerk event")
	case duplicate, ignored:
		log.V(1).Info("nothing to record for a Clerk event", "outcome", o)
	case unavailable, rejectedByAPI, noSecret, failed:
		j.failures.Do(func() { log.Error(err, "could not record a Clerk event; like ones within a second are only counted") })
	default:
		j.refusals.Do(func() {
			log.Info("refused a request; like ones within a second are only counted", "outcome", o, "status", answers[o].status)
		})
	}
}
