package clerktest

import (
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

// maxWrites is how many writes the journal keeps; older ones are forgotten.
const maxWrites = 100_000

// Call is one kind of answer: a route such as "GET /users/{id}" and the status answered. A connection that was
// closed without an answer has code 0; a request for nothing the stand-in has is route "unknown".
type Call struct {
	Route string
	Code  int
}

// Write is one request that changed something, whether or not its answer reached the client.
type Write struct {
	Key   string // the secret key that came with it
	Route string // such as "PATCH /users/{id}/metadata"
	ID    string // of the user or e-mail address in the path, "" where the path has none
	At    time.Time
}

// journal counts requests. Its zero value is ready to use.
type journal struct {
	mu     sync.Mutex
	calls  map[Call]int
	writes []Write
}

func (j *journal) saw(c Call) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.calls == nil {
		j.calls = map[Call]int{}
	}
	j.calls[c]++
}

func (j *journal) wrote(w Write) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.writes) == maxWrites {
		j.writes = slices.Delete(j.writes, 0, maxWrites/2)
	}
	j.writes = append(j.writes, w)
}

// Requests returns how many requests were answered in which way since the start or the last [Server.ResetJournal].
func (s *Server) Requests() map[Call]int {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	return maps.Clone(s.journal.calls)
}

// RequestCount returns how many requests took the given route, such as "GET /users", whatever was answered. Without
// a route it counts all.
func (s *Server) RequestCount(route string) int {
	n := 0
	for call, times := range s.Requests() {
		if route == "" || call.Route == route {
			n += times
		}
	}
	return n
}

// Writes returns the requests over HTTP that changed something, oldest first. Changes made from Go are not among
// them.
func (s *Server) Writes() []Write {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	return slices.Clone(s.journal.writes)
}

// ResetJournal forgets all requests counted so far.
func (s *Server) ResetJournal() {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	s.journal.calls, s.journal.writes = nil, nil
}

// statusWriter remembers the status that was sent.
type statusWriter struct {
	http.ResponseWriter
	code int
}

// WriteHeader implements [http.ResponseWriter].
func (w *statusWriter) WriteHeader(code int) {
	if w.code == 0 {
		w.code = code
	}
	w.ResponseWriter.WriteHeader(code)
}

// Write implements [http.ResponseWriter].
func (w *statusWriter) Write(b []byte) (int, error) {
	if w.code == 0 {
		w.code = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets [http.ResponseController] reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
