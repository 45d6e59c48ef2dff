package receiver

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// A counter that appears with its first event shows no increase, and an alert on it comes one failure too late, or never.
func TestOutcomesThatAlertsAreAboutBeginWithZero(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	if _, err := New(Config{Registerer: registry}); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	begun := map[string]bool{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			for _, label := range m.GetLabel() {
				begun[label.GetValue()] = begun[label.GetValue()] || label.GetName() == "outcome"
			}
		}
	}
	for _, outcome := range []string{
		"recorded", "unavailable", "failed", "no_secret", "overloaded", "rejected_by_api", "rejected_instance",
		"rejected_signature", "rejected_timestamp",
	} {
		if !begun[outcome] {
			t.Errorf("fituser_webhook_events_total has no %s before the first event", outcome)
		}
	}
}
