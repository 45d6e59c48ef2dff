package clerktest

import (
	"io"
	"net/http"
	"time"
)

// Answer sends just this, whatever the request was. An empty contentType sends none.
func Answer(status int, contentType, body string) Response {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		// A nil value keeps net/http from guessing one.
		w.Header()["Content-Type"] = nil
		if contentType != "" {
			w.Header().Set("Content-Type", contentType)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// Status answers in Clerk's own form, such as Status(409, "resource_locked") or Status(500, "internal_clerk_error").
func Status(status int, code string) Response {
	return errorResponse(failure(status, code))
}

// Throttled is Clerk's 429 with a Retry-After of that many seconds.
func Throttled(seconds int) Response {
	return errorResponse(tooManyRequests(time.Duration(seconds) * time.Second))
}

func errorResponse(e *apiError) Response {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		e.write(w, "5f4dcc3b5aa765d61d8327deb882cf99")
	}
}

// HTML502 is what Cloudflare answers before Clerk when Clerk does not answer it.
func HTML502() Response {
	return Answer(http.StatusBadGateway, "text/html; charset=UTF-8",
		"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>")
}

// HTML404 is a 404 that does not come from Clerk's API: a proxy, or a wrong base URL.
func HTML404() Response {
	return Answer(http.StatusNotFound, "text/html; charset=UTF-8", "<!DOCTYPE html><title>404 Not Found</title>")
}

// Empty503 is a 503 without a body: the SDK makes an error with an empty text of it.
func Empty503() Response { return Answer(http.StatusServiceUnavailable, "", "") }

// PlainText429 is a proxy's 429. The Retry-After is sent as given, so that it can be an HTTP date or nonsense; ""
// sends none.
func PlainText429(retryAfter string) Response {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		http.Error(w, "error code: 1015", http.StatusTooManyRequests)
	}
}

// ErrorsEmpty404 is a 404 in Clerk's envelope that names no error: nothing says that a user is gone.
func ErrorsEmpty404() Response {
	return Answer(http.StatusNotFound, "application/json", `{"errors":[]}`)
}

// StatusInBody is a 404 whose body says "status": 200, which the SDK takes for the status.
func StatusInBody() Response {
	return Answer(http.StatusNotFound, "application/json",
		`{"status":200,"errors":[{"message":"not found","long_message":"not found","code":"resource_not_found"}]}`)
}

// OKNull is a 200 that says null: the SDK makes an empty user of it and no error.
func OKNull() Response { return Answer(http.StatusOK, "application/json", "null") }

// OKEmptyObject is a 200 that says {}.
func OKEmptyObject() Response { return Answer(http.StatusOK, "application/json", "{}") }

// EmptyBody is a 200 that says nothing.
func EmptyBody() Response { return Answer(http.StatusOK, "application/json", "") }

// EmptyList is a 200 without users.
func EmptyList() Response { return Answer(http.StatusOK, "application/json", "[]") }

// Redirect is a 302 to url.
func Redirect(url string) Response {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		http.Redirect(w, r, url, http.StatusFound)
	}
}

// HugeBody is a 200 with a JSON string of n bytes.
func HugeBody(n int) Response {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `"`)
		_, _ = io.CopyN(w, repeat('a'), int64(n)-2)
		_, _ = io.WriteString(w, `"`)
	}
}

// repeat is an endless reader of one byte.
type repeat byte

// Read implements [io.Reader].
func (b repeat) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(b)
	}
	return len(p), nil
}

// Hang answers nothing until the client gives up.
func Hang() Response {
	return func(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
		// The server notices that a client left only once the body is read.
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	}
}

// SlowDrip sends a 200 at once and then a blank every interval until the client gives up: a body that never ends.
func SlowDrip(interval time.Duration) Response {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			_, err := io.WriteString(w, " ")
			if err != nil || http.NewResponseController(w).Flush() != nil {
				return
			}
			select {
			case <-tick.C:
			case <-r.Context().Done():
				return
			}
		}
	}
}

// CloseConnection closes the connection without an answer. Go's http.Transport repeats a GET by itself when that
// happens to a connection it had used before.
func CloseConnection() Response {
	return func(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }
}
