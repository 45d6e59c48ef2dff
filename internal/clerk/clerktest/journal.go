package clerktest

import (
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

// maxWrites bounds the writes in the journal. The oldest are dropped first.
const maxWrites = 100_000

// Call identifies requests by route, such as "GET /users/{id}", and response status. Code 0 is a connection closed
// without a response. Route "unknown" is a request that the stand-in does not handle.
type Call struct {
	Route string
	Code  int
}

// Write is a successful write request. Its response may have been lost.
type Write struct {
	Key   string // the request's secret key
	Route string // such as "PATCH /users/{id}/metadata"
	ID    string // the user or e-mail address in the path, or ""
	At    time.Time
}

// journal records requests and writes. Its zero value is ready to use.
type journal struct {
	mu     sync.Mutex
	calls  map[Call]int
	writes []Write
}

func (j *journal) recordCall(c Call) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.calls == nil {
		j.calls = map[Call]int{}
	}
	j.calls[c]++
}

func (j *journal) recordWrite(w Write) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.writes) == maxWrites {
		j.writes = slices.Delete(j.writes, 0, maxWrites/2)
	}
	j.writes = append(j.writes, w)
}

// Requests returns the number of requests by route and status since the start or the last [Server.ResetJournal].
func (s *Server) Requests() map[Call]int {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	return maps.Clone(s.journal.calls)
}

// RequestCount returns the number of requests for a route, such as "GET /users", with any status. An empty route counts
// all requests.
func (s *Server) RequestCount(route string) int {
	n := 0
	for call, count := range s.Requests() {
		if route == "" || call.Route == route {
			n += count
		}
	}
	return n
}

// Writes returns the successful write requests, oldest first. It does not include changes made from Go.
func (s *Server) Writes() []Write {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	return slices.Clone(s.journal.writes)
}

// ResetJournal clears the journal.
func (s *Server) ResetJournal() {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	s.journal.calls, s.journal.writes = nil, nil
}

// statusWriter records the status of a response.
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

// Unwrap gives [http.ResponseController] access to the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
