package clerk_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

func TestMetrics_CountRequestsByEndpointAndCode(t *testing.T) {
	t.Parallel()
	s := start(t)
	registry := prometheus.NewRegistry()
	config := s.config()
	config.Registerer = registry
	client := clerk.New(config)

	get := func(id user.ID) { _, _ = client.Get(t.Context(), id) } // this test checks only the counters
	// First, because net/http itself retries a GET when a reused connection is closed.
	s.Inject(clerktest.Fault{Times: 1, Respond: clerktest.CloseConnection()})
	get(s.jane)
	get(s.jane)
	get("user_nobody")
	get("user_instance")
	get("no id")
	_, _ = client.WriteRole(t.Context(), s.jane, user.GrantRole, own("admin"))
	_, _ = client.Instance(t.Context())
	for _, respond := range []clerktest.Response{
		clerktest.Static(520, "", ""), clerktest.OKNull(), clerktest.Throttled(300),
	} {
		s.Inject(clerktest.Fault{Times: 1, Respond: respond})
		get(s.jane)
	}
	get(s.jane) // paused: not sent

	want := map[labels]float64{
		{"user", "200"}: 2, {"user", "404"}: 2, {"user", "none"}: 1, {"user", "520"}: 1, {"user", "429"}: 1,
		{"user_metadata", "200"}: 1, {"instance", "200"}: 1,
	}
	if diff := cmp.Diff(want, requestCounts(t, registry)); diff != "" {
		t.Errorf("fituser_clerk_requests_total (-want +got):\n%s", diff)
	}
}

func TestMetrics_ReportBudget(t *testing.T) {
	t.Parallel()
	s := start(t)
	registry := prometheus.NewRegistry()
	config := s.config()
	config.Registerer, config.RequestsPerSecond = registry, 0.001 // one request, then none for 15 minutes
	client := clerk.New(config)
	gauge := func(name string) float64 {
		t.Helper()
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, family := range families {
			if family.GetName() == name {
				return family.GetMetric()[0].GetGauge().GetValue()
			}
		}
		t.Fatalf("no metric %s", name)
		return 0
	}
	if got := gauge("fituser_clerk_request_limit"); got != 0.001 {
		t.Errorf("limit %v, want 0.001", got)
	}
	if got := gauge("fituser_clerk_requests_available"); got != 1 {
		t.Errorf("before the first request: %v available, want 1", got)
	}
	if got := gauge("fituser_clerk_pause_seconds"); got != 0 {
		t.Errorf("pause of %v s without a 429", got)
	}
	s.Inject(clerktest.Fault{Times: 1, Respond: clerktest.Throttled(300)})
	_, _ = client.Get(t.Context(), s.jane) // this test checks only the gauges
	if got := gauge("fituser_clerk_requests_available"); got > 0.9 {
		t.Errorf("after the first request: %v available, want less than 0.9", got)
	}
	if got := gauge("fituser_clerk_pause_seconds"); got <= 0 || got > 300 {
		t.Errorf("pause of %v s, want at most 300 s", got)
	}
}

type labels struct{ endpoint, code string }

// requestCounts returns the request counters by label. It verifies that the histogram counts the same requests.
func requestCounts(t *testing.T, registry *prometheus.Registry) map[labels]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counts, timed := map[labels]float64{}, map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			switch family.GetName() {
			case "fituser_clerk_requests_total":
				if n := m.GetCounter().GetValue(); n > 0 {
					counts[labels{label(m, "endpoint"), label(m, "code")}] = n
				}
			case "fituser_clerk_request_duration_seconds":
				timed[label(m, "endpoint")] = float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	for l, n := range counts {
		timed[l.endpoint] -= n
	}
	if left := slices.Collect(maps.Values(timed)); slices.ContainsFunc(left, func(n float64) bool { return n != 0 }) {
		t.Errorf("histogram count minus request count: %v, want zeros", timed)
	}
	return counts
}

func label(m *dto.Metric, name string) string {
	for _, pair := range m.GetLabel() {
		if pair.GetName() == name {
			return pair.GetValue()
		}
	}
	return ""
}
