package soak

import (
	"context"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/store/storetest"
	"github.com/fitai/fituser-operator/internal/testenv"
	"github.com/fitai/fituser-operator/internal/testenv/eventually"
)

var controlPlane testenv.Shared

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard()) // silences the test's client; the managers log to their files
	controlPlane.Main(m)
}

// world is two managers and everything that they depend on.
type world struct {
	testing.TB
	env       *testenv.Environment
	postgres  *storetest.Postgres
	namespace string
	clerk     *clerktest.Server
	sender    *clerktest.Sender
	proxy     *proxy
	acks      *acks
	table     *storetest.Raw
	objects   client.Client
	managers  []*manager

	credentials *credentials
	down        struct{ api, table bool } // people do not try changes there: they would only wait
}

// auditTrigger creates a table in which a trigger records who writes which row: each manager has its own database user.
const auditTrigger = `CREATE TABLE row_audit (who text, op text, id text);
CREATE FUNCTION row_audit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN INSERT INTO row_audit VALUES (session_user, TG_OP, COALESCE(new.id, old.id)); RETURN NULL; END $$;
CREATE TRIGGER row_audit AFTER INSERT OR UPDATE OR DELETE ON users FOR EACH ROW EXECUTE FUNCTION row_audit();
CREATE ROLE "manager-0" SUPERUSER LOGIN;
CREATE ROLE "manager-1" SUPERUSER LOGIN`

// newWorld starts everything. settings (NAME=value) replace the managers' default settings.
func newWorld(t testing.TB, settings ...string) *world {
	t.Helper()
	env := controlPlane.Get(t)
	w := &world{
		TB: t, env: env, namespace: env.Namespace(t), clerk: clerktest.NewServer(clerktest.Config{}),
		postgres: &storetest.Postgres{}, acks: &acks{},
	}
	databaseURL := w.postgres.URL(t, storetest.PostgresTable, auditTrigger)
	w.table, w.objects = storetest.OpenRaw(t, databaseURL), newClient(t, env.Config)
	server := httptest.NewServer(w.clerk)
	t.Cleanup(server.Close)
	w.credentials = newCredentials(t, 2)
	w.clerk.SetSecretKeys(w.credentials.keys...)
	for i, name := range []string{"manager-0", "manager-1"} {
		m := w.newManager(name, server.URL+"/v1", w.postgres.As(t, databaseURL, name), i)
		m.settings = append(m.settings, settings...) // the last value of a name counts
		w.managers = append(w.managers, m)
	}
	w.attach()
	binary := build(t)
	for _, m := range w.managers {
		m.binary = binary
		m.run()
		t.Cleanup(func() { m.stopAndWait(syscall.SIGKILL) })
	}
	t.Cleanup(w.keepLogs)
	for _, m := range w.managers {
		w.eventually(m.name+" is ready", m.ready)
	}
	return w
}

func newClient(t testing.TB, config *rest.Config) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	err := errors.Join(v1alpha1.AddToScheme(scheme), corev1.AddToScheme(scheme), eventsv1.AddToScheme(scheme),
		coordinationv1.AddToScheme(scheme))
	if err != nil {
		t.Fatal(err)
	}
	config = rest.CopyConfig(config)
	config.Timeout = 10 * time.Second // while the API server is paused
	objects, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

func (w *world) newManager(name, clerkURL, databaseURL string, i int) *manager {
	m := &manager{
		tb: w.TB, name: name, webhooks: testenv.FreeAddress(w), health: testenv.FreeAddress(w), metrics: testenv.FreeAddress(w),
	}
	m.settings = []string{
		"KUBECONFIG=" + writeKubeconfig(w, w.env.Kubeconfig, name), "CLERK_API_URL=" + clerkURL, "DATABASE_URL=" + databaseURL,
		"CLERK_SECRET_KEY_FILE=" + w.credentials.keyFiles[i], "CLERK_WEBHOOK_SECRET_FILE=" + w.credentials.secretFile,
		"FITUSER_NAMESPACE=" + w.namespace, "FITUSER_LEADER_ELECT=true", "FITUSER_LOG_LEVEL=debug",
		"FITUSER_SYNC_PERIOD=1h", // a sweep runs for a new leader and at the test's request
		"FITUSER_CLERK_RATE_LIMIT=100", "FITUSER_MAX_DELETIONS=1000000",
		"FITUSER_MIN_PROTECTED=0", // at the start hardly anybody holds the protected role
		"FITUSER_METRICS_BIND_ADDRESS=" + m.metrics, "FITUSER_METRICS_SECURE=false",
		"FITUSER_WEBHOOK_BIND_ADDRESS=" + m.webhooks, "FITUSER_HEALTH_PROBE_BIND_ADDRESS=" + m.health,
	}
	return m
}

// attach sends Clerk's webhooks to the managers. The retry schedule has seconds for Svix's hours, and no end.
func (w *world) attach() {
	w.Helper()
	schedule := []time.Duration{100 * time.Millisecond, 300 * time.Millisecond, time.Second}
	for range 1000 {
		schedule = append(schedule, 2*time.Second)
	}
	w.proxy = &proxy{managers: w.managers}
	sender, err := clerktest.NewSender(clerktest.SenderConfig{
		URL: "http://fituser-operator/api/webhooks", Secrets: w.credentials.secrets, Transport: w.proxy,
		Schedule: schedule, Workers: 16, OnAttempt: w.acks.record,
	})
	if err != nil {
		w.Fatal(err)
	}
	w.sender = sender
	w.clerk.Attach(sender)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = sender.Run(ctx) }()
	w.Cleanup(func() { cancel(); <-done })
}

// keepLogs copies the logs of a failed test into the directory FITUSER_SOAK_LOGS.
func (w *world) keepLogs() {
	dir := os.Getenv("FITUSER_SOAK_LOGS")
	if dir == "" || !w.Failed() {
		return
	}
	for _, m := range w.managers {
		if err := os.WriteFile(filepath.Join(dir, m.name+".log"), []byte(m.logged()), 0o600); err != nil {
			w.Log(err)
		}
	}
}

// patience is how long the test waits for a state of the world: long enough for the slowest machine, and longer than the
// longest backoff of a user.
const patience = 15 * time.Minute

// eventually waits for a state of the world.
func (w *world) eventually(what string, check func() error) {
	w.Helper()
	eventually.Within(w, patience, what, check)
}

var errNoLeader = errors.New("no manager leads")

// leader waits until one of the managers leads and returns its index.
func (w *world) leader() (index int) {
	w.Helper()
	w.eventually("a manager leads", func() error {
		for i, m := range w.managers {
			if m.leads() {
				index = i
				return nil
			}
		}
		return errNoLeader
	})
	return index
}

// waitUntilLeading waits until the manager is the leader.
func (w *world) waitUntilLeading(m *manager) {
	w.Helper()
	w.eventually(m.name+" leads", func() error {
		if !m.leads() {
			return errNoLeader
		}
		return nil
	})
}
