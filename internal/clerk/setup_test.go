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

// canaries are what no error may show.
var canaries = []string{"jane.canary@example.com", "Janecanary", "Doecanary", "15550177", "sk_test_canary"}

// standIn is a Clerk that listens. Its one user is Jane.
type standIn struct {
	*clerktest.Server
	url  string // with /v1
	jane user.ID
}

func start(t *testing.T) standIn {
	t.Helper()
	server := clerktest.NewServer(clerktest.Config{SecretKeys: []string{"sk_test_canary"}})
	listening := httptest.NewServer(server)
	t.Cleanup(listening.Close)
	jane := server.SignUp(clerktest.Person{
		ID: "user_jane", Email: "jane.canary@example.com", FirstName: "Janecanary", LastName: "Doecanary", Phone: "+15550177",
	})
	return standIn{Server: server, url: listening.URL + "/v1", jane: user.ID(jane)}
}

// config is a way to the stand-in on which nothing waits, and nothing is given up because the machine is slow.
func (s standIn) config() clerk.Config {
	return clerk.Config{
		URL: s.url, Key: func() string { return "sk_test_canary" }, RequestsPerSecond: 10_000, Timeout: time.Hour,
	}
}

func (s standIn) client() clerk.Client { return clerk.New(s.config()) }

// fails makes all requests fail in the same way.
func (s standIn) fails(respond clerktest.Response) { s.Inject(clerktest.Fault{Respond: respond}) }

// answers makes Clerk answer everything with the same JSON.
func answers(status int, body string) clerktest.Response {
	return clerktest.Answer(status, "application/json", body)
}

// held answers requests as the API does, but only once released. Each request is reported as it arrives.
func held() (respond clerktest.Response, arrived <-chan string, release func()) {
	arrivals, released := make(chan string, 1000), make(chan struct{})
	respond = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		arrivals <- r.URL.Path
		<-released
		next.ServeHTTP(w, r)
	}
	return respond, arrivals, func() { close(released) }
}

// wantKind checks the kind of an error, and that its text is free of what must not be logged.
func wantKind(t *testing.T, err error, want clerk.Kind) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want kind %q", want)
	}
	if got := clerk.KindOf(err); got != want {
		t.Errorf("kind %q, want %q: %v", got, want, err)
	}
	for _, canary := range canaries {
		if strings.Contains(err.Error(), canary) {
			t.Errorf("the error shows %q: %v", canary, err)
		}
	}
}
