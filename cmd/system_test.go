package main

import (
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/store/storetest"
	"github.com/fitai/fituser-operator/internal/testenv"
	"github.com/fitai/fituser-operator/internal/testenv/eventually"
)

var (
	controlPlane testenv.Shared
	postgres     storetest.Postgres
)

// runAsManager is the variable with which the test binary runs the program instead of the tests: tests start it as a process.
const runAsManager = "FITUSER_TEST_RUN_AS_MANAGER"

func TestMain(m *testing.M) {
	if os.Getenv(runAsManager) != "" {
		main()
		return
	}
	allowParallel(parallelTests)
	controlPlane.Main(m)
}

// parallelTests is how many tests run at once, even on fewer CPUs: each spends much of its time waiting for timers.
const parallelTests = 4

// allowParallel sets -parallel unless the command line does.
func allowParallel(n int) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		_ = flag.Set("test.parallel", strconv.Itoa(n))
	}
}

// scaled returns the number of users in a test: few, or many with FITUSER_TEST_THOROUGH.
func scaled(few, many int) int {
	if os.Getenv("FITUSER_TEST_THOROUGH") != "" {
		return many
	}
	return few
}

const webhookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// system is the whole program as a process, with a real API server, a real table, and the stand-in for Clerk. Its tests run in
// parallel, each in a namespace of its own.
type system struct {
	testing.TB
	env       *testenv.Environment
	namespace string
	clerk     *clerktest.Server
	clerkURL  string
	sender    *clerktest.Sender
	table     *storetest.Raw
	objects   client.Client
	settings  []string
	webhooks  string
	health    string
	process   *exec.Cmd
	log       *os.File
}

func newSystem(t testing.TB, databaseURL string) *system {
	t.Helper()
	if test, ok := t.(*testing.T); ok { // benchmarks run one by one
		test.Parallel()
	}
	return newSystemOn(t, controlPlane.Get(t), databaseURL)
}

func newSystemOn(t testing.TB, env *testenv.Environment, databaseURL string) *system {
	t.Helper()
	s := &system{
		TB: t, env: env, namespace: env.Namespace(t), clerk: clerktest.NewServer(clerktest.Config{}),
		table: storetest.OpenRaw(t, databaseURL), webhooks: testenv.FreeAddress(t), health: testenv.FreeAddress(t),
	}
	server := httptest.NewServer(s.clerk)
	t.Cleanup(server.Close)
	s.clerkURL = server.URL + "/v1"
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	ok(t, os.WriteFile(kubeconfig, env.Kubeconfig, 0o600))
	s.settings = []string{
		runAsManager + "=1", "KUBECONFIG=" + kubeconfig, "CLERK_API_URL=" + s.clerkURL, "DATABASE_URL=" + databaseURL,
		"CLERK_SECRET_KEY=" + clerktest.DefaultSecretKey, "CLERK_WEBHOOK_SECRET=" + webhookSecret,
		"FITUSER_NAMESPACE=" + s.namespace, "FITUSER_CLERK_RATE_LIMIT=100", "FITUSER_METRICS_BIND_ADDRESS=0",
		"FITUSER_WEBHOOK_BIND_ADDRESS=" + s.webhooks, "FITUSER_HEALTH_PROBE_BIND_ADDRESS=" + s.health,
	}
	s.attach(nil)
	s.objects = newObjects(t, env)
	return s
}

func newObjects(t testing.TB, env *testenv.Environment) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	ok(t, errors.Join(v1alpha1.AddToScheme(scheme), corev1.AddToScheme(scheme)))
	objects, err := client.New(env.Config, client.Options{Scheme: scheme})
	ok(t, err)
	return objects
}

// attach makes Clerk send webhooks to the program, over transport.
func (s *system) attach(transport http.RoundTripper) {
	s.Helper()
	sender, err := clerktest.NewSender(clerktest.SenderConfig{
		URL: "http://" + s.webhooks + "/api/webhooks", Secrets: []string{webhookSecret}, Transport: transport,
	})
	ok(s, err)
	s.sender = sender
	s.clerk.Attach(sender)
}

// start starts the program and waits until it is ready.
func (s *system) start(settings ...string) {
	s.Helper()
	log, err := os.CreateTemp(s.TempDir(), "log")
	ok(s, err)
	s.log = log
	s.process = exec.Command(os.Args[0])
	s.process.Env = append(append(os.Environ(), s.settings...), settings...)
	s.process.Stdout, s.process.Stderr = log, log
	s.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	ok(s, s.process.Start())
	s.Cleanup(func() {
		if s.process.ProcessState == nil {
			_ = s.process.Process.Kill()
			_ = s.process.Wait()
		}
		if s.Failed() {
			s.Log(s.logged())
		}
	})
	s.eventually("the program is ready", func() error {
		response, err := http.Get("http://" + s.health + "/readyz")
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("status %d", response.StatusCode)
		}
		return nil
	})
}

// stop ends the program as Kubernetes does, which finishes what is in progress.
func (s *system) stop() {
	s.Helper()
	ok(s, s.process.Process.Signal(syscall.SIGTERM))
	if err := s.process.Wait(); err != nil {
		s.Fatalf("the program ended with %v\n%s", err, s.logged())
	}
}

// kill ends the program at once.
func (s *system) kill() {
	s.Helper()
	ok(s, s.process.Process.Kill())
	_ = s.process.Wait()
}

// logged returns what the program has logged since its last start.
func (s *system) logged() string {
	content, err := os.ReadFile(s.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(content)
}

// eventually waits until check returns nil. A slow check runs for a third of the time at most, so that the test leaves the
// CPU to the program it waits for.
func (s *system) eventually(what string, check func() error) {
	s.Helper()
	var next time.Time
	var last error
	eventually.Succeeds(s.TB, what, func() error {
		if started := time.Now(); started.After(next) {
			last = check()
			next = time.Now().Add(2 * time.Since(started))
		}
		return last
	})
}

// deliver delivers all pending webhooks.
func (s *system) deliver() {
	s.Helper()
	ok(s, s.sender.DeliverAll(s.Context()))
}

func must[T any](value T, ok bool) T {
	if !ok {
		panic("no such user")
	}
	return value
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
