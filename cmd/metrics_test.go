package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/store/storetest"
	"github.com/fitai/fituser-operator/internal/testenv"
)

// withMetrics returns the settings with which the program serves its metrics at an address.
func withMetrics(address string) []string {
	return []string{"FITUSER_METRICS_BIND_ADDRESS=" + address, "FITUSER_METRICS_SECURE=false"}
}

// scrape returns what Prometheus would read.
func scrape(t testing.TB, address string) []byte {
	t.Helper()
	response, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("/metrics returns %d: %v", response.StatusCode, err)
	}
	return body
}

// ours returns the project's own metrics.
func ours(t testing.TB, scraped []byte) map[string]*dto.MetricFamily {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(scraped))
	if err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(families, func(name string, _ *dto.MetricFamily) bool { return !strings.HasPrefix(name, "fituser_") })
	return families
}

// description is what docs/metrics.md contains about a metric.
type description struct{ kind, labels string }

func TestMetrics_AreDocumented(t *testing.T) {
	s := newSystem(t, storetest.SQLite(t))
	address := testenv.FreeAddress(t)
	s.start(withMetrics(address)...)
	s.clerk.SignUp(clerktest.Person{Email: "jane@example.com", FirstName: "Jane"})
	s.deliver()
	s.eventually("the user is synced", s.synced)
	s.eventually("the user is counted", func() error { return wantCount(t, address, 1) })
	scraped := scrape(t, address)
	s.stop()

	page, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	documented, served := map[string]description{}, map[string]description{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(fituser_[a-z_]+)` \\| ([a-z]+) \\|([^|]*)\\|").FindAllStringSubmatch(string(page), -1) {
		documented[row[1]] = description{row[2], strings.NewReplacer("`", "", " ", "").Replace(row[3])}
	}
	for name, family := range ours(t, scraped) {
		served[name] = description{strings.ToLower(family.GetType().String()), labelsOf(family)}
	}
	if diff := cmp.Diff(served, documented, cmp.AllowUnexported(description{}), cmp.Transformer("sorted", sortedLabels)); diff != "" {
		t.Errorf("docs/metrics.md is not up to date (-served +documented):\n%s", diff)
	}
	problems, err := promlint.New(bytes.NewReader(onlyOurs(scraped))).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v, %v", problems, err)
	}
	wantPromtoolAccepts(t, onlyOurs(scraped))
}

// wantCount returns nil when the gauge counts that many FitUsers.
func wantCount(t *testing.T, address string, want float64) error {
	t.Helper()
	sum := 0.0
	for _, m := range ours(t, scrape(t, address))["fituser_objects"].GetMetric() {
		sum += m.GetGauge().GetValue()
	}
	if sum != want {
		return fmt.Errorf("the gauge counts %v FitUsers, want %v", sum, want)
	}
	return nil
}

func labelsOf(family *dto.MetricFamily) string {
	var names []string
	for _, label := range family.GetMetric()[0].GetLabel() {
		names = append(names, label.GetName())
	}
	return strings.Join(names, ",")
}

func sortedLabels(d description) string {
	labels := strings.Split(d.labels, ",")
	slices.Sort(labels)
	return d.kind + " " + strings.Join(labels, ",")
}

// onlyOurs removes the metrics of libraries, which choose their own names.
func onlyOurs(scraped []byte) []byte {
	return bytes.Join(regexp.MustCompile(`(?m)^(# (HELP|TYPE) )?fituser_.*\n`).FindAll(scraped, -1), nil)
}

// wantPromtoolAccepts runs promtool's check.
func wantPromtoolAccepts(t *testing.T, exposition []byte) {
	t.Helper()
	command := exec.CommandContext(t.Context(), testenv.Prometheus(t, "promtool"), "check", "metrics")
	command.Stdin = bytes.NewReader(exposition)
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

// The gauge follows the watch, so it is correct after a restart and after deletions.
func TestMetrics_CountFitUsersAfterRestartAndDeletion(t *testing.T) {
	s := newSystem(t, storetest.SQLite(t))
	address := testenv.FreeAddress(t)
	s.start(withMetrics(address)...)
	jane := s.clerk.SignUp(clerktest.Person{Email: "jane@example.com", FirstName: "Jane"})
	s.clerk.SignUp(clerktest.Person{Email: "joe@example.com", FirstName: "Joe"})
	s.deliver()
	s.eventually("both are counted", func() error { return wantCount(t, address, 2) })
	s.stop()
	s.start(withMetrics(address)...)
	s.eventually("both are counted by the next process", func() error { return wantCount(t, address, 2) })
	s.clerk.Delete(jane)
	s.deliver()
	s.eventually("one is left", func() error { return wantCount(t, address, 1) })
	s.stop()
}
