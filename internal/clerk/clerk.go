// Package clerk is the client of Clerk's Backend API. It owns the calls of Clerk's SDK, the decoding of responses and
// the classification of errors; other packages see neither the SDK nor HTTP. It makes no decisions: the callers decide
// which role to write and what follows from a deleted user.
//
// All calls share one budget: the configured rate, and the pause that Clerk requests with a 429.
//
// Read clerk.go (the interface) and errors.go (the error kinds) first. users.go, list.go, find.go, create.go and external.go
// hold the calls; decode.go, extra.go and errors_http.go turn responses into users and errors; batch.go, budget.go and transport.go send requests.
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

// Client is the part of Clerk's API that the operator uses. All errors are, or wrap, an [Error]; [KindOf] classifies
// them. All calls are safe for concurrent use and can be repeated.
type Client interface {
	Reader
	// WriteRole changes a role and its marker in one request and returns the resulting user. A grant writes the role of the
	// marker, which must name its owner; the other changes ignore the marker. All other metadata stays unchanged. Clerk
	// allows ten such writes per user in ten seconds; further ones are [Throttled] and not sent.
	WriteRole(ctx context.Context, id user.ID, change user.RoleChange, marker user.Marker) (user.User, error)
	// List reads the page of users that follows after, oldest first. An empty id starts with the oldest user.
	List(ctx context.Context, after user.ID) (Page, error)
	// Count returns the number of users.
	Count(ctx context.Context) (int, error)
	// Instance returns the id of the Clerk instance that the secret key belongs to.
	Instance(ctx context.Context) (string, error)
}

// Reader reads users. Concurrent callers share requests and results: a caller does not change a user's VerifiedEmails.
type Reader interface {
	// Get reads a user. [NotFound] proves that the user is deleted in Clerk: Clerk answered a request for this very id.
	// Other errors prove nothing about the user.
	Get(ctx context.Context, id user.ID) (user.User, error)
	// FindByEmail returns all users who list the address in Clerk, verified or not, oldest first. [user.User.Holds] reports
	// who holds it. The result is complete: when more users list it than fit on a page, the error is [Unavailable].
	FindByEmail(ctx context.Context, address string) ([]user.User, error)
}

// Config configures a client.
type Config struct {
	// URL is the base of the API, version included, such as https://api.clerk.com/v1.
	URL string
	// Key returns the current secret key. It is called for every request, so a rotated key needs no restart.
	Key func() string
	// RequestsPerSecond is the share of Clerk's rate limit that the operator may use; more than zero.
	RequestsPerSecond float64
	// Timeout bounds one request, from dialing to the last byte. Zero means 10 s.
	Timeout time.Duration
	// Extra returns the further fields that reads decode into [user.User].Extra, as [user.Decoded] returns them. It is called
	// for every response, so that a changed mapping needs no restart. Nil decodes none.
	Extra func() []user.Field
	// Registerer registers the metrics; nil leaves them unregistered.
	Registerer prometheus.Registerer
	// BeforeWrite is called before each write is sent, after all waits. If it returns an error, the write is not sent.
	// Nil allows all writes.
	BeforeWrite func() error
	// Transport sends the requests. Nil means the client's own, with bounded connections and timeouts. Tests count
	// requests and inject faults there.
	Transport http.RoundTripper
}

// CheckURL validates the base URL of Clerk's API. The error names the problem but does not quote raw, which may contain
// a key.
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

// API is everything that a client does.
type API interface {
	Client
	Importer
	ExternalIDs
}

// New returns a client. It sends no request.
func New(config Config) API {
	if config.Timeout == 0 {
		config.Timeout = defaultTimeout
	}
	if config.Extra == nil {
		config.Extra = func() []user.Field { return nil }
	}
	budget := newBudget(config.RequestsPerSecond)
	unused := "" // The transport sets the current key. Without a key here the SDK would use a global one.
	c := &client{
		budget:  budget,
		extra:   config.Extra,
		timeout: config.Timeout,
		writes:  newWriteWindow(),
		backend: sdk.NewBackend(&sdk.BackendConfig{
			HTTPClient: &http.Client{Transport: newTransport(config, budget)},
			URL:        &config.URL,
			Key:        &unused,
		}),
	}
	c.byID = newBatch(budget, reads[user.ID, user.User]{one: c.readUser, many: c.readUsers})
	c.byEmail = newBatch(budget, reads[string, []user.User]{one: c.readHolders, many: c.readAllHolders})
	return c
}

type client struct {
	backend sdk.Backend
	budget  *budget
	byID    *batch[user.ID, user.User]
	byEmail *batch[string, []user.User] // by the address in the form of user.NormalizeEmail
	writes  *writeWindow
	extra   func() []user.Field
	timeout time.Duration
}

var _ API = (*client)(nil)

// read acquires budget and sends one GET.
func (c *client) read(ctx context.Context, path string, params sdk.Params) ([]byte, error) {
	if err := c.budget.acquire(ctx); err != nil {
		return nil, err
	}
	return c.call(ctx, http.MethodGet, path, params)
}

// call sends one request, for which the caller has acquired budget, and returns the response body.
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

// rawBody keeps a response body undecoded. The SDK accepts null, an empty body or another user without an error, and its
// User lacks fields, so this package decodes responses itself.
type rawBody struct{ bytes []byte }

// Read implements the SDK's ResponseReader.
func (b *rawBody) Read(response *sdk.APIResponse) { b.bytes = response.RawJSON }

// UnmarshalJSON implements json.Unmarshaler. It leaves decoding to the caller.
func (b *rawBody) UnmarshalJSON([]byte) error { return nil }
