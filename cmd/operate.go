package main

import (
	"context"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel/trace"
	"k8s.io/client-go/rest"

	"github.com/fitai/fituser-operator/internal/settings"
	"github.com/fitai/fituser-operator/internal/tracing"
)

// flushTime bounds the shutdown of tracing. Spans that the collector has not accepted in this time are lost.
const flushTime = 5 * time.Second

// operateCommand runs the operator.
type operateCommand struct{}

// Run implements the command. It returns when ctx ends.
func (operateCommand) Run(ctx context.Context, in invocation) error {
	s, err := settings.Read(in.parts(), in.getenv)
	if err != nil {
		return err
	}
	access, err := in.restConfig()
	if err != nil {
		return err
	}
	level, levelSetting, err := settings.NewLogLevel(in.LogLevel, in.LogLevelFile)
	if err != nil {
		return err
	}
	log := withQuietShutdown(ctx, in.logger(in.stderr, level))
	tracer, shutdown, err := tracing.Start(ctx, in.getenv, func(err error) { log.Error(err, "Traces lost") })
	if err != nil {
		return err
	}
	defer flush(ctx, shutdown, log)
	b := thisBuild()
	log.Info("Starting", "version", b.version, "revision", b.revision, "namespace", in.Namespace,
		"receiver", in.Receiver, "controller", in.Controller)
	p, err := assemble(ctx, wiring{
		options: in.options, access: access, settings: s, watched: append(s.All(), levelSetting), tracer: tracer, log: log,
	})
	if err != nil {
		return err
	}
	return p.run(ctx)
}

// flush sends the spans that are left after ctx has ended.
func flush(ctx context.Context, shutdown func(context.Context) error, log logr.Logger) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
	defer cancel()
	if err := shutdown(ctx); err != nil {
		log.Error(err, "Traces lost")
	}
}

// wiring is what the parts of the operator are built from.
type wiring struct {
	options
	access   *rest.Config // to the API server
	settings settings.Settings
	watched  []*settings.Setting // reloaded while the program runs
	tracer   trace.Tracer
	log      logr.Logger
}
