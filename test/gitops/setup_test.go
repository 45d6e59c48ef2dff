package gitops

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/store/storetest"
	"github.com/fitai/fituser-operator/internal/testenv"
	"github.com/fitai/fituser-operator/internal/testenv/eventually"
)

// root is the operator's module from this package.
const root = "../.."

const webhookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

var controlPlane testenv.Shared

func TestMain(m *testing.M) { controlPlane.Main(m) }

// needTools skips the test unless FITUSER_TEST_GITOPS is set: Flux and Argo CD take minutes to build.
func needTools(t testing.TB) {
	t.Helper()
	if os.Getenv("FITUSER_TEST_GITOPS") == "" {
		t.Skip("builds Flux or Argo CD: make test-gitops runs it")
	}
}

// manager is the operator's program, built once.
var manager = sync.OnceValues(func() (string, error) {
	return build(root, "./cmd", "manager")
})

// build builds a program of a module, and returns its path.
func build(module, source, name string) (string, error) {
	path, err := filepath.Abs(filepath.Join(root, "bin", "test-gitops", name))
	if err != nil {
		return "", err
	}
	if out, err := exec.Command("go", "build", "-C", module, "-o", path, source).CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w\n%s", name, err, out)
	}
	return path, nil
}

// system is an operator as a process, with a real API server, a real table and the stand-in for Clerk.
type system struct {
	testing.TB
	env        *testenv.Environment
	namespace  string
	objects    client.Client
	clerk      *clerktest.Server
	sender     *clerktest.Sender
	kubeconfig string
	settings   []string
	health     string
}

func newSystem(t testing.TB) *system {
	t.Helper()
	env := controlPlane.Get(t)
	s := &system{
		TB: t, env: env, namespace: env.Namespace(t), objects: newObjects(t, env),
		clerk: clerktest.NewServer(clerktest.Config{}), health: testenv.FreeAddress(t),
		kubeconfig: filepath.Join(t.TempDir(), "kubeconfig"),
	}
	ok(t, os.WriteFile(s.kubeconfig, env.Kubeconfig, 0o600))
	server := httptest.NewServer(s.clerk)
	t.Cleanup(server.Close)
	webhooks := testenv.FreeAddress(t)
	s.settings = []string{
		"KUBECONFIG=" + s.kubeconfig, "CLERK_API_URL=" + server.URL + "/v1", "DATABASE_URL=" + storetest.SQLite(t),
		"CLERK_SECRET_KEY=" + clerktest.DefaultSecretKey, "CLERK_WEBHOOK_SECRET=" + webhookSecret,
		"FITUSER_NAMESPACE=" + s.namespace, "FITUSER_CLERK_RATE_LIMIT=100", "FITUSER_METRICS_BIND_ADDRESS=0",
		"FITUSER_WEBHOOK_BIND_ADDRESS=" + webhooks, "FITUSER_HEALTH_PROBE_BIND_ADDRESS=" + s.health,
	}
	sender, err := clerktest.NewSender(clerktest.SenderConfig{
		URL: "http://" + webhooks + "/api/webhooks", Secrets: []string{webhookSecret},
	})
	ok(t, err)
	s.sender = sender
	s.clerk.Attach(sender)
	return s
}

func newObjects(t testing.TB, env *testenv.Environment) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, corev1.AddToScheme} {
		ok(t, add(scheme))
	}
	objects, err := client.New(env.Config, client.Options{Scheme: scheme})
	ok(t, err)
	return objects
}

// start starts the operator and waits until it is ready.
func (s *system) start() {
	s.Helper()
	program, err := manager()
	ok(s, err)
	s.process(program, s.settings)
	s.ready(s.health)
}

// process runs a program until the end of the test. A failed test shows its output.
func (s *system) process(program string, environ []string, args ...string) {
	s.Helper()
	log, err := os.CreateTemp(s.TempDir(), "log")
	ok(s, err)
	command := exec.Command(program, args...)
	command.Env = append(os.Environ(), environ...)
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	ok(s, command.Start())
	s.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		if s.Failed() {
			content, _ := os.ReadFile(log.Name())
			s.Logf("%s:\n%s", filepath.Base(program), content)
		}
	})
}

// ready waits until the program with this health address is ready.
func (s *system) ready(address string) {
	s.Helper()
	s.eventually("the program at "+address+" is ready", func() error {
		response, err := http.Get("http://" + address + "/readyz")
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

func (s *system) eventually(what string, check func() error) {
	s.Helper()
	eventually.Succeeds(s.TB, what, check)
}

// signUp signs a person up with a verified address, and delivers the event.
func (s *system) signUp(address string) (id string) {
	s.Helper()
	id = s.clerk.SignUp(clerktest.Person{Email: address, FirstName: "Some", LastName: "Body"})
	s.deliver()
	return id
}

func (s *system) deliver() {
	s.Helper()
	ok(s, s.sender.DeliverAll(s.Context()))
}

// wantRole waits until Clerk holds a role for a user; nil is none.
func (s *system) wantRole(id string, role any) {
	s.Helper()
	s.eventually(fmt.Sprintf("%s has the role %v", id, role), func() error {
		u, found := s.clerk.User(id)
		if !found || u.PublicMetadata["role"] != role {
			return fmt.Errorf("Clerk holds the role %v", u.PublicMetadata["role"])
		}
		return nil
	})
}

// kubectl runs kubectl and returns its output.
func (s *system) kubectl(args ...string) string {
	s.Helper()
	command := exec.CommandContext(s.Context(), filepath.Join(s.env.Assets, "kubectl"),
		append([]string{"--kubeconfig", s.kubeconfig, "--cache-dir", filepath.Dir(s.kubeconfig), "-n", s.namespace}, args...)...)
	out, err := command.CombinedOutput()
	if err != nil {
		s.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// wantReady waits until FitUsers are Ready.
func (s *system) wantReady(names ...string) {
	s.Helper()
	s.kubectl(append([]string{"wait", "fitusers", "--for=condition=Ready", "--timeout=60s"}, names...)...)
}

// wantOwnFitUser waits until the operator has its own FitUser for a user, with this reason. No GitOps tool claims it.
func (s *system) wantOwnFitUser(id, reason string) {
	s.Helper()
	s.eventually("the operator has a FitUser of "+id, func() error {
		u := &v1alpha1.FitUser{}
		name := fitusers.NameFor(id, 0)
		if err := s.objects.Get(s.Context(), client.ObjectKey{Namespace: s.namespace, Name: name}, u); err != nil {
			return err
		}
		if !u.ManagedByOperator() || readyReason(u) != reason {
			return fmt.Errorf("%s: labels %v, %+v", name, u.Labels, u.Status.Conditions)
		}
		return nil
	})
}

func readyReason(u *v1alpha1.FitUser) string {
	if ready := apimeta.FindStatusCondition(u.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
		return ready.Reason
	}
	return ""
}

// get returns a FitUser by name.
func (s *system) get(name string) *v1alpha1.FitUser {
	s.Helper()
	u := &v1alpha1.FitUser{}
	ok(s, s.objects.Get(s.Context(), client.ObjectKey{Namespace: s.namespace, Name: name}, u))
	return u
}

// versions returns the resource version of every FitUser, by name. It changes with every write that changes something.
func (s *system) versions() map[string]string {
	s.Helper()
	all := &v1alpha1.FitUserList{}
	ok(s, s.objects.List(s.Context(), all, client.InNamespace(s.namespace)))
	versions := map[string]string{}
	for _, u := range all.Items {
		versions[u.Name] = u.ResourceVersion
	}
	return versions
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
