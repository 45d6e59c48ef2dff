package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/store/storetest"
	"github.com/fitai/fituser-operator/internal/testenv"
	"github.com/fitai/fituser-operator/internal/user"
)

var (
	controlPlane testenv.Shared
	postgres     storetest.Postgres
)

// runAsManager makes the test binary run the program instead of the tests, so that tests start it as a process.
const runAsManager = "FITUSER_TEST_RUN_AS_MANAGER"

func TestMain(m *testing.M) {
	if os.Getenv(runAsManager) != "" {
		main()
		return
	}
	controlPlane.Main(m)
}

const webhookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// system is the whole program as a process, with a real API server, a real table, and the stand-in for Clerk.
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
	if err := os.WriteFile(kubeconfig, env.Kubeconfig, 0o600); err != nil {
		t.Fatal(err)
	}
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
	if err := errors.Join(v1alpha1.AddToScheme(scheme), corev1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	objects, err := client.New(env.Config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// attach makes Clerk send webhooks to the program, through transport.
func (s *system) attach(transport http.RoundTripper) {
	s.Helper()
	sender, err := clerktest.NewSender(clerktest.SenderConfig{
		URL: "http://" + s.webhooks + "/api/webhooks", Secrets: []string{webhookSecret}, Transport: transport,
	})
	if err != nil {
		s.Fatal(err)
	}
	s.sender = sender
	s.clerk.Attach(sender)
}

// start starts the program and waits until it is ready.
func (s *system) start(settings ...string) {
	s.Helper()
	log, err := os.CreateTemp(s.TempDir(), "log")
	if err != nil {
		s.Fatal(err)
	}
	s.log = log
	s.process = exec.Command(os.Args[0])
	s.process.Env = append(append(os.Environ(), s.settings...), settings...)
	s.process.Stdout, s.process.Stderr = log, log
	s.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.process.Start(); err != nil {
		s.Fatal(err)
	}
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

// stop ends the program as Kubernetes does.
func (s *system) stop() {
	s.Helper()
	if err := s.process.Process.Signal(syscall.SIGTERM); err != nil {
		s.Fatal(err)
	}
	if err := s.process.Wait(); err != nil {
		s.Fatalf("the program did not end well: %v\n%s", err, s.logged())
	}
}

func (s *system) logged() string {
	content, err := os.ReadFile(s.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(content)
}

// eventually waits for a state of the world, long enough for the slowest machine.
func (s *system) eventually(what string, check func() error) {
	s.Helper()
	var last error
	err := wait.PollUntilContextTimeout(context.Background(), 20*time.Millisecond, 10*time.Minute, true,
		func(context.Context) (bool, error) {
			last = check()
			return last == nil, nil
		})
	if err != nil {
		s.Fatalf("waiting until %s: %v", what, last)
	}
}

// deliver delivers all webhooks that wait.
func (s *system) deliver() {
	s.Helper()
	if err := s.sender.DeliverAll(s.Context()); err != nil {
		s.Fatal(err)
	}
}

// agreement is nil when Clerk, the FitUsers and the table say the same of every user, and there is nobody else.
func (s *system) agreement() error {
	var fitUsers v1alpha1.FitUserList
	if err := s.objects.List(context.Background(), &fitUsers, client.InNamespace(s.namespace)); err != nil {
		return err
	}
	objects := map[string]*v1alpha1.FitUser{}
	for i := range fitUsers.Items {
		objects[fitUsers.Items[i].Spec.ClerkUserID] = &fitUsers.Items[i]
	}
	rows := map[string]map[string]any{}
	for _, row := range s.table.Query("SELECT * FROM users") {
		rows[row["id"].(string)] = row
	}
	users := s.clerk.Users()
	if len(fitUsers.Items) != len(users) || len(rows) != len(users) {
		return fmt.Errorf("%d users in Clerk, %d FitUsers, %d rows", len(users), len(fitUsers.Items), len(rows))
	}
	for _, u := range users {
		if err := agree(u, objects[u.ID], rows[u.ID]); err != nil {
			return fmt.Errorf("%s: %w", u.ID, err)
		}
	}
	return nil
}

func agree(u clerktest.User, object *v1alpha1.FitUser, row map[string]any) error {
	switch {
	case object == nil:
		return fmt.Errorf("no FitUser")
	case !meta.IsStatusConditionTrue(object.Status.Conditions, v1alpha1.ConditionReady):
		return fmt.Errorf("not Ready: %+v", object.Status.Conditions)
	case row == nil:
		return fmt.Errorf("no row")
	case row["email"] != u.PrimaryEmail() || row["first_name"] != *u.FirstName:
		return fmt.Errorf("the row says %v, %v", row["email"], row["first_name"])
	case object.Status.Profile.FirstName != *u.FirstName || row["role"] != string(object.Status.Role):
		return fmt.Errorf("the FitUser says %v, %v", object.Status.Profile, object.Status.Role)
	}
	return nil
}

func (s *system) fitUser(id string) *v1alpha1.FitUser {
	s.Helper()
	object := &v1alpha1.FitUser{}
	key := client.ObjectKey{Namespace: s.namespace, Name: fitusers.NameFor(id, 0)}
	if err := s.objects.Get(context.Background(), key, object); err != nil {
		s.Fatal(err)
	}
	return object
}

// writes are the writes to the API server in the namespace, of one user's FitUser.
func (s *system) writes(id string) []string {
	s.Helper()
	all, err := s.env.Writes(s.namespace)
	if err != nil {
		s.Fatal(err)
	}
	var writes []string
	for _, w := range all {
		if w.Resource == "fitusers" && (w.Name == fitusers.NameFor(id, 0) || w.Name == "") {
			writes = append(writes, strings.Trim(w.Verb+" "+w.Subresource, " "))
		}
	}
	return writes
}

func TestEventsBecomeFitUsersAndRows(t *testing.T) {
	for name, database := range map[string]func(*testing.T) string{
		"SQLite":     func(t *testing.T) string { return storetest.SQLite(t) },
		"PostgreSQL": func(t *testing.T) string { return postgres.URL(t) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t, database(t))
			s.start()
			for i := range 300 {
				id := s.clerk.SignUp(clerktest.Person{Email: fmt.Sprintf("user%d@example.com", i), FirstName: "One"})
				for _, name := range []string{"Two", "Three", "Four", "Five", "Six"} {
					s.clerk.SetNames(id, name, "Quaxelroth")
				}
			}
			s.deliverBadly(s.sender.Pending())
			s.eventually("Clerk, the FitUsers and the rows agree", s.agreement)
			s.stop()
			for _, canary := range []string{"@example.com", "Quaxelroth", webhookSecret, clerktest.DefaultSecretKey} {
				if strings.Contains(s.logged(), canary) {
					t.Errorf("the log holds %q", canary)
				}
			}
		})
	}
}

func TestWritesPerEvent(t *testing.T) {
	s := newSystem(t, storetest.SQLite(t))
	s.start()
	id := s.clerk.SignUp(clerktest.Person{Email: "jane@example.com", FirstName: "Jane"})
	s.deliver()
	s.eventually("the user is there", s.agreement)
	if got := strings.Join(s.writes(id), ", "); got != "create, patch status" {
		t.Errorf("a new user cost: %s", got)
	}

	before, asked := len(s.writes(id)), s.clerk.RequestCount("GET /users/{id}")
	row := s.table.Row(user.ID(id))
	s.clerk.SignIn(id)
	s.sender.Send(clerktest.Event{Type: "user.updated", Data: must(s.clerk.User(id)), InstanceID: clerktest.DefaultInstanceID})
	s.deliver()
	s.eventually("Clerk was asked", func() error {
		if s.clerk.RequestCount("GET /users/{id}") == asked {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	s.stop() // whatever was under way is finished
	if got := strings.Join(s.writes(id)[before:], ", "); got != "patch" {
		t.Errorf("an event that tells nothing new cost: %s", got)
	}
	if s.table.Row(user.ID(id))["updated_at"] != row["updated_at"] || len(s.clerk.Writes()) != 0 {
		t.Error("the row or Clerk was written")
	}
}

// What is told to a program that is then killed is not lost: the next one finds the hint.
func TestKilledAfterTheAcknowledgement(t *testing.T) {
	s := newSystem(t, storetest.SQLite(t))
	s.start("FITUSER_CONTROLLER=false")
	s.clerk.SignUp(clerktest.Person{Email: "jane@example.com", FirstName: "Jane"})
	s.deliver()
	if err := s.process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = s.process.Wait()
	s.start("FITUSER_RECEIVER=false")
	s.eventually("the user is there", s.agreement)
	s.stop()
}

// Svix retries for a day and people resend: an old message may come at any time, and Clerk's dashboard sends examples of
// users who never were.
func TestDeletedAndUnknownUsersLeaveNothing(t *testing.T) {
	s := newSystem(t, storetest.SQLite(t))
	s.start()
	jane := s.clerk.SignUp(clerktest.Person{Email: "jane@example.com", FirstName: "Jane"})
	s.clerk.SignUp(clerktest.Person{Email: "joe@example.com", FirstName: "Joe"})
	created := s.sender.Pending()
	s.deliver()
	s.eventually("both are there", s.agreement)
	s.clerk.Delete(jane)
	s.deliver()
	s.eventually("one is left", s.agreement)

	for _, message := range created {
		if _, err := s.sender.Deliver(t.Context(), message); err != nil {
			t.Fatal(err)
		}
	}
	for _, example := range []clerktest.Event{
		clerktest.ExampleCreated(), clerktest.ExampleUpdated(), clerktest.ExampleDeleted(), clerktest.ExampleWithoutInstance(),
	} {
		s.sender.Send(example)
	}
	s.deliver()
	s.eventually("one is left again", s.agreement)
	s.stop()
}

func TestSecretRotatedInItsFile(t *testing.T) {
	s := newSystem(t, storetest.SQLite(t))
	file := filepath.Join(t.TempDir(), "secret")
	write := func(secret string) {
		next := file + ".next"
		if err := os.WriteFile(next, []byte(secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, file); err != nil {
			t.Fatal(err)
		}
	}
	write("whsec_" + strings.Repeat("A1B2", 8))
	s.start("CLERK_WEBHOOK_SECRET=", "CLERK_WEBHOOK_SECRET_FILE="+file)
	s.clerk.SignUp(clerktest.Person{Email: "jane@example.com", FirstName: "Jane"})
	if err := s.sender.DeliverAll(t.Context()); err == nil {
		t.Fatal("a delivery signed with another secret was accepted")
	}
	write("whsec_" + strings.Repeat("A1B2", 8) + "," + webhookSecret)
	s.eventually("the new secret is in force", func() error { return s.sender.DeliverAll(t.Context()) })
	s.eventually("the user is there", s.agreement)
	s.stop()
}

func must[T any](value T, ok bool) T {
	if !ok {
		panic("not there")
	}
	return value
}

func TestHelpNamesTheSettings(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), []string{"--help"}, func(string) string { return "" }, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"CLERK_SECRET_KEY", "DATABASE_URL", "CLERK_WEBHOOK_SECRET", "--clerk-rate-limit"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the help does not mention %s", want)
		}
	}
}
