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

// build builds the program, with the race detector where the tests have it.
func build(tb testing.TB) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "manager")
	args := []string{"build", "-o", path}
	if raceDetector() {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, "../../cmd")...).CombinedOutput(); err != nil {
		tb.Fatalf("building the program: %v\n%s", err, out)
	}
	return path
}

func raceDetector() bool {
	info, _ := debug.ReadBuildInfo()
	for _, setting := range info.Settings {
		if setting.Key == "-race" {
			return setting.Value == "true"
		}
	}
	return false
}

// manager is one replica. When its process ends, however that came, it is started again, as a kubelet does.
type manager struct {
	tb       testing.TB
	name     string // as the API server, the database and Clerk know it
	binary   string
	settings []string
	webhooks string
	health   string
	metrics  string
	log      *os.File

	mu       sync.Mutex
	process  *os.Process
	expected bool // the end of the process is the test's doing
	retired  bool
	starts   int
	alone    int // how often it ended by itself
	watching sync.WaitGroup
}

// run starts the process and keeps it running until dismiss.
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
			if !m.once(next) {
				return
			}
		}
	})
	if err := <-started; err != nil {
		m.tb.Fatal(err)
	}
}

// once runs the process to its end and tells whether it is to be started again.
func (m *manager) once(started chan<- error) bool {
	cmd := exec.Command(m.binary)
	cmd.Env = append(os.Environ(), m.settings...)
	cmd.Stdout, cmd.Stderr = m.log, m.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	m.mu.Lock()
	if m.retired {
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
	_ = cmd.Wait() // how it ended is in its log
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.expected && !m.retired {
		m.alone++
	}
	return !m.retired
}

// signal sends the running process a signal.
func (m *manager) signal(signal syscall.Signal) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if signal == syscall.SIGKILL || signal == syscall.SIGTERM {
		m.expected = true
	}
	_ = m.process.Signal(signal) // it may just have ended by itself
}

// dismiss ends the process for good, as a scaled-down Deployment does.
func (m *manager) dismiss(signal syscall.Signal) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.retired = true
	_ = m.process.Signal(syscall.SIGCONT)
	_ = m.process.Signal(signal) // it may have ended already
}

// retire is dismiss, and waits until it is so.
func (m *manager) retire(signal syscall.Signal) {
	m.dismiss(signal)
	m.watching.Wait()
}

// recall takes retire back.
func (m *manager) recall() {
	m.retired = false
	m.run()
}

func (m *manager) started() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.starts
}

// ready is nil when the process says that it is ready.
func (m *manager) ready() error {
	_, err := fetch("http://" + m.health + "/readyz")
	return err
}

// leads tells whether the process says that it leads. One that does not answer does not.
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

// actingAs makes a kubeconfig with which the manager is its own user to the API server.
func actingAs(tb testing.TB, kubeconfig []byte, name string) string {
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
