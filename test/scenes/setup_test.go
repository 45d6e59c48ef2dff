package scenes_test

import (
	"errors"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/testenv"
)

var controlPlane testenv.Shared

// gcPercent makes etcd, the API server and the tests collect garbage less often. It saves a tenth of the scenes' CPU time.
const gcPercent = 400

func TestMain(m *testing.M) {
	debug.SetGCPercent(gcPercent)
	if err := os.Setenv("GOGC", strconv.Itoa(gcPercent)); err != nil { // the control plane inherits it
		panic(err)
	}
	controlPlane.Main(m)
}

// thorough reports whether minutes may be spent: make test-thorough.
func thorough() bool { return os.Getenv("FITUSER_TEST_THOROUGH") != "" }

func testKey() string { return clerktest.DefaultSecretKey }

// newClient returns a client that counts its writes.
func newClient(t testing.TB, writes *writeCounts) client.WithWatch {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(v1alpha1.AddToScheme(scheme), corev1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	config := rest.CopyConfig(controlPlane.Get(t).Config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return countingTransport{writes, next} })
	c, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// writeCounts are numbers of writes to the API server.
type writeCounts struct{ fitUsers, configMaps atomic.Int64 }

// countingTransport counts the writes. It counts a failed write too, which may have taken effect.
type countingTransport struct {
	writes *writeCounts
	next   http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (c countingTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := c.next.RoundTrip(request)
	switch path := request.URL.Path; {
	case request.Method == http.MethodGet:
	case strings.Contains(path, "/fitusers"):
		c.writes.fitUsers.Add(1)
	case strings.Contains(path, "/configmaps"):
		c.writes.configMaps.Add(1)
	}
	return response, err
}
