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

func TestRequestsAreCountedByEndpointAndCode(t *testing.T) {
	t.Parallel()
	s := start(t)
	registry := prometheus.NewRegistry()
	config := s.config()
	config.Registerer = registry
	client := clerk.New(config)

	get := func(id user.ID) { _, _ = client.Get(t.Context(), id) } // what matters here is what was counted
	// First, because net/http itself repeats a GET when a used connection is closed.
	s.Inject(clerktest.Fault{Times: 1, Respond: clerktest.CloseConnection()})
	get(s.jane)
	get(s.jane)
	get("user_nobody")
	get("user_instance")
	get("no id")
	_, _ = client.WriteRole(t.Context(), s.jane, user.GrantRole, user.Admin)
	_, _ = client.Instance(t.Context())
	for _, respond := range []clerktest.Response{
		clerktest.Answer(520, "", ""), clerktest.OKNull(), clerktest.Throttled(300),
	} {
		s.Inject(clerktest.Fault{Times: 1, Respond: respond})
		get(s.jane)
	}
	get(s.jane) // paused: not sent

	want := map[labels]float64{
		{"user", "200"}: 2, {"user", "404"}: 2, {"user", "none"}: 1, {"user", "520"}: 1, {"user", "429"}: 1,
		{"user_metadata", "200"}: 1, {"instance", "200"}: 1,
	}
	if diff := cmp.Diff(want, counted(t, registry)); diff != "" {
		t.Errorf("fituser_clerk_requests_total (-want +got):\n%s", diff)
	}
}

func TestTheBudgetIsShown(t *testing.T) {
	t.Parallel()
	s := start(t)
	registry := prometheus.NewRegistry()
	config := s.config()
	config.Registerer, config.RequestsPerSecond = registry, 0.001 // one request, and then none for a quarter of an hour
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
		t.Errorf("the limit is shown as %v", got)
	}
	if got := gauge("fituser_clerk_requests_available"); got != 1 {
		t.Errorf("before the first request, %v are available", got)
	}
	if got := gauge("fituser_clerk_pause_seconds"); got != 0 {
		t.Errorf("a pause of %v s that nobody asked for", got)
	}
	s.Inject(clerktest.Fault{Times: 1, Respond: clerktest.Throttled(300)})
	_, _ = client.Get(t.Context(), s.jane) // what matters here is what is shown
	if got := gauge("fituser_clerk_requests_available"); got > 0.9 {
		t.Errorf("after it, %v are available", got)
	}
	if got := gauge("fituser_clerk_pause_seconds"); got <= 0 || got > 300 {
		t.Errorf("Clerk asked for a pause of 300 s; shown are %v", got)
	}
}

type labels struct{ endpoint, code string }

// counted are the requests counted, by label, with every request in the histogram as well.
func counted(t *testing.T, registry *prometheus.Registry) map[labels]float64 {
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
		t.Errorf("requests timed less requests counted: %v, want zeros", timed)
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
