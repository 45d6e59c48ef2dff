package main

import (
	"encoding/hex"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/store/storetest"
)

// traceCollector is an OpenTelemetry collector that keeps the spans it receives.
type traceCollector struct {
	url string
	mu  sync.Mutex
	all []*tracepb.Span
	raw []byte
}

func startCollector(t *testing.T) *traceCollector {
	t.Helper()
	c := &traceCollector{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var request collector.ExportTraceServiceRequest
		if err = errors.Join(err, proto.Unmarshal(body, &request)); err != nil || r.URL.Path != "/v1/traces" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.raw = append(c.raw, body...)
		for _, resource := range request.GetResourceSpans() {
			for _, scope := range resource.GetScopeSpans() {
				c.all = append(c.all, scope.GetSpans()...)
			}
		}
	}))
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

// tree returns the trace of a span as unique paths of names.
func (c *traceCollector) tree(of *tracepb.Span) []string {
	byID := map[string]*tracepb.Span{}
	for _, span := range c.all {
		if string(span.GetTraceId()) == string(of.GetTraceId()) {
			byID[hex.EncodeToString(span.GetSpanId())] = span
		}
	}
	paths := map[string]bool{}
	for _, span := range byID {
		path := span.GetName()
		for parent := byID[hex.EncodeToString(span.GetParentSpanId())]; parent != nil; parent = byID[hex.EncodeToString(parent.GetParentSpanId())] {
			path = parent.GetName() + " > " + path
		}
		paths[path] = true
	}
	return slices.Sorted(maps.Keys(paths))
}

func TestTracing_FromWebhookToRow(t *testing.T) {
	s, c := newSystem(t, storetest.SQLite(t)), startCollector(t)
	s.start("OTEL_EXPORTER_OTLP_ENDPOINT=" + c.url)
	s.eventually("the first sweep is done, so that it does not find the user before the webhook does", func() error {
		if !strings.Contains(s.logged(), "Sweep finished") {
			return errors.New("not yet")
		}
		return nil
	})
	s.clerk.SignUp(clerktest.Person{Email: "jane@example.com", FirstName: "Quaxelroth"})
	s.deliver()
	s.eventually("the user is synced", s.synced)
	s.stop() // which sends the spans that are left

	c.mu.Lock()
	defer c.mu.Unlock()
	var webhook *tracepb.Span
	for _, span := range c.all {
		if span.GetName() == "webhook" {
			webhook = span
		}
	}
	want := []string{
		"webhook",
		"webhook > API server: POST fitusers",
		"webhook > reconcile",
		"webhook > reconcile > API server: PATCH fitusers/status",
		"webhook > reconcile > Clerk: read user",
		"webhook > reconcile > row: read",
		"webhook > reconcile > row: write",
	}
	if diff := cmp.Diff(want, c.tree(webhook)); diff != "" {
		t.Errorf("the trace (-want +got):\n%s", diff)
	}
	for _, canary := range []string{"@example.com", "Quaxelroth", webhookSecret, clerktest.DefaultSecretKey} {
		if strings.Contains(string(c.raw), canary) {
			t.Errorf("a trace contains %q", canary)
		}
	}
}

func TestTracing_OffWithoutCollector(t *testing.T) {
	s := newSystem(t, storetest.SQLite(t))
	s.start()
	id := s.clerk.SignUp(clerktest.Person{Email: "jane@example.com", FirstName: "Jane"})
	s.deliver()
	s.eventually("the user is synced", s.synced)
	if hint, _ := s.fitUser(id).Hint(); hint.Trace != "" {
		t.Errorf("the hint contains a trace: %s", hint.Trace)
	}
	s.stop()
}

// A collector that does not answer delays no user, and the shutdown by flushTime at most.
func TestTracing_CollectorThatHangs(t *testing.T) {
	s := newSystem(t, storetest.SQLite(t))
	end := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-end }))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(end) })
	s.start("OTEL_EXPORTER_OTLP_ENDPOINT=" + server.URL)
	s.clerk.SignUp(clerktest.Person{Email: "jane@example.com", FirstName: "Jane"})
	s.deliver()
	s.eventually("the user is synced", s.synced)
	s.stop()
	if !strings.Contains(s.logged(), "Traces lost") {
		t.Errorf("the lost traces are not logged:\n%s", s.logged())
	}
}
