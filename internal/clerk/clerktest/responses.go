package clerktest

import (
	"io"
	"net/http"
	"time"
)

// Static sends a fixed response to any request. An empty contentType sends no Content-Type.
func Static(status int, contentType, body string) Response {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		// A nil value prevents net/http from detecting a type.
		w.Header()["Content-Type"] = nil
		if contentType != "" {
			w.Header().Set("Content-Type", contentType)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// Status sends one of Clerk's own errors, such as Status(409, "resource_locked") or Status(500, "internal_clerk_error").
func Status(status int, code string) Response {
	return errorResponse(catalogError(status, code))
}

// Throttled sends Clerk's 429 with a Retry-After in seconds.
func Throttled(seconds int) Response {
	return errorResponse(tooManyRequests(time.Duration(seconds) * time.Second))
}

func errorResponse(e *apiError) Response {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		e.write(w, "5f4dcc3b5aa765d61d8327deb882cf99")
	}
}

// HTML502 sends the response of Cloudflare, which is in front of Clerk, when Clerk does not respond.
func HTML502() Response {
	return Static(http.StatusBadGateway, "text/html; charset=UTF-8",
		"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>")
}

// HTML404 sends a 404 from another source than Clerk's API, such as a proxy or the server at a wrong base URL.
func HTML404() Response {
	return Static(http.StatusNotFound, "text/html; charset=UTF-8", "<!DOCTYPE html><title>404 Not Found</title>")
}

// Empty503 sends a 503 without a body, for which the SDK returns an error with an empty text.
func Empty503() Response { return Static(http.StatusServiceUnavailable, "", "") }

// PlainText429 sends a proxy's 429. retryAfter is sent verbatim, so that it can be an HTTP date or invalid. If it is
// empty, no Retry-After is sent.
func PlainText429(retryAfter string) Response {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		http.Error(w, "error code: 1015", http.StatusTooManyRequests)
	}
}

// ErrorsEmpty404 sends a 404 in Clerk's envelope without an error. It does not prove that a user is deleted.
func ErrorsEmpty404() Response {
	return Static(http.StatusNotFound, "application/json", `{"errors":[]}`)
}

// StatusInBody sends a 404 whose body contains "status": 200, which the SDK uses as the status.
func StatusInBody() Response {
	return Static(http.StatusNotFound, "application/json",
		`{"status":200,"errors":[{"message":"not found","long_message":"not found","code":"resource_not_found"}]}`)
}

// OKNull sends a 200 with null, for which the SDK returns an empty user and no error.
func OKNull() Response { return Static(http.StatusOK, "application/json", "null") }

// OKEmptyObject sends a 200 with {}.
func OKEmptyObject() Response { return Static(http.StatusOK, "application/json", "{}") }

// EmptyBody sends a 200 without a body.
func EmptyBody() Response { return Static(http.StatusOK, "application/json", "") }

// EmptyList sends a 200 with an empty list.
func EmptyList() Response { return Static(http.StatusOK, "application/json", "[]") }

// Redirect sends a 302 to url.
func Redirect(url string) Response {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		http.Redirect(w, r, url, http.StatusFound)
	}
}

// HugeBody sends a 200 with a JSON string of n bytes.
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

// Hang sends no response and waits until the client cancels.
func Hang() Response {
	return func(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
		// The server detects a closed connection only after the body is read.
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	}
}

// SlowDrip sends a 200 with a body that never ends: one blank per interval until the client cancels.
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

// CloseConnection closes the connection without a response. Go's http.Transport itself retries a GET when that happens on
// a reused connection.
func CloseConnection() Response {
	return func(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }
}
