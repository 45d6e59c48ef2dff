// Package tracing sends spans to an OpenTelemetry collector where one is named. It owns the exporter, how a trace goes
// from the webhook to the reconcile, and the spans of requests to the API server. What else is a span is decided where
// it happens. Attributes hold ids and reasons, never e-mails, names, phones or secrets.
package tracing

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

const scope = "github.com/fitai/fituser-operator"

// Off is a tracer that records nothing.
func Off() trace.Tracer { return noop.NewTracerProvider().Tracer(scope) }

// Start makes the process's tracer. Without OTEL_EXPORTER_OTLP_ENDPOINT (or …_TRACES_ENDPOINT) it records nothing. The
// other variables that OpenTelemetry names are read by its SDK: the sampler, headers, the service's name. What the
// collector does not take in time is dropped, and said to failed. End sends what is left, until its context ends.
func Start(
	ctx context.Context, getenv func(string) string, failed func(error),
) (tracer trace.Tracer, end func(context.Context) error, err error) {
	if getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" {
		return Off(), func(context.Context) error { return nil }, nil
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(failed))
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT: %w", err)
	}
	who, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", "fituser-operator")), resource.WithFromEnv())
	if err != nil {
		return nil, nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(who))
	return provider.Tracer(scope), provider.Shutdown, nil
}

const traceparent = "traceparent"

// Parent is the span of ctx as W3C's traceparent, to be kept where another process finds it; empty without one.
func Parent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier[traceparent]
}

// Continue makes the spans of ctx belong to the trace that parent is of. A parent that is none changes nothing.
func Continue(ctx context.Context, parent string) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{traceparent: parent})
}
