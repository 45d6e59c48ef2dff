package manifests_test

import (
	"context"
	"crypto/tls"
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

	authv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/store/storetest"
	"github.com/fitai/fituser-operator/internal/testenv"
	"github.com/fitai/fituser-operator/internal/testenv/eventually"
)

const webhookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// job is the operator's two processes with their surroundings: Clerk, the table and the API server.
type job struct {
	*testing.T
	env       controlPlane
	namespace string
	admin     client.Client
	clerk     *clerktest.Server
	clerkURL  string
	sender    *clerktest.Sender
	table     *storetest.Raw
	database  string
	binary    string
}

// runFullJob makes both components use every one of their functions.
func runFullJob(t *testing.T, env controlPlane, namespace string) {
	t.Helper()
	j := &job{T: t, env: env, namespace: namespace, admin: fitUserClient(t, env.config), database: storetest.SQLite(t)}
	j.table = storetest.OpenRaw(t, j.database)
	j.binary = filepath.Join(t.TempDir(), "manager")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", j.binary, "./cmd")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the operator: %v\n%s", err, out)
	}
	webhooks := testenv.FreeAddress(t)
	j.startClerk(webhooks)
	receiver := j.start("granted-fituser-receiver", "--controller=false", "--webhook-bind-address="+webhooks)
	controller := j.start("granted-fituser-controller", "--receiver=false", "--leader-elect", "--sync-period=10s", "--max-deletions=1")

	j.createAndDeleteUsers()
	j.grantAndRevokeRoles()
	j.applyRule()
	j.deferDeletions()
	j.wantMetrics(receiver, controller)
}

func (j *job) startClerk(webhooks string) {
	j.Helper()
	sender, err := clerktest.NewSender(clerktest.SenderConfig{URL: "http://" + webhooks + "/api/webhooks", Secrets: []string{webhookSecret}})
	if err != nil {
		j.Fatal(err)
	}
	j.sender, j.clerk = sender, clerktest.NewServer(clerktest.Config{})
	j.clerk.Attach(sender)
	server := httptest.NewServer(j.clerk)
	j.Cleanup(server.Close)
	j.clerkURL = server.URL + "/v1"
}

// start starts a component with an account, waits until it is ready and returns the address of its metrics.
func (j *job) start(account string, args ...string) (metrics string) {
	j.Helper()
	metrics, health := testenv.FreeAddress(j.T), testenv.FreeAddress(j.T)
	log, err := os.Create(filepath.Join(j.TempDir(), "log"))
	if err != nil {
		j.Fatal(err)
	}
	process := exec.Command(j.binary, append(args, "--kubeconfig="+j.kubeconfig(account), "--namespace="+j.namespace,
		"--metrics-bind-address="+metrics, "--health-probe-bind-address="+health, "--clerk-rate-limit=100")...)
	process.Env = []string{
		"CLERK_WEBHOOK_SECRET=" + webhookSecret, "CLERK_SECRET_KEY=" + clerktest.DefaultSecretKey,
		"DATABASE_URL=" + j.database, "CLERK_API_URL=" + j.clerkURL,
		"KUBE_FEATURE_WatchListClient=false", // caches then list, as they do with an API server that cannot send a list as a watch
	}
	process.Stdout, process.Stderr = log, log
	process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := process.Start(); err != nil {
		j.Fatal(err)
	}
	j.Cleanup(func() {
		_ = process.Process.Signal(syscall.SIGTERM)
		_ = process.Wait()
		if content, _ := os.ReadFile(log.Name()); j.Failed() {
			j.Logf("log of %s:\n%s", account, content)
		}
	})
	eventually.Succeeds(j.T, account+" is ready", func() error { return checkGet("http://"+health+"/readyz", "") })
	return metrics
}

// kubeconfig writes a file with the account's own token and returns its path.
func (j *job) kubeconfig(account string) string {
	j.Helper()
	cluster := j.env.config
	config := clientcmdapi.NewConfig()
	config.Clusters["c"] = &clientcmdapi.Cluster{Server: cluster.Host, CertificateAuthorityData: cluster.CAData}
	config.AuthInfos["u"] = &clientcmdapi.AuthInfo{Token: token(j.T, j.env.config, j.namespace, account)}
	config.Contexts["x"] = &clientcmdapi.Context{Cluster: "c", AuthInfo: "u"}
	config.CurrentContext = "x"
	file := filepath.Join(j.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		j.Fatal(err)
	}
	return file
}

func token(t *testing.T, admin *rest.Config, namespace, account string) string {
	t.Helper()
	request := &authv1.TokenRequest{}
	serviceAccount := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: account}}
	if err := clientFor(t, admin).SubResource("token").Create(t.Context(), serviceAccount, request); err != nil {
		t.Fatalf("getting a token of %s: %v", account, err)
	}
	return request.Status.Token
}

// checkGet returns nil when the response to a GET is 200.
func checkGet(url, bearer string) error {
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	own := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true, // each process signs its own certificate
	}}
	response, err := own.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusOK {
		return errors.Join(fmt.Errorf("%s: status %d: %.200s", url, response.StatusCode, body), err)
	}
	return err
}

func (j *job) deliver() {
	j.Helper()
	if err := j.sender.DeliverAll(j.Context()); err != nil {
		j.Fatal(err)
	}
}

func (j *job) waitUntilSynced() {
	j.Helper()
	eventually.Succeeds(j.T, "Clerk, the FitUsers and the table agree", func() error {
		var all v1alpha1.FitUserList
		if err := j.admin.List(context.Background(), &all, client.InNamespace(j.namespace)); err != nil {
			return err
		}
		users, rows := len(j.clerk.Users()), len(j.table.Query("SELECT id FROM users"))
		if len(all.Items) != users || rows != users {
			return fmt.Errorf("%d users, %d FitUsers, %d rows", users, len(all.Items), rows)
		}
		for _, u := range all.Items {
			if u.Status.ObservedGeneration != u.Generation || u.Status.Role == "" {
				return fmt.Errorf("%s has status %+v", u.Name, u.Status)
			}
		}
		return nil
	})
}

func (j *job) createAndDeleteUsers() {
	j.Helper()
	jane := j.clerk.SignUp(clerktest.Person{Email: "jane@example.com", FirstName: "Jane"})
	j.deliver()
	j.waitUntilSynced()
	j.clerk.SetNames(jane, "Janet", "Doe") // a hint on an existing FitUser
	j.deliver()
	j.sender.Send(clerktest.ExampleDeleted()) // of an unknown user
	j.deliver()
	j.clerk.Import(3) // only the sweep finds them
	j.waitUntilSynced()
	j.clerk.Delete(jane)
	j.deliver()
	j.waitUntilSynced()
}

func (j *job) grantAndRevokeRoles() {
	j.Helper()
	id := j.clerk.Users()[0].ID
	u := &v1alpha1.FitUser{Spec: v1alpha1.FitUserSpec{ClerkUserID: id, Role: "trainer"}}
	u.Namespace, u.Name = j.namespace, "coach"
	if err := j.admin.Create(j.Context(), u); err != nil {
		j.Fatal(err)
	}
	for _, role := range []v1alpha1.Role{"client", "trainer", ""} {
		patch := fmt.Sprintf(`{"spec":{"role":%q}}`, role)
		if role == "" {
			patch = `{"spec":{"role":null}}`
		}
		if err := j.admin.Patch(j.Context(), u, merge(patch)); err != nil {
			j.Fatal(err)
		}
		eventually.Succeeds(j.T, fmt.Sprintf("the role is %q", role), func() error {
			user, _ := j.clerk.User(id)
			if current, _ := user.PublicMetadata["role"].(string); current != string(role) {
				return fmt.Errorf("it is %q in Clerk", current)
			}
			return nil
		})
		j.waitUntilSynced()
	}
}

// applyRule creates a RoleRule, and waits for its status.
func (j *job) applyRule() {
	j.Helper()
	rule := &v1alpha1.RoleRule{Spec: v1alpha1.RoleRuleSpec{Role: "trainer", EmailDomains: []string{"fitai.dev"}}}
	rule.Namespace, rule.Name = j.namespace, "staff"
	if err := j.admin.Create(j.Context(), rule); err != nil {
		j.Fatal(err)
	}
	eventually.Succeeds(j.T, "the rule has a status", func() error {
		if err := j.admin.Get(context.Background(), client.ObjectKeyFromObject(rule), rule); err != nil {
			return err
		}
		if rule.Status.ObservedGeneration != rule.Generation || len(rule.Status.Conditions) == 0 {
			return fmt.Errorf("it is %+v", rule.Status)
		}
		return nil
	})
}

// deferDeletions deletes more users in Clerk than the deletion budget allows in a period.
func (j *job) deferDeletions() {
	j.Helper()
	for range 3 {
		j.clerk.SignUp(clerktest.Person{Email: fmt.Sprintf("gone%d@example.com", len(j.clerk.Users())), FirstName: "Gone"})
	}
	j.deliver()
	j.waitUntilSynced()
	for _, u := range j.clerk.Users() {
		if strings.HasPrefix(u.PrimaryEmail(), "gone") {
			j.clerk.Delete(u.ID)
		}
	}
	j.deliver()
	eventually.Succeeds(j.T, "an event reports deferred deletions", func() error {
		var events corev1.EventList
		if err := j.env.client(j.T).List(context.Background(), &events, client.InNamespace(j.namespace)); err != nil {
			return err
		}
		for _, event := range events.Items {
			if event.Reason == "DeletionsDeferred" {
				return nil
			}
		}
		return fmt.Errorf("there are %d others", len(events.Items))
	})
}

// wantMetrics reads the metrics as Prometheus does, and without a token or permission.
func (j *job) wantMetrics(addresses ...string) {
	j.Helper()
	const account = "prometheus"
	c := j.env.client(j.T)
	reader := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: j.namespace, Name: account}}
	if err := c.Create(j.Context(), reader); err != nil {
		j.Fatal(err)
	}
	bearer := token(j.T, j.env.config, j.namespace, account)
	for _, address := range addresses {
		url := "https://" + address + "/metrics"
		if err := checkGet(url, ""); err == nil || !strings.Contains(err.Error(), "401") {
			j.Errorf("without a token: %v", err)
		}
		if err := checkGet(url, bearer); err == nil || !strings.Contains(err.Error(), "403") {
			j.Errorf("without the permission: %v", err)
		}
	}
	j.bind(account)
	for _, address := range addresses {
		eventually.Succeeds(j.T, "the metrics are served", func() error { return checkGet("https://"+address+"/metrics", bearer) })
	}
}

// bind binds an account to the role that Prometheus needs.
func (j *job) bind(account string) {
	j.Helper()
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "granted-prometheus"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "granted-fituser-metrics-reader"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: j.namespace, Name: account}},
	}
	if err := j.env.client(j.T).Create(j.Context(), binding); err != nil {
		j.Fatal(err)
	}
}
