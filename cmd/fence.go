package main

import (
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"
)

var errLeaseOver = errors.New("this process was not heard of for so long that another one may lead: nothing is written")

// fence keeps a process that was frozen from writing when it comes back and takes itself for the leader: its watch would
// tell it of all that happened meanwhile before the lease does. client-go has no such thing (its package leaderelection
// says so). It is asked where the bytes of a write leave, after all waits: whoever asks earlier can be frozen in between. A
// nil fence is always open: without an election there is nobody else.
type fence struct{ renewed atomic.Pointer[time.Time] }

// open is nil while this process holds a lease young enough for a write to arrive before anybody else may lead.
func (f *fence) open() error {
	if f == nil {
		return nil
	}
	renewed := f.renewed.Load()
	if renewed == nil {
		return errLeaseOver
	}
	// Both clocks: the monotonic one stands still while a machine sleeps.
	now := time.Now()
	if age := max(now.Sub(*renewed), now.Round(0).Sub(renewed.Round(0))); age > renewDeadline {
		return errLeaseOver
	}
	return nil
}

// guarded is config for clients that write only while the fence is open.
func (f *fence) guarded(config *rest.Config) *rest.Config {
	behind := rest.CopyConfig(config)
	behind.Wrap(f.guard)
	return behind
}

func (f *fence) guard(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		if isWrite(request) {
			if err := f.open(); err != nil {
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
