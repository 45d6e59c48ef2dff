package leader_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/internal/leader"
)

// api is an API server that stores every object it is sent, unless it refuses.
type api struct {
	refuse  bool
	onLease func() // is called during a write of the lease
	written int    // writes of other objects
}

// RoundTrip implements [http.RoundTripper].
func (a *api) RoundTrip(request *http.Request) (*http.Response, error) {
	response := &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": request.Header["Content-Type"]}, Body: request.Body, Request: request,
	}
	switch {
	case a.refuse:
		response.StatusCode, response.Body = http.StatusConflict, io.NopCloser(strings.NewReader("another replica holds it"))
	case request.Body == nil:
		response.Body = io.NopCloser(strings.NewReader(`{"apiVersion": "v1", "kind": "ConfigMap"}`))
		response.Header.Set("Content-Type", "application/json")
	case !strings.HasSuffix(request.URL.Path, "/configmaps"):
		a.onLease()
	default:
		a.written++
	}
	return response, nil
}

// process is one replica: its part in the election, the lock that the manager renews, and its clients.
type process struct {
	*testing.T
	api     *api
	lock    resourcelock.Interface
	fence   *leader.Fence
	clients map[string]client.Client
}

func newProcess(t *testing.T) *process {
	t.Helper()
	p := &process{T: t, api: &api{onLease: func() {}}}
	config := &rest.Config{Host: "http://api", Transport: p.api}
	election, err := leader.NewElection(config, "fitai")
	must(t, err)
	var options ctrl.Options
	election.Configure(&options)
	p.lock, p.fence = options.LeaderElectionResourceLockInterface, election.Fence()
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("ConfigMap"), meta.RESTScopeNamespace)
	clientOptions := client.Options{Scheme: scheme.Scheme, Mapper: mapper}
	guarded, err := client.New(p.fence.Guard(config), clientOptions)
	must(t, err)
	clientOptions.HTTPClient = &http.Client{Transport: p.api}
	manager, err := options.NewClient(config, clientOptions)
	must(t, err)
	p.clients = map[string]client.Client{"guarded client": guarded, "manager's client": manager}
	return p
}

func (p *process) mine() resourcelock.LeaderElectionRecord {
	return resourcelock.LeaderElectionRecord{HolderIdentity: p.lock.Identity()}
}

// wantClosed checks that no client writes and that every client reads.
func (p *process) wantClosed(when string) {
	p.Helper()
	if err := p.fence.Check(); !errors.Is(err, leader.ErrLeaseExpired) {
		p.Errorf("%s: Check returns %v", when, err)
	}
	before := p.api.written
	for name, c := range p.clients {
		if err := c.Create(p.Context(), configMap()); !errors.Is(err, leader.ErrLeaseExpired) {
			p.Errorf("%s: the write of the %s returns %v", when, name, err)
		}
	}
	if p.api.written != before {
		p.Errorf("%s: %d writes arrived", when, p.api.written-before)
	}
}

func (p *process) wantOpen(when string) {
	p.Helper()
	if err := p.fence.Check(); err != nil {
		p.Errorf("%s: Check returns %v", when, err)
	}
	for name, c := range p.clients {
		if err := c.Create(p.Context(), configMap()); err != nil {
			p.Errorf("%s: the write of the %s returns %v", when, name, err)
		}
	}
}

func configMap() *corev1.ConfigMap {
	object := &corev1.ConfigMap{}
	object.Namespace, object.Name = "fitai", "any"
	return object
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// The manager uses the same config: a timeout in it would end the manager's watches every few seconds.
func TestNewElection_LeavesConfigUnchanged(t *testing.T) {
	t.Parallel()
	config := &rest.Config{Host: "http://api"}
	_, err := leader.NewElection(config, "fitai")
	must(t, err)
	if config.Timeout != 0 || config.UserAgent != "" {
		t.Errorf("the config has timeout %s and user agent %q", config.Timeout, config.UserAgent)
	}
}

func TestFence_OpensWhenLeaseIsAcquiredOrRenewed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(t)
		p.wantClosed("without a lease")
		must(t, p.lock.Create(t.Context(), p.mine()))
		p.wantOpen("after the lease is acquired")
		<-time.After(leader.RenewDeadline + time.Second)
		p.wantClosed("after the lease is too old")
		must(t, p.lock.Update(t.Context(), p.mine()))
		p.wantOpen("after the lease is renewed")
	})
}

func TestFence_StaysClosedWhenLeaseIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(t)
		p.api.refuse = true
		if err := p.lock.Create(t.Context(), p.mine()); err == nil {
			t.Error("the election does not see that the creation is refused")
		}
		p.wantClosed("after a refused creation")

		p.api.refuse = false
		must(t, p.lock.Create(t.Context(), p.mine()))
		<-time.After(leader.RenewDeadline + time.Second)
		p.api.refuse = true
		if err := p.lock.Update(t.Context(), p.mine()); err == nil {
			t.Error("the election does not see that the renewal is refused")
		}
		p.wantClosed("after a refused renewal")
	})
}

func TestFence_ClosesBeforeLeaseIsReleased(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(t)
		must(t, p.lock.Create(t.Context(), p.mine()))
		p.api.onLease = func() { p.wantClosed("while the lease is released") }
		must(t, p.lock.Update(t.Context(), resourcelock.LeaderElectionRecord{}))
		p.wantClosed("after the lease is released")
	})
}

// The age counts from the moment when a renewal is sent: other replicas see it later than that.
func TestFence_CountsSlowRenewalFromItsStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(t)
		p.api.onLease = func() { <-time.After(leader.RenewDeadline / 4) }
		must(t, p.lock.Create(t.Context(), p.mine()))
		p.wantOpen("after a slow renewal")
		<-time.After(leader.RenewDeadline*3/4 + time.Second)
		p.wantClosed("after the time that counts from the request")
	})
}

func TestFence_ReadsAlwaysPass(t *testing.T) {
	t.Parallel()
	p := newProcess(t)
	for name, c := range p.clients {
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(configMap()), configMap()); err != nil {
			t.Errorf("the read of the %s returns %v", name, err)
		}
	}
}

func TestFence_NilIsOpen(t *testing.T) {
	t.Parallel()
	if err := (*leader.Fence)(nil).Check(); err != nil {
		t.Error(err)
	}
}
