package main

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/controllers"
)

// The lease of the leader. A leader that ends normally gives it back, and the next one asks every retryPeriod, at the
// latest after 2.2 times that; one that is killed holds it until leaseDuration is over.
const (
	leaseDuration = 15 * time.Second
	renewDeadline = 10 * time.Second
	retryPeriod   = time.Second
)

var errLeaseOver = errors.New("this process was not heard of for so long that another one may lead: nothing is written")

// fence keeps a process that was frozen from writing when it comes back and takes itself for the leader: its watch would
// tell it of all that happened meanwhile before the lease does. client-go has no such thing (its package leaderelection
// says so). It is asked where the bytes of a write leave, after all waits: whoever asks earlier can be frozen in between. A
// nil fence is always open: without an election there is nobody else.
type fence struct{ renewed atomic.Pointer[time.Time] }

// open is nil while the lease is young enough for a write to arrive before anybody else may lead.
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

// elect makes the manager take part in the election, tell the fence of each renewal, and write through it.
func (f *fence) elect(config *rest.Config, o *ctrl.Options, namespace string) {
	o.LeaderElection, o.LeaderElectionID, o.LeaderElectionNamespace = true, controllers.LeaseName, namespace
	o.LeaderElectionReleaseOnCancel = true // safe: the program ends when the manager does
	o.LeaseDuration, o.RenewDeadline, o.RetryPeriod = new(leaseDuration), new(renewDeadline), new(retryPeriod)
	o.LeaderElectionConfig = rest.CopyConfig(config)
	o.LeaderElectionConfig.Wrap(f.watch)
	o.NewClient = func(config *rest.Config, options client.Options) (client.Client, error) {
		behind := *options.HTTPClient
		behind.Transport = f.guard(behind.Transport)
		options.HTTPClient = &behind
		return client.New(config, options)
	}
}

// watch learns from the election's requests when the lease was renewed.
func (f *fence) watch(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		sent := time.Now() // whoever else sees the renewal sees it later
		response, err := next.RoundTrip(request)
		if err == nil && isWrite(request) && strings.Contains(request.URL.Path, "/leases") && response.StatusCode/100 == 2 {
			f.renewed.Store(&sent)
		}
		return response, err
	})
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
