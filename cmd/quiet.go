package main

import (
	"context"
	"errors"

	"github.com/go-logr/logr"
)

// quietEnd is a log in which a normal end alarms nobody: once ctx has ended, what was broken off by that is no error. It
// stays an error, and comes back, if nobody asked for the end.
func quietEnd(ctx context.Context, log logr.Logger) logr.Logger {
	return log.WithSink(endingSink{log.GetSink(), ctx})
}

type endingSink struct {
	logr.LogSink
	ctx context.Context
}

// leaderElectionLost is how controller-runtime says that it has given the lease back. It has no type.
const leaderElectionLost = "leader election lost"

// Error implements [logr.LogSink].
func (s endingSink) Error(err error, message string, keysAndValues ...any) {
	switch {
	case s.ctx.Err() == nil || err == nil:
		s.LogSink.Error(err, message, keysAndValues...)
	case err.Error() == leaderElectionLost:
		s.Info(0, "The lease is given back")
	case errors.Is(err, context.Canceled):
		s.Info(0, "Broken off by the end of the process", append(keysAndValues, "what", message)...)
	default:
		s.LogSink.Error(err, message, keysAndValues...)
	}
}

// WithValues implements [logr.LogSink].
func (s endingSink) WithValues(keysAndValues ...any) logr.LogSink {
	return endingSink{s.LogSink.WithValues(keysAndValues...), s.ctx}
}

// WithName implements [logr.LogSink].
func (s endingSink) WithName(name string) logr.LogSink {
	return endingSink{s.LogSink.WithName(name), s.ctx}
}
