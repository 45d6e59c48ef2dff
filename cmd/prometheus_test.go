package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// prometheusTool is where a program of Prometheus' is: prometheus or promtool.
func prometheusTool(t testing.TB, name string) string {
	t.Helper()
	dir, err := prometheusDir()
	if err != nil {
		t.Fatalf("getting prometheus and promtool: %v", err)
	}
	return filepath.Join(dir, name)
}

var prometheusDir = sync.OnceValues(func() (string, error) {
	script := exec.Command("../hack/prometheus.sh")
	script.Stderr = os.Stderr
	out, err := script.Output()
	return strings.TrimSpace(string(out)), err
})
