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

// DefaultSecretKey is the secret key of a server that was given none.
const DefaultSecretKey = "sk_test_standin"

// DefaultInstanceID is the id of a server that was given none.
const DefaultInstanceID = "ins_2standinstandinstandinstand"

// Config says what a [Server] is like. The zero value is a development instance that an SDK reaches with
// [DefaultSecretKey].
type Config struct {
	// SecretKeys are the keys accepted as bearer tokens. Several are one instance's keys during rotation.
	SecretKeys []string
	// InstanceID is what GET /instance answers and what events carry. Equal ids make equal user ids at equal times.
	InstanceID string
	// Limits are Clerk's rate limits; the zero value is none.
	Limits Limits
	// SignInEvents makes a sign-in send user.updated. Clerk does not document whether it does.
	SignInEvents bool
	// SilentMetadata makes a write of nothing but metadata send no event. Clerk does not document whether it does.
	SilentMetadata bool
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Server is the stand-in for one Clerk instance. It is an [http.Handler] whose API stands under /v1, as Clerk's
// does, and it is safe for concurrent use. It runs no goroutines and needs no closing.
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

// SetLimits replaces the rate limits and forgets what was counted against the old ones.
func (s *Server) SetLimits(limits Limits) {
	s.limiter.reset(limits)
}

// Attach makes every change from now on send its event through sender. Nil detaches: changes made then are webhooks
// that are missed for ever.
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
	s.handle("PATCH /v1/users/{id}", s.limited(s.updateUser))
	s.handle("DELETE /v1/users/{id}", s.deleteUser)
	s.handle("PATCH /v1/users/{id}/metadata", s.limited(s.mergeMetadata))
	s.handle("PUT /v1/users/{id}/metadata", s.limited(s.replaceMetadata))
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

// endpoint answers one request with the body of a 200, or with an error that is an *apiError.
type endpoint func(r *http.Request) (any, error)

func (s *Server) handle(pattern string, answer endpoint) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBodyBytes)
		body, err := answer(r)
		if err != nil {
			asAPIError(err).write(w, s.ids.trace())
			return
		}
		if r.Method != http.MethodGet {
			s.journal.wrote(Write{Key: bearer(r), Route: route(pattern), ID: r.PathValue("id"), At: s.now()})
		}
		writeJSON(w, http.StatusOK, body)
	})
}

// ServeHTTP answers one request: with the first injected fault that matches, else as Clerk does.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	seen := &statusWriter{ResponseWriter: w}
	pattern := s.pattern(r)
	// Deferred, because a fault that closes the connection panics.
	defer func() { s.journal.saw(Call{Route: route(pattern), Code: seen.code}) }()
	if respond := s.faults.next(r); respond != nil {
		respond(seen, r, http.HandlerFunc(s.serve))
		return
	}
	s.serve(seen, r)
}

// serve is the API without faults.
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

// pattern is the route that r takes, or "" where there is none. A path that is not in its shortest form has none:
// the mux would redirect it, and Clerk does not redirect.
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

// route is a pattern of the mux without the API's root: "GET /users/{id}".
func route(pattern string) string {
	if pattern == "" {
		return "unknown"
	}
	return strings.Replace(pattern, "/v1", "", 1)
}

// writeJSON answers with a Content-Type of exactly application/json: Clerk's own JavaScript client takes anything
// else, even with a charset behind it, for text.
func writeJSON(w http.ResponseWriter, status int, body any) {
	b, err := json.Marshal(body)
	if err != nil { // a test stored metadata that is no JSON, such as a channel
		http.Error(w, "clerktest: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b) // a client that left is not the server's problem
}
