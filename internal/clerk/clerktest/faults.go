package clerktest

import (
	"net/http"
	"path"
	"slices"
	"sync"
)

// Fault is one kind of misbehaviour: for the requests that Match picks, Respond answers in place of the API. Faults
// are asked in the order of their injection; the first that matches answers.
type Fault struct {
	// Match picks requests, see [On]; nil picks all.
	Match func(*http.Request) bool
	// Times is how many requests are answered before the fault is over; 0 means until it is removed.
	Times int
	// Respond answers.
	Respond Response
}

// Response answers a request. The real API is next: a response may ask it first, later, differently or not at all.
type Response func(w http.ResponseWriter, r *http.Request, next http.Handler)

// On matches requests by method and path. An empty method is any. The path is a pattern of [path.Match] below /v1, in
// which * is one segment: On("GET", "/users/*"). A malformed pattern matches nothing.
func On(method, pattern string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		matched, err := path.Match("/v1"+pattern, r.URL.Path)
		return err == nil && matched && (method == "" || r.Method == method)
	}
}

// Inject starts a fault. The function returned ends it and may be called more than once.
func (s *Server) Inject(f Fault) (remove func()) {
	injected := &f
	s.faults.add(injected)
	return func() { s.faults.remove(injected) }
}

// faults are the faults in force. Its zero value is ready to use.
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

// next returns how to answer r, or nil where no fault matches.
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
