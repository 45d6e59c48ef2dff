package hrana

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Options configures [New]. The zero value is a server like sqld without authentication.
type Options struct {
	// Token is the bearer token that every request must have; empty for a server that asks for none.
	Token string
	// Expiration is how long a stream lives without requests; 0 means 10 s, as on sqld.
	Expiration time.Duration
	// BusyTimeout limits how long a statement waits for the write lock; 0 means 5 s, as long as sqld lets a transaction
	// hold it.
	BusyTimeout time.Duration
	// NoForeignKeys starts streams without enforced foreign keys, as SQLite does and sqld does not.
	NoForeignKeys bool
	// ExtendedCodes sends SQLITE_CONSTRAINT_UNIQUE where sqld sends SQLITE_CONSTRAINT, as newer servers of the vendor do.
	ExtendedCodes bool
}

// Fault is what a request meets in place of its answer.
type Fault int

// The faults.
const (
	NoFault Fault = iota
	// Unavailable is an answer of a proxy: 503 and an HTML page. Nothing is executed.
	Unavailable
	// Busy makes every statement fail with SQLITE_BUSY. Nothing is executed.
	Busy
	// CutOff executes the request, sends a part of the answer and closes the connection.
	CutOff
	// Expired makes the stream of the request expire. For a new stream it has no effect.
	Expired
	// Moved is a redirect to another host.
	Moved
)

// Request describes a request to the hook of [Server.SetFaults].
type Request struct {
	// Number counts the requests to a pipeline, from 1.
	Number int
	// InStream is true when the request has a baton.
	InStream bool
	// SQL are the statements.
	SQL []string
}

// Server is an [http.Handler].
type Server struct {
	options Options
	streams *streams
	mux     *http.ServeMux

	mu       sync.Mutex
	requests int
	faults   func(Request) Fault
	baseURL  string
}

// New returns a server on the SQLite file, which it creates where there is none.
func New(path string, options Options) (*Server, error) {
	if options.Expiration == 0 {
		options.Expiration = 10 * time.Second
	}
	if options.BusyTimeout == 0 {
		options.BusyTimeout = 5 * time.Second
	}
	db, err := openFile(path, options)
	if err != nil {
		return nil, err
	}
	s := &Server{options: options, streams: newStreams(db, options.Expiration), mux: http.NewServeMux()}
	hello := func(w http.ResponseWriter, _ *http.Request) {
		writeText(w, http.StatusOK, "Hello, this is HTTP API v2 (Hrana over HTTP)")
	}
	s.mux.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	s.mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "stand-in") })
	s.mux.HandleFunc("GET /v2", hello)
	s.mux.HandleFunc("GET /v3", hello)
	s.mux.HandleFunc("POST /v2/pipeline", func(w http.ResponseWriter, r *http.Request) { s.pipeline(w, r, 2) })
	s.mux.HandleFunc("POST /v3/pipeline", func(w http.ResponseWriter, r *http.Request) { s.pipeline(w, r, 3) })
	return s, nil
}

// Close closes all streams and the file.
func (s *Server) Close() error { return s.streams.close() }

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// SetFaults makes hook decide about every request to a pipeline; nil ends all faults.
func (s *Server) SetFaults(hook func(Request) Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = hook
}

// SetBaseURL makes the server ask for the next requests of its streams at another address.
func (s *Server) SetBaseURL(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.baseURL = address
}

// Requests returns how many requests to a pipeline there were.
func (s *Server) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// OpenStreams returns how many streams are open.
func (s *Server) OpenStreams() int { return s.streams.count() }

// ExpireStreams makes all streams expire that no request is using.
func (s *Server) ExpireStreams() { s.streams.expireIdle() }

// fault counts the request and asks the hook.
func (s *Server) fault(body pipelineRequest) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	if s.faults == nil {
		return NoFault
	}
	return s.faults(Request{Number: s.requests, InStream: body.Baton != nil, SQL: body.texts()})
}

func (s *Server) authorized(r *http.Request) bool {
	token, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return s.options.Token == "" || (isBearer && token == s.options.Token)
}

// maxBody limits the body of a request.
const maxBody = 32 << 20

func (s *Server) pipeline(w http.ResponseWriter, r *http.Request, version int) {
	if !s.authorized(r) {
		writeJSON(w, http.StatusUnauthorized, map[string]string{"error": "Unauthorized: `The JWT is invalid`"})
		return
	}
	var body pipelineRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&body); err != nil {
		writeText(w, http.StatusBadRequest, "Cannot deserialize client message from JSON: "+err.Error())
		return
	}
	fault := s.fault(body)
	switch fault {
	case Unavailable:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte("<html><body><h1>503 Service Unavailable</h1></body></html>"))
		return
	case Moved:
		http.Redirect(w, r, "https://elsewhere.invalid/v2/pipeline", http.StatusTemporaryRedirect)
		return
	case Expired:
		s.streams.expireIdle()
	}
	answer, err := s.answer(r.Context(), body, version, fault == Busy)
	if err != nil {
		writeFailure(w, err)
		return
	}
	if fault == CutOff {
		cutOff(w, answer)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

// answer executes the requests on their stream.
func (s *Server) answer(ctx context.Context, body pipelineRequest, version int, busy bool) (*pipelineResponse, error) {
	stream, err := s.streams.acquire(ctx, body.Baton)
	if err != nil {
		return nil, err
	}
	release := false
	defer func() {
		if !release {
			s.streams.drop(stream)
		}
	}()
	answer := &pipelineResponse{Results: []streamResult{}}
	for _, request := range body.Requests {
		session := session{stream: stream, version: version, busy: busy, extended: s.options.ExtendedCodes}
		result, err := session.handle(ctx, request)
		if err != nil {
			return nil, err
		}
		answer.Results = append(answer.Results, result)
	}
	release = true
	answer.Baton = s.streams.release(stream)
	s.mu.Lock()
	defer s.mu.Unlock()
	if base := s.baseURL; base != "" {
		answer.BaseURL = &base
	}
	return answer, nil
}

// protocolError is a violation of the protocol. It closes the stream.
type protocolError string

func (e protocolError) Error() string { return string(e) }

var errExpired = errors.New("The stream has expired due to inactivity") //nolint:staticcheck // sqld's own text

func writeFailure(w http.ResponseWriter, err error) {
	var violation protocolError
	switch {
	case errors.Is(err, errExpired):
		writeJSON(w, http.StatusBadRequest, refusal{Message: err.Error(), Code: "STREAM_EXPIRED"})
	case errors.As(err, &violation):
		writeText(w, http.StatusBadRequest, err.Error())
	default:
		writeJSON(w, http.StatusInternalServerError, map[string]string{"error": "Internal Error: `" + err.Error() + "`"})
	}
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// cutOff promises a whole answer and sends half of it.
func cutOff(w http.ResponseWriter, answer *pipelineResponse) {
	body, err := json.Marshal(answer)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body[:len(body)/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}
