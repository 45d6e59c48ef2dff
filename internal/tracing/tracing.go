// Package tracing sends spans to an OpenTelemetry collector when one is configured. It owns the exporter, how a trace
// continues from the webhook to the reconcile (both in tracing.go), and the spans of requests to the API server
// (transport.go). Other packages start their own spans. Attributes hold ids and reasons, never e-mail addresses, names,
// phone numbers or secrets.
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

// Off returns a tracer that records nothing.
func Off() trace.Tracer { return noop.NewTracerProvider().Tracer(scope) }

// Start returns the process's tracer. Without OTEL_EXPORTER_OTLP_ENDPOINT (or …_TRACES_ENDPOINT) it records nothing.
// OpenTelemetry's SDK reads the other variables that it defines: the sampler, headers, the service name. Spans that the
// collector does not accept in time are dropped, and onError is called. shutdown sends the remaining spans until its
// context ends.
func Start(
	ctx context.Context, getenv func(string) string, onError func(error),
) (tracer trace.Tracer, shutdown func(context.Context) error, err error) {
	if getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" {
		return Off(), func(context.Context) error { return nil }, nil
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(onError))
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT: %w", err)
	}
	attributes, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", "fituser-operator")), resource.WithFromEnv())
	if err != nil {
		return nil, nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(attributes))
	return provider.Tracer(scope), provider.Shutdown, nil
}

const traceparent = "traceparent"

// Parent returns the span of ctx as a W3C traceparent, for another process to continue. It is empty without a span.
func Parent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier[traceparent]
}

// Continue returns a context whose spans belong to the trace of parent. An invalid parent changes nothing.
func Continue(ctx context.Context, parent string) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{traceparent: parent})
}
