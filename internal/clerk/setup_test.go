package clerk_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// canaries are texts that errors must not contain.
var canaries = []string{"jane.canary@example.com", "Janecanary", "Doecanary", "15550177", "sk_test_canary"}

// own returns a marker of this installation.
func own(role string) user.Marker { return user.Marker{Role: role, Owner: "prod-eu"} }

// standIn is a listening stand-in for Clerk with one user, Jane.
type standIn struct {
	*clerktest.Server
	url  string // with /v1
	jane user.ID
}

func start(t *testing.T) standIn {
	t.Helper()
	return startWith(t, clerktest.Config{SecretKeys: []string{"sk_test_canary"}})
}

func startWith(t *testing.T, config clerktest.Config) standIn {
	t.Helper()
	server := clerktest.NewServer(config)
	api := httptest.NewServer(server)
	t.Cleanup(api.Close)
	jane := server.SignUp(clerktest.Person{
		ID: "user_jane", Email: "jane.canary@example.com", FirstName: "Janecanary", LastName: "Doecanary", Phone: "+15550177",
	})
	return standIn{Server: server, url: api.URL + "/v1", jane: user.ID(jane)}
}

// config configures a client whose budget and timeout never affect a test, even on a slow machine.
func (s standIn) config() clerk.Config {
	return clerk.Config{
		URL: s.url, Key: func() string { return "sk_test_canary" }, RequestsPerSecond: 10_000, Timeout: time.Hour,
	}
}

func (s standIn) client() clerk.API { return clerk.New(s.config()) }

// failAll applies respond to every request.
func (s standIn) failAll(respond clerktest.Response) { s.Inject(clerktest.Fault{Respond: respond}) }

// jsonResponse returns a fixed JSON response.
func jsonResponse(status int, body string) clerktest.Response {
	return clerktest.Static(status, "application/json", body)
}

// blockedResponse delays requests until release is called, then passes them to the API. arrived receives the path of
// each request on arrival.
func blockedResponse() (respond clerktest.Response, arrived <-chan string, release func()) {
	arrivals, released := make(chan string, 1000), make(chan struct{})
	respond = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		arrivals <- r.URL.Path
		<-released
		next.ServeHTTP(w, r)
	}
	return respond, arrivals, func() { close(released) }
}

// wantKind checks the kind of an error, and that its text contains nothing that must not be logged.
func wantKind(t *testing.T, err error, want clerk.Kind) {
	t.Helper()
	if err == nil {
		t.Fatalf("got no error, want kind %q", want)
	}
	if got := clerk.KindOf(err); got != want {
		t.Errorf("kind %q, want %q: %v", got, want, err)
	}
	for _, canary := range canaries {
		if strings.Contains(err.Error(), canary) {
			t.Errorf("the error contains %q: %v", canary, err)
		}
	}
}
