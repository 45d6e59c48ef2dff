package tracing

import (
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Transport wraps a transport to the API server with a span for each request whose context has a span. Watches and leases
// have none.
func Transport(tracer trace.Tracer) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper { return &transport{next, tracer} }
}

type transport struct {
	next   http.RoundTripper
	tracer trace.Tracer
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(request *http.Request) (*http.Response, error) {
	if !trace.SpanContextFromContext(request.Context()).IsValid() {
		return t.next.RoundTrip(request)
	}
	ctx, span := t.tracer.Start(request.Context(), "API server: "+request.Method+" "+resourceOf(request.URL.Path),
		trace.WithSpanKind(trace.SpanKindClient))
	defer span.End()
	response, err := t.next.RoundTrip(request.WithContext(ctx))
	if err != nil {
		span.SetStatus(codes.Error, "no response")
		return nil, err
	}
	span.SetAttributes(attribute.Int("http.response.status_code", response.StatusCode))
	if response.StatusCode >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, response.Status)
	}
	return response, nil
}

// WrappedRoundTripper returns the wrapped transport. Kubernetes' client looks for it.
func (t *transport) WrappedRoundTripper() http.RoundTripper { return t.next }

// resourceOf returns the resource of a path, such as fitusers/status, without namespace and name.
func resourceOf(path string) string {
	_, below, namespaced := strings.Cut(path, "/namespaces/")
	parts := strings.Split(below, "/") // namespace, resource, name, subresource
	switch {
	case !namespaced || len(parts) < 2:
		return "other"
	case len(parts) > 3:
		return parts[1] + "/" + parts[3]
	default:
		return parts[1]
	}
}
