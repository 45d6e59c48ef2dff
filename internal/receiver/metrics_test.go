package receiver

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fitai/fituser-operator/api/v1alpha1"
)

// A counter that appears with its first event shows no increase. An alert on it fires one failure too late, or never.
func TestMetrics_OutcomesInAlertsStartAtZero(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	if _, err := New(Config{Registerer: registry}); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	initialized := map[string]bool{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			for _, label := range m.GetLabel() {
				initialized[label.GetValue()] = initialized[label.GetValue()] || label.GetName() == "outcome"
			}
		}
	}
	for _, outcome := range []string{
		"recorded", "unavailable", "failed", "no_secret", "overloaded", "rejected_by_api", "rejected_instance",
		"rejected_signature", "rejected_timestamp",
	} {
		if !initialized[outcome] {
			t.Errorf("fituser_webhook_events_total has no %s before the first event", outcome)
		}
	}
}

// An event type touches api/v1alpha1/hint.go and nothing here: decoding, hint and metrics follow from EventTypes.
func TestEventTypes_AllAreHandled(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	if _, err := New(Config{Registerer: registry}); err != nil {
		t.Fatal(err)
	}
	metrics, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, eventType := range v1alpha1.EventTypes() {
		body := userEvent(eventType, ada, eventTime)
		e, err := decodeEvent([]byte(body), "", time.UnixMilli(eventTime))
		if err != nil || e.eventType != eventType {
			t.Errorf("%s is decoded as %+v, %v", eventType, e, err)
		}
		hint := newHint(&request{event: e, delivery: delivery{messageID: "msg_1"}, receivedAt: time.UnixMilli(eventTime)})
		if _, ok := v1alpha1.ParseHint(hint.Encode()); !ok {
			t.Errorf("the hint of %s cannot be parsed", eventType)
		}
		if label := typeLabel(eventType); label != string(eventType) {
			t.Errorf("%s has the label %s", eventType, label)
		}
		if !strings.Contains(fmt.Sprint(metrics), strconv.Quote(string(eventType))) {
			t.Errorf("fituser_webhook_events_total has no %s before the first event", eventType)
		}
	}
}
