package receiver

import (
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"time"
)

// request is one delivery attempt: the HTTP request and what the steps below have learned about it.
type request struct {
	*http.Request
	receivedAt time.Time
	delivery   delivery
	verified   bool
	event      event
}

// ServeHTTP handles one delivery. There is one route and no mux: a mux redirects to the path that it has cleaned, and
// Svix counts a redirect as a failure.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, httpRequest *http.Request) {
	req := &request{Request: httpRequest, receivedAt: r.config.Now()}
	err := r.process(w, req)
	outcome := outcomeOf(err)
	response := r.responses[outcome]
	r.metrics.count(req, outcome)
	r.metrics.observeDuration(response.status, r.config.Now().Sub(req.receivedAt))
	r.outcomeLog.logOutcome(req, outcome, err)
	if r.draining.Load() {
		w.Header().Set("Connection", "close")
	}
	respond(w, response)
}

// process runs the steps that end with a recorded hint. A panic in a step fails this request and no other.
func (r *Receiver) process(w http.ResponseWriter, req *request) (err error) {
	defer func() {
		if p := recover(); p != nil { // p is not logged: it may contain what the client sent
			err = fmt.Errorf("%w: panic with a %T: %s", failed, p, debug.Stack())
		}
	}()
	if err := route(req); err != nil {
		return err
	}
	if err := r.readEvent(w, req); err != nil {
		return err
	}
	return r.recorder.record(req)
}

// route accepts exactly [Path]: no trailing slash, no other case, nothing escaped.
func route(req *request) error {
	if req.URL.Path != Path || req.URL.RawPath != "" {
		return rejectedPath
	}
	if req.Method != http.MethodPost {
		return rejectedMethod
	}
	return nil
}

// respond writes the response. It keeps the connection only after a 200: connections are limited.
func respond(w http.ResponseWriter, response response) {
	header := w.Header()
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("X-Content-Type-Options", "nosniff")
	switch response.status {
	case http.StatusOK:
	case http.StatusServiceUnavailable:
		header.Set("Retry-After", retryAfter)
		header.Set("Connection", "close")
	case http.StatusMethodNotAllowed:
		header.Set("Allow", http.MethodPost)
		header.Set("Connection", "close")
	default:
		header.Set("Connection", "close")
	}
	w.WriteHeader(response.status)
	_, _ = io.WriteString(w, response.text+"\n") // the sender may have disconnected
}
