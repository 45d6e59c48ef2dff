package testenv

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Prometheus returns the path of a program of Prometheus: prometheus or promtool. The first call may build them.
func Prometheus(t testing.TB, program string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("needs Prometheus, which -short leaves out")
	}
	dir, err := prometheusDir()
	if err != nil {
		t.Fatalf("getting prometheus and promtool from hack/prometheus.sh (its messages are on stderr): %v", err)
	}
	return filepath.Join(dir, program)
}

var prometheusDir = sync.OnceValues(func() (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	script := exec.Command(filepath.Join(root, "hack", "prometheus.sh"))
	script.Stderr = os.Stderr // has progress and the cause of a failure
	out, err := script.Output()
	return strings.TrimSpace(string(out)), err
})
