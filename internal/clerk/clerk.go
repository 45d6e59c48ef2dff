// Package clerk is the border to Clerk's Backend API: it turns requests in our own types into calls of Clerk's SDK, and
// whatever comes back, which may be anything, into a user or a classified error. Nothing outside this package sees the
// SDK or HTTP. It decides nothing: which role to write and whether a user is gone for good is its callers' affair.
//
// All calls share one budget: the configured rate, and the pause that Clerk asks for with a 429.
package clerk

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	sdk "github.com/clerk/clerk-sdk-go/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fitai/fituser-operator/internal/user"
)

// Client is what the operator asks of Clerk. All errors are, or wrap, an [Error]; ask [KindOf]. All calls are safe for
// concurrent use and for repetition.
type Client interface {
	// Get reads a user. Callers that wait at the same moment share a request. [NotFound] is proof: Clerk was asked for
	// this very id and said that there is no such user. Any other error says nothing about the user.
	Get(ctx context.Context, id user.ID) (user.User, error)
	// WriteRole carries out a change of a role and its mark in one request and returns the user as Clerk then holds it.
	// No other metadata is touched. Clerk allows ten such writes in ten seconds for one user; more are [Throttled]
	// without being sent.
	WriteRole(ctx context.Context, id user.ID, change user.RoleChange, role user.Role) (user.User, error)
	// List reads the page of all users, oldest first, that follows after; empty begins with the oldest.
	List(ctx context.Context, after user.ID) (Page, error)
	// Count is how many users there are.
	Count(ctx context.Context) (int, error)
	// Instance is the id of the Clerk instance that the secret key belongs to.
	Instance(ctx context.Context) (string, error)
}

// Config says how to reach Clerk.
type Config struct {
	// URL is the base of the API, version included, such as https://api.clerk.com/v1.
	URL string
	// Key gives the secret key of the moment; it is asked for every request, so a rotated key needs no restart.
	Key func() string
	// RequestsPerSecond is the share of Clerk's rate limit that the operator may use; more than zero.
	RequestsPerSecond float64
	// Timeout bounds one request from dialing to the last byte. Zero means 10 s.
	Timeout time.Duration
	// Registerer takes the metrics; nil keeps them unregistered.
	Registerer prometheus.Registerer
	// BeforeWrite is asked for every write immediately before it is sent, after all waits; an error keeps it from being
	// sent. Nil allows all.
	BeforeWrite func() error
	// Transport carries the requests; nil means one of the client's own, with bounded connections and waits. Tests count
	// and disturb requests there.
	Transport http.RoundTripper
}

// CheckURL reports whether raw can be the base of Clerk's API. The error names what is wrong, not raw.
func CheckURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Hostname() == "" {
		return fmt.Errorf("want an address such as %s", sdk.APIURL)
	}
	if u.User != nil || strings.ContainsAny(raw, "?#") {
		return fmt.Errorf("want nothing but scheme, host and path, such as %s", sdk.APIURL)
	}
	return nil
}

// Directory is a client that also finds users.
type Directory interface {
	Client
	Finder
}

// New makes a client. It sends nothing.
func New(config Config) Directory {
	if config.Timeout == 0 {
		config.Timeout = defaultTimeout
	}
	budget := newBudget(config.RequestsPerSecond)
	unused := "" // The transport sets the key of the moment; without this the SDK would look for a global one.
	c := &client{
		budget:  budget,
		timeout: config.Timeout,
		writes:  newWriteWindow(),
		backend: sdk.NewBackend(&sdk.BackendConfig{
			HTTPClient: &http.Client{Transport: newTransport(config, budget)},
			URL:        &config.URL,
			Key:        &unused,
		}),
	}
	c.batch = newBatch(budget, c.one, c.many)
	return c
}

type client struct {
	backend sdk.Backend
	budget  *budget
	batch   *batch
	writes  *writeWindow
	timeout time.Duration
}

var _ Directory = (*client)(nil)

// read waits for its turn and sends one GET.
func (c *client) read(ctx context.Context, path string, params sdk.Params) ([]byte, error) {
	if err := c.budget.acquire(ctx); err != nil {
		return nil, err
	}
	return c.call(ctx, http.MethodGet, path, params)
}

// call sends one request whose budget was already granted, and returns the body of the answer.
func (c *client) call(ctx context.Context, method, path string, params sdk.Params) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	request := sdk.NewAPIRequest(method, path)
	request.SetParams(params)
	var body rawBody
	if err := c.backend.Call(ctx, request, &body); err != nil {
		return nil, classify(err)
	}
	return body.bytes, nil
}

// rawBody takes an answer undecoded. The SDK would accept null, nothing, or somebody else's user without an error, and
// its User lacks fields; so decoding is ours.
type rawBody struct{ bytes []byte }

// Read implements the SDK's ResponseReader.
func (b *rawBody) Read(response *sdk.APIResponse) { b.bytes = response.RawJSON }

// UnmarshalJSON implements json.Unmarshaler and leaves the decoding to the caller.
func (b *rawBody) UnmarshalJSON([]byte) error { return nil }
