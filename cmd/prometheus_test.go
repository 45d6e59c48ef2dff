package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/fitai/fituser-operator/internal/testenv"
)

// prometheusServer is a real Prometheus that reads one address and goes by the project's rules.
type prometheusServer struct{ url string }

func startPrometheus(t *testing.T, target string, interval time.Duration) prometheusServer {
	t.Helper()
	rules, err := filepath.Abs(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	dir, address := t.TempDir(), testenv.FreeAddress(t)
	config := fmt.Sprintf(`
global: {scrape_interval: %[1]dms, scrape_timeout: %[1]dms, evaluation_interval: %[1]dms}
rule_files: [%[2]q]
scrape_configs: [{job_name: fituser, static_configs: [{targets: [%[3]q]}]}]
`, interval.Milliseconds(), rules, target)
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	process := exec.Command(testenv.Prometheus(t, "prometheus"), "--config.file="+file,
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	process.Stdout, process.Stderr = log, log
	process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = process.Process.Kill()
		_ = process.Wait()
		if content, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("Prometheus says:\n%s", content)
		}
	})
	return prometheusServer{url: "http://" + address}
}

// get asks the HTTP API and decodes what it answers as data.
func (p prometheusServer) get(path string, data any) error {
	response, err := http.Get(p.url + path)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	answer := struct {
		Error string
		Data  any
	}{Data: data}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return err
	}
	if answer.Error != "" {
		return fmt.Errorf("prometheus: %s", answer.Error)
	}
	return nil
}

// wantData is nil when a query has an answer with a number in it.
func (p prometheusServer) wantData(query string) error {
	var data struct {
		Result []struct{ Value [2]any }
	}
	if err := p.get("/api/v1/query?query="+url.QueryEscape(query), &data); err != nil {
		return err
	}
	for _, series := range data.Result {
		if series.Value[1] != "NaN" {
			return nil
		}
	}
	return fmt.Errorf("%s has %d answers and no number", query, len(data.Result))
}

// rulesAreWell is nil when every alert has been evaluated without an error.
func (p prometheusServer) rulesAreWell() error {
	var data struct {
		Groups []struct {
			Rules []struct{ Name, Health, LastError string }
		}
	}
	if err := p.get("/api/v1/rules", &data); err != nil {
		return err
	}
	rules := 0
	for _, group := range data.Groups {
		for _, rule := range group.Rules {
			if rules++; rule.Health != "ok" {
				return fmt.Errorf("%s is %s: %s", rule.Name, rule.Health, rule.LastError)
			}
		}
	}
	if rules == 0 {
		return fmt.Errorf("there are no rules")
	}
	return nil
}
