package tracing

import (
	"context"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

func TestTransport_ResourceOfPath(t *testing.T) {
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

func TestContinue_SameTrace(t *testing.T) {
	t.Parallel()
	provider := sdktrace.NewTracerProvider()
	ctx, span := provider.Tracer(scope).Start(context.Background(), "here")
	there := trace.SpanContextFromContext(Continue(context.Background(), Parent(ctx)))
	if there.SpanID() != span.SpanContext().SpanID() || there.TraceID() != span.SpanContext().TraceID() || !there.IsSampled() {
		t.Errorf("%v continues as %v", span.SpanContext(), there)
	}
}

// The annotation is empty without tracing, and a person may write anything into it.
func TestContinue_InvalidParentIsIgnored(t *testing.T) {
	t.Parallel()
	ctx, span := Off().Start(context.Background(), "nothing")
	span.End()
	for _, parent := range []string{Parent(ctx), "", "garbage", "00-00000000000000000000000000000000-0000000000000000-01"} {
		if trace.SpanContextFromContext(Continue(context.Background(), parent)).IsValid() {
			t.Errorf("%q counts as a trace", parent)
		}
	}
}
