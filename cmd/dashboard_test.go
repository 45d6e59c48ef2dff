package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fitai/fituser-operator/internal/store/storetest"
	"github.com/fitai/fituser-operator/internal/testenv"
)

const (
	dashboardFile = "../config/components/grafana-dashboard/fituser.json"
	rulesFile     = "../config/prometheus/rules.yaml"
)

// dashboardFor sets the duration of the run below, such as 12m, and dashboardPicture draws the dashboard of it into a file:
// FITUSER_TEST_DASHBOARD_FOR=12m FITUSER_TEST_DASHBOARD_PICTURE=$PWD/docs/images/dashboard.svg go test ./cmd -run Dashboard
const (
	dashboardFor     = "FITUSER_TEST_DASHBOARD_FOR"
	dashboardPicture = "FITUSER_TEST_DASHBOARD_PICTURE"
)

// A real Prometheus scrapes a run with incidents. Every query of the dashboard then has data, and every alert uses metrics
// that exist.
func TestDashboard_HasDataAndAlertsAfterIncidents(t *testing.T) {
	s := newSystem(t, storetest.SQLite(t))
	address, lasting := testenv.FreeAddress(t), lastingFor(t)
	s.start(append(withMetrics(address), "FITUSER_LEADER_ELECT=true", "FITUSER_SYNC_PERIOD="+max(20*time.Second, lasting/20).String(), "FITUSER_MAX_DELETIONS=1",
		"FITUSER_CLERK_RATE_LIMIT=20")...)
	prometheus := startPrometheus(t, address, max(time.Second, lasting/300))
	s.incidents(lasting)

	if picture := os.Getenv(dashboardPicture); picture != "" {
		draw := exec.CommandContext(t.Context(), "go", "run", "../hack/dashboard", "-dashboard", dashboardFile,
			"-prometheus", prometheus.url, "-range", lasting.String(), "-out", picture)
		if out, err := draw.CombinedOutput(); err != nil {
			t.Errorf("drawing the dashboard: %v\n%s", err, out)
		}
	}
	for title, queries := range dashboardQueries(t, 2*max(lasting, 3*time.Minute)) {
		for _, query := range queries {
			s.eventually(title+" has data", func() error { return prometheus.wantData(query) })
		}
	}
	for _, name := range metricsIn(t, rulesFile) {
		s.eventually("Prometheus has "+name, func() error { return prometheus.wantData("count(" + name + ")") })
	}
	s.eventually("the rules are evaluated", prometheus.rulesEvaluated)
	s.eventually("the alert of deferred deletions is pending", func() error {
		return prometheus.wantData(`last_over_time(ALERTS{alertname="FitUserDeletionsDeferred"}[1h])`)
	})
	s.stop()
}

// dashboardQueries returns the queries of the panels by title, with Grafana's variables replaced: rates are over span.
func dashboardQueries(t *testing.T, span time.Duration) map[string][]string {
	t.Helper()
	content, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(content, &dashboard); err != nil {
		t.Fatal(err)
	}
	queries := map[string][]string{}
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			query := strings.NewReplacer("$namespace", ".*", "$__rate_interval", span.String(), "$__range", span.String()).Replace(target.Expr)
			queries[panel.Title] = append(queries[panel.Title], query)
		}
	}
	return queries
}

// metricsIn returns the metrics that a file contains.
func metricsIn(t *testing.T, file string) []string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`\b(fituser_[a-z_]+|leader_election_[a-z_]+)\b`).FindAllString(string(content), -1)
}

func lastingFor(t *testing.T) time.Duration {
	t.Helper()
	if os.Getenv(dashboardFor) == "" {
		return 0
	}
	lasting, err := time.ParseDuration(os.Getenv(dashboardFor))
	if err != nil {
		t.Fatal(err)
	}
	return lasting
}
