package main

import (
	"context"
	"errors"
	"io"

	"github.com/go-logr/logr"
	"github.com/go-logr/zapr"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	kubezap "sigs.k8s.io/controller-runtime/pkg/log/zap"
)

// logger writes every line, however many there are at once: controller-runtime's own logger drops all but a hundred equal
// messages per second, and people look up changes of roles in the log. Objects are logged by their names.
func (o options) logger(stderr io.Writer, level zapcore.LevelEnabler) logr.Logger {
	config := zap.NewProductionEncoderConfig()
	config.EncodeTime = zapcore.RFC3339TimeEncoder
	encoder := zapcore.NewJSONEncoder(config)
	if o.LogFormat == "console" {
		encoder = zapcore.NewConsoleEncoder(config)
	}
	core := zapcore.NewCore(&kubezap.KubeAwareEncoder{Encoder: encoder}, zapcore.Lock(zapcore.AddSync(stderr)), level)
	return zapr.NewLogger(zap.New(core)) // without stack traces: an error names what failed, and panics bring their own
}

// withQuietShutdown logs context.Canceled at info level once ctx is done. Errors during normal operation are unaffected.
func withQuietShutdown(ctx context.Context, log logr.Logger) logr.Logger {
	return log.WithSink(shutdownLogSink{log.GetSink(), ctx})
}

type shutdownLogSink struct {
	logr.LogSink
	ctx context.Context
}

// leaderElectionLost is the text of controller-runtime's error when it has released the lease. The error has no type.
const leaderElectionLost = "leader election lost"

// Error implements [logr.LogSink].
func (s shutdownLogSink) Error(err error, message string, keysAndValues ...any) {
	switch {
	case s.ctx.Err() == nil || err == nil:
		s.LogSink.Error(err, message, keysAndValues...)
	case err.Error() == leaderElectionLost:
		s.Info(0, "Leader lease released")
	case errors.Is(err, context.Canceled):
		s.Info(0, "Interrupted by shutdown", append(keysAndValues, "what", message)...)
	default:
		s.LogSink.Error(err, message, keysAndValues...)
	}
}

// WithValues implements [logr.LogSink].
func (s shutdownLogSink) WithValues(keysAndValues ...any) logr.LogSink {
	return shutdownLogSink{s.LogSink.WithValues(keysAndValues...), s.ctx}
}

// WithName implements [logr.LogSink].
func (s shutdownLogSink) WithName(name string) logr.LogSink {
	return shutdownLogSink{s.LogSink.WithName(name), s.ctx}
}
