package tracing

import (
	"context"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

func TestResourceOf(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/apis/identity.fitai.dev/v1alpha1/namespaces/fitai/fitusers":                  "fitusers",
		"/apis/identity.fitai.dev/v1alpha1/namespaces/fitai/fitusers/user-2a-0":        "fitusers",
		"/apis/identity.fitai.dev/v1alpha1/namespaces/fitai/fitusers/user-2a-0/status": "fitusers/status",
		"/api/v1/namespaces/fitai/configmaps/fituser-operator":                         "configmaps",
		"/api/v1/namespaces/fitai":                                                        "other",
		"/apis/authorization.k8s.io/v1/subjectaccessreviews":                              "other",
		"/apis/identity.fitai.dev/v1alpha1/namespaces/namespaces/fitusers/namespaces/foo": "fitusers/foo",
	} {
		if got := resourceOf(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

func TestATraceGoesOnElsewhere(t *testing.T) {
	t.Parallel()
	provider := sdktrace.NewTracerProvider()
	ctx, span := provider.Tracer(scope).Start(context.Background(), "here")
	there := trace.SpanContextFromContext(Continue(context.Background(), Parent(ctx)))
	if there.SpanID() != span.SpanContext().SpanID() || there.TraceID() != span.SpanContext().TraceID() || !there.IsSampled() {
		t.Errorf("%v goes on as %v", span.SpanContext(), there)
	}
}

// A person may have put anything into the annotation, and without tracing there is nothing.
func TestNoTraceGoesOnAsNone(t *testing.T) {
	t.Parallel()
	ctx, span := Off().Start(context.Background(), "nothing")
	span.End()
	for _, parent := range []string{Parent(ctx), "", "garbage", "00-00000000000000000000000000000000-0000000000000000-01"} {
		if trace.SpanContextFromContext(Continue(context.Background(), parent)).IsValid() {
			t.Errorf("%q is taken for a trace", parent)
		}
	}
}
