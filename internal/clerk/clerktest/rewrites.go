package clerktest

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// ApplyThen lets the API handle the request, discards the API's response and sends another one. After
// ApplyThen(CloseConnection()) a client cannot know whether its write was applied.
func ApplyThen(other Response) Response {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(newRecordedResponse(), r)
		other(w, r, next)
	}
}

// Truncated closes the connection in the middle of the body.
func Truncated() Response {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		response := newRecordedResponse()
		next.ServeHTTP(response, r)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(response.body.Len()))
		w.WriteHeader(response.code)
		_, _ = w.Write(response.body.Bytes()[:response.body.Len()/2])
		_ = http.NewResponseController(w).Flush() // the panic discards buffered data
		panic(http.ErrAbortHandler)
	}
}

// HalfJSON sends the first half of the body as a complete response.
func HalfJSON() Response {
	return rewriteBody(func(body []byte) []byte { return body[:len(body)/2] })
}

// Replaced sends the API's response with every occurrence of old in the body replaced.
func Replaced(old, replacement string) Response {
	return rewriteBody(func(body []byte) []byte {
		return bytes.ReplaceAll(body, []byte(old), []byte(replacement))
	})
}

// ShortPage sends only the first n users of a page, regardless of the requested limit.
func ShortPage(n int) Response {
	return rewriteBody(func(body []byte) []byte {
		var page []json.RawMessage
		if json.Unmarshal(body, &page) != nil || len(page) <= n {
			return body
		}
		short, err := json.Marshal(page[:n])
		if err != nil {
			return body
		}
		return short
	})
}

func rewriteBody(change func(body []byte) []byte) Response {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		response := newRecordedResponse()
		next.ServeHTTP(response, r)
		w.Header().Set("Content-Type", response.header.Get("Content-Type"))
		w.WriteHeader(response.code)
		_, _ = w.Write(change(response.body.Bytes()))
	}
}

// RepeatedPage sends the first page for every page.
func RepeatedPage() Response {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		first := r.Clone(r.Context())
		q := first.URL.Query()
		q.Del("offset")
		q.Del("starting_after")
		first.URL.RawQuery = q.Encode()
		next.ServeHTTP(w, first)
	}
}

// AnotherUser sends the user id in place of the requested one.
func AnotherUser(id string) Response {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		segments := strings.SplitN(r.URL.Path, "/", 5) // "", v1, users, the id, the rest
		if len(segments) > 3 {
			segments[3] = id
		}
		other := r.Clone(r.Context())
		other.URL.Path = strings.Join(segments, "/")
		next.ServeHTTP(w, other)
	}
}

// Stale serves reads from the state at the time of the call to Stale, as a lagging read replica does: a 404 for users
// created since, a 200 for users deleted since, and old versions of the others. Writes are applied.
func (s *Server) Stale() Response {
	s.mu.Lock()
	defer s.mu.Unlock()
	past := s.dir.copy()
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), replicaKey{}, past)))
	}
}

// replicaKey is the context key of the directory that a request reads from.
type replicaKey struct{}

// recordedResponse is an [http.ResponseWriter] that keeps the response in memory.
type recordedResponse struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

func newRecordedResponse() *recordedResponse {
	return &recordedResponse{header: http.Header{}, code: http.StatusOK}
}

// Header implements [http.ResponseWriter].
func (r *recordedResponse) Header() http.Header { return r.header }

// WriteHeader implements [http.ResponseWriter].
func (r *recordedResponse) WriteHeader(code int) { r.code = code }

// Write implements [http.ResponseWriter].
func (r *recordedResponse) Write(b []byte) (int, error) { return r.body.Write(b) }
