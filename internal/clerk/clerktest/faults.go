package clerktest

import (
	"net/http"
	"path"
	"slices"
	"sync"
)

// Fault replaces the response to the requests that match. If several faults match, the first injected one responds.
type Fault struct {
	// Match selects requests, see [On]. Nil matches all requests.
	Match func(*http.Request) bool
	// Times is the number of requests after which the fault ends. 0 means that it lasts until removed.
	Times int
	// Respond handles the request in place of the API.
	Respond Response
}

// Response handles a request. next is the API without the fault: a response may call it before or after its own effect,
// with another request, or not at all.
type Response func(w http.ResponseWriter, r *http.Request, next http.Handler)

// On matches requests by method and path, such as On("GET", "/users/*"). An empty method matches any. The path is a
// [path.Match] pattern below /v1, in which * matches one segment. A malformed pattern matches no request.
func On(method, pattern string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		matched, err := path.Match("/v1"+pattern, r.URL.Path)
		return err == nil && matched && (method == "" || r.Method == method)
	}
}

// Inject starts a fault. The returned function ends it and may be called repeatedly.
func (s *Server) Inject(f Fault) (remove func()) {
	injected := &f
	s.faults.add(injected)
	return func() { s.faults.remove(injected) }
}

// faults holds the active faults. Its zero value is ready to use.
type faults struct {
	mu   sync.Mutex
	list []*Fault
}

func (f *faults) add(fault *Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, fault)
}

func (f *faults) remove(fault *Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = slices.DeleteFunc(f.list, func(other *Fault) bool { return other == fault })
}

// next returns the response of the first fault that matches r, or nil.
func (f *faults) next(r *http.Request) Response {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, fault := range f.list {
		if fault.Match != nil && !fault.Match(r) {
			continue
		}
		if fault.Times == 1 {
			f.list = slices.Delete(f.list, i, i+1)
		}
		if fault.Times > 1 {
			fault.Times--
		}
		return fault.Respond
	}
	return nil
}
