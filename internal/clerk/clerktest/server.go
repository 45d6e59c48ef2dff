package clerktest

import (
	"encoding/json"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

// DefaultSecretKey is the secret key of a server configured without one.
const DefaultSecretKey = "sk_test_standin"

// DefaultInstanceID is the instance id of a server configured without one.
const DefaultInstanceID = "ins_2standinstandinstandinstand"

// Config configures a [Server]. The zero value is a development instance with [DefaultSecretKey].
type Config struct {
	// SecretKeys are the keys accepted as bearer tokens. Several are valid during a rotation.
	SecretKeys []string
	// InstanceID is the instance id in GET /instance and in events. It also seeds the user ids: equal instance ids produce
	// equal user ids at equal times.
	InstanceID string
	// Limits are the rate limits. The zero value means no limits.
	Limits Limits
	// SignInEvents makes a sign-in send user.updated. Clerk does not document whether it does.
	SignInEvents bool
	// SilentMetadata makes writes of metadata alone send no event. Clerk does not document whether they do.
	SilentMetadata bool
	// PasswordRequired makes the API refuse a new user without a password, unless the request skips the requirement.
	PasswordRequired bool
	// MaxUsers is how many users the API creates: 100 on a development instance. Zero means no limit. Users who are created
	// from Go do not count as too many.
	MaxUsers int
	// Now is the clock. Nil means time.Now.
	Now func() time.Time
}

// Server is the stand-in for one Clerk instance. It is an [http.Handler] that serves the API under /v1, as Clerk does. It
// is safe for concurrent use, runs no goroutines and need not be closed.
type Server struct {
	mux     *http.ServeMux
	ids     *idSource
	limiter *limiter
	journal journal
	faults  faults

	mu       sync.Mutex
	config   Config
	dir      *directory
	sender   *Sender
	imported int
}

// NewServer returns a server without users.
func NewServer(config Config) *Server {
	if len(config.SecretKeys) == 0 {
		config.SecretKeys = []string{DefaultSecretKey}
	}
	if config.InstanceID == "" {
		config.InstanceID = DefaultInstanceID
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	s := &Server{
		mux: http.NewServeMux(), ids: newIDSource(config.InstanceID), limiter: newLimiter(config.Limits, config.Now),
		config: config, dir: newDirectory(),
	}
	s.routes()
	return s
}

// SetSecretKeys replaces the accepted keys, as a rotation in Clerk's dashboard does.
func (s *Server) SetSecretKeys(keys ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config.SecretKeys = slices.Clone(keys)
}

// SetLimits replaces the rate limits and resets their counters.
func (s *Server) SetLimits(limits Limits) {
	s.limiter.reset(limits)
}

// Attach sends the events of all later changes through sender. Nil detaches the sender: the events of changes made then
// are lost.
func (s *Server) Attach(sender *Sender) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sender = sender
}

func (s *Server) routes() {
	s.handle("GET /v1/instance", s.getInstance)
	s.handle("GET /v1/users", s.listUsers)
	s.handle("GET /v1/users/count", s.countUsers)
	s.handle("GET /v1/users/{id}", s.getUser)
	s.handle("POST /v1/users", s.createUser)
	s.handle("PATCH /v1/users/{id}", s.limitWrites(s.updateUser))
	s.handle("DELETE /v1/users/{id}", s.deleteUser)
	s.handle("PATCH /v1/users/{id}/metadata", s.limitWrites(s.mergeMetadata))
	s.handle("PUT /v1/users/{id}/metadata", s.limitWrites(s.replaceMetadata))
	s.handle("POST /v1/users/{id}/ban", s.setFlag(ban))
	s.handle("POST /v1/users/{id}/unban", s.setFlag(unban))
	s.handle("POST /v1/users/{id}/lock", s.setFlag(lock))
	s.handle("POST /v1/users/{id}/unlock", s.setFlag(unlock))
	s.handle("POST /v1/email_addresses", s.createEmail)
	s.handle("GET /v1/email_addresses/{id}", s.getEmail)
	s.handle("PATCH /v1/email_addresses/{id}", s.updateEmail)
	s.handle("DELETE /v1/email_addresses/{id}", s.deleteEmail)
	s.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { urlNotFound().write(w, s.ids.trace()) })
}

// endpoint handles one request. It returns the body of a 200, or an error that is an *apiError.
type endpoint func(r *http.Request) (any, error)

func (s *Server) handle(pattern string, handler endpoint) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBodyBytes)
		body, err := handler(r)
		if err != nil {
			asAPIError(err).write(w, s.ids.trace())
			return
		}
		if r.Method != http.MethodGet {
			s.journal.recordWrite(Write{Key: bearer(r), Route: route(pattern), ID: r.PathValue("id"), At: s.now()})
		}
		writeJSON(w, http.StatusOK, body)
	})
}

// ServeHTTP handles one request: by the first injected fault that matches, or else as Clerk does.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	recorder := &statusWriter{ResponseWriter: w}
	pattern := s.pattern(r)
	// Deferred, because a fault that closes the connection panics.
	defer func() { s.journal.recordCall(Call{Route: route(pattern), Code: recorder.code}) }()
	if respond := s.faults.next(r); respond != nil {
		respond(recorder, r, http.HandlerFunc(s.serve))
		return
	}
	s.serve(recorder, r)
}

// serve handles one request without faults.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if err := s.admit(r); err != nil {
		err.write(w, s.ids.trace())
		return
	}
	if s.pattern(r) == "" {
		urlNotFound().write(w, s.ids.trace())
		return
	}
	s.mux.ServeHTTP(w, r)
}

// pattern returns the mux pattern that matches r, or "". An unclean path matches none: the mux would redirect it, and
// Clerk does not redirect.
func (s *Server) pattern(r *http.Request) string {
	if path.Clean(r.URL.Path) != r.URL.Path {
		return ""
	}
	_, pattern := s.mux.Handler(r)
	return strings.TrimPrefix(pattern, "/")
}

func (s *Server) now() time.Time { return s.config.Now() }

func (s *Server) getInstance(*http.Request) (any, error) {
	return map[string]any{
		"object": "instance", "id": s.config.InstanceID, "environment_type": "development",
		"allowed_origins": nil, "workspace_id": nil,
	}, nil
}

// route returns a mux pattern without the API's root, such as "GET /users/{id}".
func route(pattern string) string {
	if pattern == "" {
		return "unknown"
	}
	return strings.Replace(pattern, "/v1", "", 1)
}

// writeJSON sends the Content-Type application/json without parameters: Clerk's own JavaScript client treats any other
// type, even one with a charset, as text.
func writeJSON(w http.ResponseWriter, status int, body any) {
	b, err := json.Marshal(body)
	if err != nil { // a test stored metadata that JSON cannot encode, such as a channel
		http.Error(w, "clerktest: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b) // fails only if the client has disconnected
}
