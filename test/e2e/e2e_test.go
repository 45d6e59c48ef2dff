//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/fitusers"
)

func TestDeployment_Lifecycle(t *testing.T) {
	w := newWorld(t, "fituser-e2e", "receiver", "controller")
	w.database = w.serveDatabase()
	w.overlay, w.withTLS = w.newOverlay("default", nil), w.newOverlay("default", []string{"webhook-tls", "metrics-tls"})
	w.run([]step{
		{"deployed", w.deploy},
		{"a first user", w.firstUser},
		{"a role", w.role},
		{"drift", w.drift},
		{"pods killed", w.podsKilled},
		{"the leader evicted", w.leaderEvicted},
		{"rolled out under load", w.rolledOut},
		{"the controller rolled out", w.controllerRolledOut},
		{"metrics", w.metrics},
		{"the documented commands", w.documentedCommands},
		{"the CRD removed while it runs", w.crdRemoved},
		{"the namespace removed while it runs", w.namespaceRemoved},
		{"over TLS", w.overTLS},
		{"undeployed", w.undeployed},
	})
}

// step is one step of a test.
type step struct {
	name string
	do   func()
}

// run runs the steps in order. It continues after a failure, because later steps may show the cause.
func (w *world) run(steps []step) {
	for _, step := range steps {
		outer := w.T
		passed := outer.Run(step.name, func(t *testing.T) {
			w.T = t
			defer func() { w.T = outer }()
			step.do()
		})
		if !passed {
			w.logState()
		}
	}
}

// logState logs objects and logs that help to find a cause.
func (w *world) logState() {
	for _, args := range [][]string{
		{"get", "pods,fitusers,events", "-o", "wide"},
		{"logs", "-l", "app.kubernetes.io/component=controller", "--tail=40"},
		{"logs", "-l", "app.kubernetes.io/component=receiver", "--tail=40"},
	} {
		out, err := w.try("", args...)
		w.Logf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// removeEverything removes everything but the CRD, which other operators on the cluster may need.
func (w *world) removeEverything() {
	for _, object := range append(w.leftovers(), "namespace/"+w.namespace) {
		if _, err := w.try("", "delete", object, "--ignore-not-found", "--wait=false"); err != nil {
			w.Logf("removing the leftovers: %v", err)
		}
	}
}

// leftovers returns the operator's cluster-scoped objects without the CRD.
func (w *world) leftovers() []string {
	all, err := w.try("", "get", "clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings", "-o", "name")
	if err != nil {
		w.Errorf("listing the leftovers: %v", err)
	}
	return slices.DeleteFunc(strings.Fields(all), func(name string) bool { return !strings.Contains(name, "/"+prefix+"fituser") })
}

func (w *world) deploy() {
	w.createSecrets()
	w.apply()
	w.attach(true)
	w.Logf("kubectl get pods -o wide\n%s", w.kubectl("get", "pods", "-o", "wide"))
}

func (w *world) createSecrets() {
	w.Helper()
	w.kubectl("create", "namespace", w.namespace)
	w.kubectl("create", "secret", "generic", "fituser-receiver", "--from-literal=CLERK_WEBHOOK_SECRET="+webhookSecret)
	w.kubectl("create", "secret", "generic", "fituser-controller",
		"--from-literal=CLERK_SECRET_KEY="+clerktest.DefaultSecretKey, "--from-literal=DATABASE_URL="+w.database)
	w.createCertificates("fituser-receiver-tls", "fituser-metrics-tls")
}

func (w *world) apply() {
	w.Helper()
	w.Log(w.kubectl("apply", "--server-side", "-k", w.overlay))
	w.ready()
}

func (w *world) ready() {
	w.Helper()
	for _, component := range w.components {
		w.Log(w.kubectl("rollout", "status", "deployment/"+prefix+"fituser-"+component, "--timeout=3m"))
	}
}

func (w *world) signUp(name string) string {
	return w.clerk.SignUp(clerktest.Person{Email: strings.ToLower(name) + "@example.com", FirstName: name})
}

func (w *world) firstUser() {
	w.jane = w.signUp("Jane")
	w.deliver()
	w.eventually("the row exists", func() error { return w.row(w.jane, "first_name", "Jane") })
	w.kubectl("wait", "--for=condition=Ready", "fituser/"+fitusers.NameFor(w.jane, 0), "--timeout=60s")
	w.Logf("kubectl get fitusers -o wide\n%s", w.kubectl("get", "fitusers", "-o", "wide"))
	w.Logf("SELECT * FROM users: %v", w.table.Query("SELECT id, email, first_name, role FROM users"))
}

// coach is a manifest that grants a role.
func coach(id string) string {
	return fmt.Sprintf(`
apiVersion: identity.fitai.dev/v1alpha1
kind: FitUser
metadata: {name: coach}
spec: {clerkUserID: %s, role: trainer}
`, id)
}

func (w *world) role() {
	w.kubectlWith(coach(w.jane), "apply", "-f", "-")
	w.kubectl("wait", "--for=jsonpath={.status.role}=trainer", "fituser/coach", "--timeout=60s")
	if err := w.hasRole(w.jane, "trainer"); err != nil {
		w.Fatal(err)
	}
}

// hasRole returns nil when Clerk and the row both have the role.
func (w *world) hasRole(id, role string) error {
	user, _ := w.clerk.User(id)
	if got := fmt.Sprint(user.PublicMetadata["role"]); got != role {
		return fmt.Errorf("the role in Clerk is %s", got)
	}
	return w.row(id, "role", role)
}

func (w *world) drift() {
	id := w.jane
	w.table.Exec("UPDATE users SET first_name = 'Nobody' WHERE id = $1", id)
	w.eventually("the row is as in Clerk", func() error { return w.row(id, "first_name", "Jane") })
	w.table.Exec("DELETE FROM users WHERE id = $1", id)
	w.eventually("the row exists again", func() error { return w.row(id, "role", "trainer") })
	w.clerk.SetPublicMetadata(id, clerktest.Metadata{"role": "client"}) // as the only admin, Jane would keep that role
	w.eventually("the manifest's role is restored", func() error { return w.hasRole(id, "trainer") })
}

func (w *world) leader() string {
	w.Helper()
	holder := w.kubectl("get", "lease", "fituser-operator", "-o", "jsonpath={.spec.holderIdentity}")
	pod, _, _ := strings.Cut(holder, "_")
	return pod
}

func (w *world) podsKilled() {
	receiver := strings.Fields(w.kubectl("get", "pods", "-l", "app.kubernetes.io/component=receiver", "-o", "name"))[0]
	leader := w.leader()
	w.kubectl("delete", "--force", "--grace-period=0", receiver, "pod/"+leader)
	joe := w.signUp("Joe")
	w.deliver()
	w.eventually("another pod leads, and the row exists", func() error { return w.row(joe, "first_name", "Joe") })
	w.ready()
	w.Logf("%s and %s were killed, %s leads\n%s", receiver, leader, w.leader(), w.kubectl("get", "pods", "-o", "wide"))
}

// leaderEvicted evicts the leader, like kubectl drain. It does not drain the node, which may be the only one.
func (w *world) leaderEvicted() {
	leader := w.leader()
	eviction := fmt.Sprintf(`{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":%q,"namespace":%q}}`, leader, w.namespace)
	w.kubectlWith(eviction, "create", "--raw", "/api/v1/namespaces/"+w.namespace+"/pods/"+leader+"/eviction", "-f", "-")
	ann := w.signUp("Ann")
	w.deliver()
	w.eventually("the row exists", func() error { return w.row(ann, "first_name", "Ann") })
	w.eventually("another pod leads", func() error {
		if w.leader() == leader {
			return fmt.Errorf("%s still does", leader)
		}
		return nil
	})
	w.ready()
}

// rolledOut restarts the receivers under load, once with keep-alive connections and once with new ones.
func (w *world) rolledOut() {
	w.clerk.Import(loadUsers) // webhooks rotate over many users: one user does not get a hundred per second
	for _, keepAlive := range []bool{true, false} {
		w.attach(keepAlive)
		responses := w.underLoad(func() {
			w.kubectl("rollout", "restart", "deployment/"+prefix+"fituser-receiver")
			w.kubectl("rollout", "status", "deployment/"+prefix+"fituser-receiver", "--timeout=3m")
			w.kubectl("wait", "--for=delete", "pod", "-l", "app.kubernetes.io/component=receiver,pod-template-hash!="+w.templateHash(), "--timeout=2m")
		})
		w.Logf("keep-alive %t: responses %v", keepAlive, responses)
		for response, count := range responses {
			if !strings.HasPrefix(response, "200") {
				w.Errorf("%d deliveries ended with %s", count, response)
			}
		}
	}
	w.attach(true)
}

// templateHash returns the pod template hash of the newest receivers.
func (w *world) templateHash() string {
	w.Helper()
	return w.kubectl("get", "replicasets", "-l", "app.kubernetes.io/component=receiver", "--sort-by=.metadata.creationTimestamp",
		"-o", "jsonpath={.items[-1:].metadata.labels.pod-template-hash}")
}

// loadUsers is how many users are imported for the load.
const loadUsers = 300

// underLoad delivers over a hundred webhooks per second until do returns, and counts the responses.
func (w *world) underLoad(do func()) map[string]int {
	w.Helper()
	responses := map[string]int{}
	users := w.clerk.Users()
	var next atomic.Int64
	var mu sync.Mutex
	var done atomic.Bool
	var senders sync.WaitGroup
	for range 8 {
		senders.Go(func() {
			pace := time.NewTicker(50 * time.Millisecond)
			defer pace.Stop()
			for ; !done.Load(); <-pace.C {
				user := users[int(next.Add(1))%len(users)]
				message := w.sender.Message(clerktest.Event{Type: "user.updated", Data: user, InstanceID: clerktest.DefaultInstanceID})
				response := w.deliverOne(message)
				mu.Lock()
				responses[response]++
				mu.Unlock()
			}
		})
	}
	defer senders.Wait()
	defer done.Store(true)
	do()
	mu.Lock()
	defer mu.Unlock()
	return responses
}

// deliverOne delivers a message and returns the status. It retries a 503, as Svix does: a receiver returns it when the API
// server does not answer in time, as on a busy machine.
func (w *world) deliverOne(message clerktest.Message) string {
	retried := ""
	for range 5 {
		status, err := w.sender.Deliver(context.Background(), message)
		switch {
		case err != nil:
			return err.Error()
		case status != http.StatusServiceUnavailable:
			return strconv.Itoa(status) + retried
		}
		retried = ", at first 503"
		<-time.After(time.Second)
	}
	return "503 five times"
}

func (w *world) controllerRolledOut() {
	w.kubectl("rollout", "restart", "deployment/"+prefix+"fituser-controller")
	w.ready()
	sue := w.signUp("Sue")
	w.deliver()
	w.eventually("the row exists", func() error { return w.row(sue, "first_name", "Sue") })
	w.kubectl("rollout", "undo", "deployment/"+prefix+"fituser-controller")
	w.ready()
}

// crdRemoved deletes the CRD under the running operator: no row and no role may be removed.
func (w *world) crdRemoved() {
	everywhere := strings.Fields(w.kubectl("get", "fitusers", "-A", "-o", "jsonpath={.items[*].metadata.namespace}"))
	if slices.ContainsFunc(everywhere, func(namespace string) bool { return namespace != w.namespace }) {
		w.Skip("the cluster has FitUsers of other operators")
	}
	w.kubectl("delete", "crd", "fitusers.identity.fitai.dev", "--timeout=2m")
	w.nothingIsRemoved()
	w.apply()
	w.kubectlWith(coach(w.jane), "apply", "-f", "-")
	w.kubectl("wait", "--for=jsonpath={.status.role}=trainer", "fituser/coach", "--timeout=3m")
}

// namespaceRemoved deletes the namespace and deploys again, with TLS.
func (w *world) namespaceRemoved() {
	w.kubectl("delete", "namespace", w.namespace, "--timeout=3m")
	w.nothingIsRemoved()
	w.overlay = w.withTLS
	w.createSecrets()
	w.apply()
	w.kubectlWith(coach(w.jane), "apply", "-f", "-")
	w.kubectl("wait", "--for=jsonpath={.status.role}=trainer", "fituser/coach", "--timeout=3m")
}

// nothingIsRemoved checks that rows and roles remain, for longer than the operator waits before it revokes a role.
func (w *world) nothingIsRemoved() {
	w.Helper()
	users := w.clerk.Users()
	end := time.NewTimer(15 * time.Second)
	defer end.Stop()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := w.hasRole(w.jane, "trainer"); err != nil {
			w.Fatalf("a role was removed: %v", err)
		}
		if rows := len(w.table.Query("SELECT id FROM users")); rows != len(users) {
			w.Fatalf("%d rows for %d users", rows, len(users))
		}
		select {
		case <-tick.C:
		case <-end.C:
			return
		}
	}
}

func (w *world) undeployed() {
	w.undeploy()
	w.nothingIsRemoved()
}

// undeploy removes the operator as docs/deploy.md describes.
func (w *world) undeploy() {
	w.Helper()
	command := exec.Command("make", "-C", "../..", "undeploy", "OVERLAY="+w.overlay, "NAMESPACE="+w.namespace)
	out, err := command.CombinedOutput()
	w.Logf("%s", out)
	if err != nil {
		w.Fatal(err)
	}
	if left := w.leftovers(); len(left) > 0 {
		w.Errorf("objects are left: %v", left)
	}
}
