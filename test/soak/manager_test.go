package soak

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
)

// build builds the operator, with the race detector if the test has it.
func build(tb testing.TB) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "manager")
	args := []string{"build", "-o", path}
	if hasRaceDetector() {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, "../../cmd")...).CombinedOutput(); err != nil {
		tb.Fatalf("building the operator: %v\n%s", err, out)
	}
	return path
}

func hasRaceDetector() bool {
	info, _ := debug.ReadBuildInfo()
	for _, setting := range info.Settings {
		if setting.Key == "-race" {
			return setting.Value == "true"
		}
	}
	return false
}

// manager is one replica. It restarts its process whenever that ends, like a kubelet.
type manager struct {
	tb       testing.TB
	name     string // its user name on the API server and the database
	binary   string
	settings []string
	webhooks string
	health   string
	metrics  string
	log      *os.File

	mu       sync.Mutex
	process  *os.Process
	expected bool // the test ended the process
	stopped  bool
	starts   int
	exits    int // how often it exited by itself
	watching sync.WaitGroup
}

// run starts the process and restarts it until stop.
func (m *manager) run() {
	m.tb.Helper()
	if m.log == nil {
		log, err := os.Create(filepath.Join(m.tb.TempDir(), m.name+".log"))
		if err != nil {
			m.tb.Fatal(err)
		}
		m.log = log
	}
	started := make(chan error, 1)
	m.watching.Go(func() {
		for next := started; ; next = nil {
			if !m.runOnce(next) {
				return
			}
		}
	})
	if err := <-started; err != nil {
		m.tb.Fatal(err)
	}
}

// runOnce runs the process until it ends, and reports whether to restart it.
func (m *manager) runOnce(started chan<- error) bool {
	cmd := exec.Command(m.binary)
	cmd.Env = append(os.Environ(), m.settings...)
	cmd.Stdout, cmd.Stderr = m.log, m.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	m.mu.Lock()
	if m.stopped {
		m.mu.Unlock()
		return false
	}
	err := cmd.Start()
	m.process, m.expected = cmd.Process, false
	m.starts++
	m.mu.Unlock()
	if started != nil {
		started <- err
	}
	if err != nil {
		return false
	}
	_ = cmd.Wait() // its log has the reason
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.expected && !m.stopped {
		m.exits++
	}
	return !m.stopped
}

// signal sends the running process a signal.
func (m *manager) signal(signal syscall.Signal) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if signal == syscall.SIGKILL || signal == syscall.SIGTERM {
		m.expected = true
	}
	_ = m.process.Signal(signal) // it may have ended just now
}

// stop ends the process without a restart, like scaling down a Deployment.
func (m *manager) stop(signal syscall.Signal) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stopped = true
	_ = m.process.Signal(syscall.SIGCONT)
	_ = m.process.Signal(signal) // it may have ended already
}

// stopAndWait is stop, and returns when the process has ended.
func (m *manager) stopAndWait(signal syscall.Signal) {
	m.stop(signal)
	m.watching.Wait()
}

// restart starts the process again after stopAndWait.
func (m *manager) restart() {
	m.stopped = false
	m.run()
}

func (m *manager) started() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.starts
}

// ready returns nil when the readiness probe succeeds.
func (m *manager) ready() error {
	_, err := fetch("http://" + m.health + "/readyz")
	return err
}

// leads reports whether the process is the leader by its metrics. A process that does not answer is not.
func (m *manager) leads() bool {
	text, err := fetch("http://" + m.metrics + "/metrics")
	return err == nil && strings.Contains(text, `leader_election_master_status{name="fituser-operator"} 1`)
}

func (m *manager) logged() string {
	content, err := os.ReadFile(m.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(content)
}

func fetch(url string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(response.Status)
	}
	return string(body), err
}

// writeKubeconfig writes a kubeconfig with which the manager has its own user name on the API server.
func writeKubeconfig(tb testing.TB, kubeconfig []byte, name string) string {
	tb.Helper()
	config, err := clientcmd.Load(kubeconfig)
	if err != nil {
		tb.Fatal(err)
	}
	for _, access := range config.AuthInfos {
		access.Impersonate, access.ImpersonateGroups = name, []string{"system:masters"}
	}
	path := filepath.Join(tb.TempDir(), name+".kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		tb.Fatal(err)
	}
	return path
}
