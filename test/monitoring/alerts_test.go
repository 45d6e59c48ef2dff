// Package monitoring_test checks the alerts and the dashboard with Prometheus' tools and against the docs. Tests of package
// cmd check them in a real run.
package monitoring_test

import (
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/fitai/fituser-operator/internal/testenv"
)

const (
	rulesFile     = "../../config/prometheus/rules.yaml"
	ruleObject    = "../../config/components/prometheus-operator/alerts.yaml"
	dashboardFile = "../../config/components/grafana-dashboard/fituser.json"
	alertsTest    = "testdata/alerts.yaml"
)

// alert is one rule.
type alert struct {
	Alert, Expr         string
	Labels, Annotations map[string]string
}

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func alerts(t *testing.T) []alert {
	t.Helper()
	var rules struct {
		Groups []struct{ Rules []alert }
	}
	if err := yaml.Unmarshal([]byte(read(t, rulesFile)), &rules); err != nil {
		t.Fatal(err)
	}
	var all []alert
	for _, group := range rules.Groups {
		all = append(all, group.Rules...)
	}
	if len(all) == 0 {
		t.Fatal("no alert found")
	}
	return all
}

func TestAlerts_PassPromtool(t *testing.T) {
	t.Parallel()
	for _, arguments := range [][]string{{"check", "rules", rulesFile}, {"test", "rules", alertsTest}} {
		out, err := exec.CommandContext(t.Context(), testenv.Prometheus(t, "promtool"), arguments...).CombinedOutput()
		if err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(arguments, " "), err, out)
		}
	}
}

// Each alert needs a test in which it fires and one in which it does not.
func TestAlerts_AreTestedBothWays(t *testing.T) {
	t.Parallel()
	var tests struct {
		Tests []struct {
			AlertRuleTest []struct {
				Alertname string `json:"alertname"`
				ExpAlerts []any  `json:"exp_alerts"`
			} `json:"alert_rule_test"`
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, alertsTest)), &tests); err != nil {
		t.Fatal(err)
	}
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, test := range tests.Tests {
		for _, one := range test.AlertRuleTest {
			if len(one.ExpAlerts) > 0 {
				fires[one.Alertname] = true
			} else {
				silent[one.Alertname] = true
			}
		}
	}
	for _, a := range alerts(t) {
		if !fires[a.Alert] || !silent[a.Alert] {
			t.Errorf("%s: tested firing: %v, tested not firing: %v", a.Alert, fires[a.Alert], silent[a.Alert])
		}
	}
}

func TestAlerts_HaveRunbooks(t *testing.T) {
	t.Parallel()
	headings := headingsOf(read(t, "../../docs/troubleshooting.md"))
	for _, a := range alerts(t) {
		if severity := a.Labels["severity"]; severity != "critical" && severity != "warning" {
			t.Errorf("%s has severity %q", a.Alert, severity)
		}
		if a.Annotations["summary"] == "" || a.Annotations["description"] == "" {
			t.Errorf("%s has no summary or no description", a.Alert)
		}
		runbook, err := url.Parse(a.Annotations["runbook_url"])
		if err != nil || !strings.HasSuffix(runbook.Path, "/docs/troubleshooting.md") || !slices.Contains(headings, runbook.Fragment) {
			t.Errorf("%s: docs/troubleshooting.md has no heading for %q", a.Alert, a.Annotations["runbook_url"])
		}
	}
}

// headingsOf returns the anchors that GitHub gives to a page's headings.
func headingsOf(page string) []string {
	var anchors []string
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(page, -1) {
		kept := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(heading[1]), "")
		anchors = append(anchors, strings.ReplaceAll(kept, " ", "-"))
	}
	return anchors
}

func TestPrometheusRule_EqualsRulesFile(t *testing.T) {
	t.Parallel()
	var object struct{ Spec any }
	var rules any
	if err := yaml.Unmarshal([]byte(read(t, ruleObject)), &object); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(read(t, rulesFile)), &rules); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(rules, object.Spec); diff != "" {
		t.Errorf("run make manifests (-rules +PrometheusRule):\n%s", diff)
	}
}

// Documented metrics exist: a test of package cmd compares the page with the served metrics.
func TestQueries_UseDocumentedMetrics(t *testing.T) {
	t.Parallel()
	page := read(t, "../../docs/metrics.md")
	for _, file := range []string{rulesFile, dashboardFile} {
		for _, name := range regexp.MustCompile(`\b(fituser|leader_election|workqueue)_[a-z_]+`).FindAllString(read(t, file), -1) {
			if !strings.Contains(page, "`"+strings.TrimSuffix(name, "_bucket")+"`") && !strings.Contains(page, "`"+name+"{") {
				t.Errorf("%s uses %s, which docs/metrics.md does not document", file, name)
			}
		}
	}
}

func TestAlerts_AreDocumented(t *testing.T) {
	t.Parallel()
	page := read(t, "../../docs/metrics.md")
	for _, a := range alerts(t) {
		if !strings.Contains(page, "| `"+a.Alert+"` | "+a.Labels["severity"]+" |") {
			t.Errorf("docs/metrics.md has no row of %s, %s", a.Alert, a.Labels["severity"])
		}
	}
}
