package leader

import (
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"
)

// ErrLeaseExpired is the error of a write that the fence stopped.
var ErrLeaseExpired = errors.New("the lease of this process is too old, and another replica may lead: nothing is written")

// Fence stops the writes of a process that was frozen and still believes that it leads. Without it, such a process acts on
// the events of its watch before it learns that the lease is lost; client-go has no protection of that kind (its package
// leaderelection states so). The check belongs where a write leaves the process, after all waits: after an earlier check
// the process can freeze. A nil Fence is always open, because without an election there is only one replica.
type Fence struct{ renewed atomic.Pointer[time.Time] }

// Check returns nil while the lease is young enough for a write to arrive before another replica may lead.
func (f *Fence) Check() error {
	if f == nil {
		return nil
	}
	renewed := f.renewed.Load()
	if renewed == nil {
		return ErrLeaseExpired
	}
	// Both clocks: the monotonic one stops while a machine sleeps.
	now := time.Now()
	if age := max(now.Sub(*renewed), now.Round(0).Sub(renewed.Round(0))); age > RenewDeadline {
		return ErrLeaseExpired
	}
	return nil
}

// Guard returns a copy of config for clients that write only while the fence is open.
func (f *Fence) Guard(config *rest.Config) *rest.Config {
	guarded := rest.CopyConfig(config)
	guarded.Wrap(f.transport)
	return guarded
}

// transport checks the fence before each write. Reads always pass.
func (f *Fence) transport(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		if isWrite(request) {
			if err := f.Check(); err != nil {
				return nil, err
			}
		}
		return next.RoundTrip(request)
	})
}

func isWrite(request *http.Request) bool {
	return request.Method != http.MethodGet && request.Method != http.MethodHead
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements [http.RoundTripper].
func (r roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return r(request) }
