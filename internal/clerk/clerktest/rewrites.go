package clerktest

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// ApplyThen lets the API do what was asked, throws its answer away and answers in another way: after
// ApplyThen(CloseConnection()) a client cannot know whether its write happened.
func ApplyThen(other Response) Response {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(newRecorded(), r)
		other(w, r, next)
	}
}

// Truncated closes the connection in the middle of the body.
func Truncated() Response {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		answer := newRecorded()
		next.ServeHTTP(answer, r)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(answer.body.Len()))
		w.WriteHeader(answer.code)
		_, _ = w.Write(answer.body.Bytes()[:answer.body.Len()/2])
		_ = http.NewResponseController(w).Flush() // a panic throws away what is still buffered
		panic(http.ErrAbortHandler)
	}
}

// HalfJSON sends the first half of the body as if it were all of it.
func HalfJSON() Response {
	return rewritten(func(body []byte) []byte { return body[:len(body)/2] })
}

// Replaced answers as the API does, with one text in the body replaced by another, wherever it occurs.
func Replaced(old, replacement string) Response {
	return rewritten(func(body []byte) []byte {
		return bytes.ReplaceAll(body, []byte(old), []byte(replacement))
	})
}

// ShortPage leaves only the first n users of a page, whatever limit was asked for.
func ShortPage(n int) Response {
	return rewritten(func(body []byte) []byte {
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

func rewritten(change func(body []byte) []byte) Response {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		answer := newRecorded()
		next.ServeHTTP(answer, r)
		w.Header().Set("Content-Type", answer.header.Get("Content-Type"))
		w.WriteHeader(answer.code)
		_, _ = w.Write(change(answer.body.Bytes()))
	}
}

// RepeatedPage answers every page with the first one.
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

// AnotherUser answers with the user of that id whichever was asked for.
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

// Stale answers reads as of the moment Stale was called, as a read replica does that lags behind: a 404 for users
// created since, a 200 for users deleted since, old versions of the others. Writes are applied.
func (s *Server) Stale() Response {
	s.mu.Lock()
	defer s.mu.Unlock()
	past := s.dir.copy()
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), replica{}, past)))
	}
}

// replica is the context key of the directory that a request reads from.
type replica struct{}

// recorded is an answer that stays in memory.
type recorded struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

func newRecorded() *recorded { return &recorded{header: http.Header{}, code: http.StatusOK} }

// Header implements [http.ResponseWriter].
func (r *recorded) Header() http.Header { return r.header }

// WriteHeader implements [http.ResponseWriter].
func (r *recorded) WriteHeader(code int) { r.code = code }

// Write implements [http.ResponseWriter].
func (r *recorded) Write(b []byte) (int, error) { return r.body.Write(b) }
