//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/store/storetest"
	"github.com/fitai/fituser-operator/internal/testenv/eventually"
)

const (
	prefix        = "e2e-" // of all names, so that another operator on the cluster is not touched
	webhookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	patience      = 4 * time.Minute // bounds each wait for the cluster
)

// world is the cluster with the operator, and its surroundings on this machine.
type world struct {
	*testing.T
	namespace  string
	components []string // with a Deployment
	host       string   // this machine's address for the pods
	overlay    string   // a directory
	withTLS    string   // the overlay with TLS; a directory
	database   string   // its URL for the pods
	clerk      *clerktest.Server
	clerkURL   string
	sender     *clerktest.Sender
	trusted    *x509.CertPool // the issuer of the receiver's certificate
	table      *storetest.Raw
	jane       string // the first user's id
}

var postgres storetest.Postgres

func newWorld(t *testing.T, namespace string, components ...string) *world {
	t.Helper()
	w := &world{T: t, namespace: namespace, components: components, clerk: clerktest.NewServer(clerktest.Config{})}
	nodes := w.kubectl("get", "nodes", "-o", `jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}`)
	w.host = addressFor(t, nodes)
	w.clerkURL = w.serveClerk()
	w.Cleanup(w.removeEverything)
	return w
}

// addressFor returns this machine's address as a node sees it. E2E_HOST overrides it.
func addressFor(t *testing.T, node string) string {
	t.Helper()
	if host := os.Getenv("E2E_HOST"); host != "" {
		return host
	}
	connection, err := net.Dial("udp", net.JoinHostPort(node, "9")) // sends nothing
	if err != nil {
		t.Fatalf("finding this machine's address as node %s sees it (E2E_HOST sets it): %v", node, err)
	}
	defer func() { _ = connection.Close() }()
	return connection.LocalAddr().(*net.UDPAddr).IP.String()
}

// serveClerk serves the stand-in to the pods, and returns its URL.
func (w *world) serveClerk() string {
	w.Helper()
	listener := w.listen()
	server := &http.Server{Handler: w.clerk}
	go func() { _ = server.Serve(listener) }()
	w.Cleanup(func() { _ = server.Close() })
	return "http://" + listener.Addr().String() + "/v1"
}

func (w *world) listen() net.Listener {
	w.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(w.host, "0"))
	if err != nil {
		w.Fatalf("listening on the address for the pods (E2E_HOST sets it): %v", err)
	}
	return listener
}

// serveDatabase forwards connections of the pods to the socket of PostgreSQL, and returns its URL.
func (w *world) serveDatabase() string {
	w.Helper()
	location := postgres.URL(w.T)
	w.table = storetest.OpenRaw(w.T, location)
	address, err := url.Parse(location)
	if err != nil {
		w.Fatal(err)
	}
	socket := filepath.Join(address.Query().Get("host"), ".s.PGSQL.5432")
	listener := w.listen()
	w.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			go join(near, socket)
		}
	}()
	address.Host, address.RawQuery = listener.Addr().String(), "sslmode=disable"
	return address.String()
}

func join(near net.Conn, socket string) {
	defer func() { _ = near.Close() }()
	far, err := net.Dial("unix", socket)
	if err != nil {
		return
	}
	defer func() { _ = far.Close() }()
	go func() {
		_, _ = io.Copy(far, near)
		_ = far.Close()
	}()
	_, _ = io.Copy(near, far)
}

// newOverlay writes an overlay as docs/deploy.md describes, with the image under test. base is a directory of config/.
func (w *world) newOverlay(base string, components []string, settings ...string) (dir string) {
	w.Helper()
	image := os.Getenv("E2E_IMAGE")
	if image == "" {
		w.Fatal("E2E_IMAGE is not set: name an image that the cluster has or can pull, see make test-e2e")
	}
	name, tag, _ := strings.Cut(image, ":")
	if at := strings.LastIndex(image, ":"); at > strings.LastIndex(image, "/") {
		name, tag = image[:at], image[at+1:]
	}
	dir, err := filepath.EvalSymlinks(w.TempDir())
	if err != nil {
		w.Fatal(err)
	}
	config, err := filepath.Abs("../../config")
	if err != nil {
		w.Fatal(err)
	}
	relative, err := filepath.Rel(dir, config)
	if err != nil {
		w.Fatal(err)
	}
	content := fmt.Sprintf("namespace: %s\nnamePrefix: %s\nresources: [%s/%s]\n", w.namespace, prefix, relative, base)
	content += fmt.Sprintf("images: [{name: controller, newName: %q, newTag: %q}]\ncomponents:\n", name, tag)
	for _, component := range components {
		content += "  - " + relative + "/components/" + component + "\n"
	}
	content += "configMapGenerator:\n  - name: fituser-settings\n    literals:\n"
	for _, setting := range append(settings, "CLERK_API_URL="+w.clerkURL, "FITUSER_SYNC_PERIOD=10s", "FITUSER_CLERK_RATE_LIMIT=100") {
		content += "      - " + setting + "\n"
	}
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(content), 0o600); err != nil {
		w.Fatal(err)
	}
	return dir
}

// kubectl runs kubectl in the operator's namespace and returns its output.
func (w *world) kubectl(args ...string) string {
	w.Helper()
	return w.kubectlWith("", args...)
}

// kubectlWith is kubectl with standard input.
func (w *world) kubectlWith(stdin string, args ...string) string {
	w.Helper()
	out, err := w.try(stdin, args...)
	if err != nil {
		w.Fatal(err)
	}
	return out
}

func (w *world) try(stdin string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	command := exec.CommandContext(ctx, "kubectl", append([]string{"-n", w.namespace}, args...)...)
	command.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		return stdout.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSpace(stdout.String()), nil
}

// eventually waits for a state of the world, and logs how long that took.
func (w *world) eventually(what string, check func() error) {
	w.Helper()
	started := time.Now()
	eventually.Within(w.T, patience, what, check)
	w.Logf("%s (%.1f s)", what, time.Since(started).Seconds())
}

// attach sends Clerk's webhooks to the Service: to its address if this machine can reach it, else through the API server.
func (w *world) attach(keepAlive bool) {
	w.Helper()
	address := w.kubectl("get", "service", prefix+"fituser-webhook", "-o", "jsonpath={.spec.clusterIP}:{.spec.ports[0].port}")
	scheme := w.kubectl("get", "service", prefix+"fituser-webhook", "-o", "jsonpath={.spec.ports[0].name}")
	config := clerktest.SenderConfig{URL: scheme + "://" + address + "/api/webhooks", Secrets: []string{webhookSecret}}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives, transport.MaxIdleConnsPerHost = !keepAlive, 16
	transport.TLSClientConfig = &tls.Config{RootCAs: w.trusted, ServerName: tlsName}
	config.Transport = transport
	if !reachable(address) {
		w.Logf("the Service's address is not reachable from here: webhooks go through the API server")
		config.URL, config.Transport = w.throughAPIServer(scheme)
	}
	sender, err := clerktest.NewSender(config)
	if err != nil {
		w.Fatal(err)
	}
	w.sender = sender
	w.clerk.Attach(sender)
}

// reachable tries for 10 s: a new Service needs a moment until it has endpoints.
func reachable(address string) bool {
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); <-time.After(200 * time.Millisecond) {
		if connection, err := net.DialTimeout("tcp", address, 5*time.Second); err == nil {
			_ = connection.Close()
			return true
		}
	}
	return false
}

func (w *world) throughAPIServer(scheme string) (address string, transport http.RoundTripper) {
	w.Helper()
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
	if err != nil {
		w.Fatal(err)
	}
	transport, err = rest.TransportFor(config)
	if err != nil {
		w.Fatal(err)
	}
	path := fmt.Sprintf("/api/v1/namespaces/%s/services/%s:%sfituser-webhook:%[2]s/proxy/api/webhooks", w.namespace, scheme, prefix)
	return strings.TrimSuffix(config.Host, "/") + path, transport
}

// deliver delivers pending webhooks and repeats failed ones, as Svix does.
func (w *world) deliver() {
	w.Helper()
	w.eventually("the webhooks are accepted", func() error { return w.sender.DeliverAll(context.Background()) })
}

// row returns nil when a column of the user's row has the value.
func (w *world) row(id, column, want string) error {
	rows := w.table.Query("SELECT * FROM users WHERE id = $1", id)
	if len(rows) == 0 {
		return errors.New("the row is missing")
	}
	if got := fmt.Sprint(rows[0][column]); got != want {
		return fmt.Errorf("%s is %q, want %q", column, got, want)
	}
	return nil
}
