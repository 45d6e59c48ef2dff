// Package receiver handles Clerk's webhooks. It verifies their signature, bounds their cost, records a hint on the user's
// FitUser (and creates the FitUser if the user has none), and responds. It runs on every replica.
//
// An event is only a hint: the reconciler asks Clerk itself. The user's id, the event's type and its times are all that
// leaves this package. The package holds the signing secrets and nothing else: no Clerk key, no database, no status of
// a FitUser.
//
// Read the files in the order in which a request passes them, each once:
//
//   - handler.go: the route, the steps and the response;
//   - verify.go, with secrets.go: the headers, the body and its signature;
//   - event.go: which user the event is about;
//   - record.go: the hint, its span and the time limit;
//   - coalesce.go: several hints of one user in one write;
//   - write.go: the patch or the new FitUser, with retries.
//
// outcome.go lists how a request can end; metrics.go and outcomelog.go report it. limits.go bounds each step. receiver.go
// is the server around the handler, and cache.go its client of the API server.
package receiver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/net/netutil"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/fitai/fituser-operator/internal/tracing"
)

// Path is the path of the webhook endpoint. Endpoints in Clerk's dashboard already have it.
const Path = "/api/webhooks"

// Config configures a [Receiver]. Every field is required unless its comment calls it optional.
type Config struct {
	// BindAddress is the address to listen on, such as ":8080".
	BindAddress string
	// Listener replaces BindAddress. Optional. The receiver closes it.
	Listener net.Listener
	// Certificate returns the current certificate, as in [tls.Config]. Optional: without it the receiver serves plain HTTP,
	// and a proxy in front of it terminates TLS.
	Certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// Namespace is where the FitUsers are.
	Namespace string
	// InstanceID is the Clerk instance whose events are accepted. Optional: without it, every instance that has a signing
	// secret is accepted.
	InstanceID string
	// Keys returns the current signing secrets. It is called at every request, so they can change while the receiver runs.
	Keys func() Keys
	// Writer creates FitUsers and patches their hint.
	Writer client.Writer
	// Cache finds FitUsers by Clerk id. It is the cache of a cluster from [NewCluster].
	Cache client.Reader
	// Live reads from the API server itself. It is used when the cache lags behind.
	Live client.Reader
	// Registerer registers the metrics.
	Registerer prometheus.Registerer
	// Log is the receiver's logger. Optional.
	Log logr.Logger
	// Tracer starts a span for each verified event. Optional: no span is recorded.
	Tracer trace.Tracer
	// Now is the clock. Optional: [time.Now].
	Now func() time.Time
	// Limits bound the cost of a request. Optional: [DefaultLimits].
	Limits Limits
}

// Receiver is the HTTP server. It is a runnable of the controller manager.
type Receiver struct {
	config     Config
	bodySlots  chan struct{} // holds one for each large body in memory
	recorder   recorder
	responses  map[outcome]response
	metrics    *metrics
	outcomeLog *outcomeLog
	serving    atomic.Bool
	draining   atomic.Bool // the process stops: each connection closes after its next response
}

var (
	_ manager.Runnable               = (*Receiver)(nil)
	_ manager.LeaderElectionRunnable = (*Receiver)(nil)
	_ http.Handler                   = (*Receiver)(nil)
)

// New returns a receiver that listens once [Receiver.Start] is called. It fails when the metrics are already registered.
func New(config Config) (*Receiver, error) {
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Tracer == nil {
		config.Tracer = tracing.Off()
	}
	if config.Limits == (Limits{}) {
		config.Limits = DefaultLimits()
	}
	metrics, err := newMetrics(config.Registerer)
	if err != nil {
		return nil, fmt.Errorf("registering the receiver's metrics: %w", err)
	}
	return &Receiver{
		config:     config,
		bodySlots:  make(chan struct{}, config.Limits.Bodies),
		recorder:   newRecorder(config),
		responses:  newResponses(),
		metrics:    metrics,
		outcomeLog: newOutcomeLog(config.Log),
	}, nil
}

// NeedLeaderElection returns false: every replica handles webhooks.
//
// The method is also the reason for the type: the manager starts a bare [manager.Server] before it fills the caches, and
// a Receiver afterwards.
func (r *Receiver) NeedLeaderElection() bool { return false }

// Start listens and serves until ctx ends, and then lets the requests in flight finish.
func (r *Receiver) Start(ctx context.Context) error {
	listener, err := r.listen(ctx)
	if err != nil {
		return fmt.Errorf("listening for webhooks on %s: %w", r.config.BindAddress, err)
	}
	server := r.server()
	defer func() { _ = server.Close() }() // ends the requests that are still in flight after ShutdownTimeout

	r.serving.Store(true)
	defer r.serving.Store(false)
	limits := r.config.Limits
	drained, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	stop := context.AfterFunc(ctx, func() {
		r.serving.Store(false)
		r.draining.Store(true)
		time.AfterFunc(limits.Drain, end)
	})
	defer stop()

	runnable := manager.Server{
		Name:            "webhook receiver",
		Server:          server,
		Listener:        r.withTLS(netutil.LimitListener(listener, limits.Connections)),
		ShutdownTimeout: &limits.Shutdown,
	}
	return runnable.Start(ctrllog.IntoContext(drained, r.config.Log))
}

// Ready is the readiness check. It returns an error until the receiver listens, and again once its context has ended.
func (r *Receiver) Ready(*http.Request) error {
	if !r.serving.Load() {
		return errors.New("the webhook receiver is not listening")
	}
	return nil
}

func (r *Receiver) listen(ctx context.Context) (net.Listener, error) {
	if r.config.Listener != nil {
		return r.config.Listener, nil
	}
	var config net.ListenConfig
	return config.Listen(ctx, "tcp", r.config.BindAddress)
}

// withTLS adds TLS to the listener when a certificate is configured. It does not offer HTTP/2: any number of requests
// could share one connection, and the limits count connections.
func (r *Receiver) withTLS(listener net.Listener) net.Listener {
	if r.config.Certificate == nil {
		return listener
	}
	return tls.NewListener(listener, &tls.Config{
		GetCertificate: r.config.Certificate,
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"http/1.1"},
	})
}

func (r *Receiver) server() *http.Server {
	limits := r.config.Limits
	return &http.Server{
		Handler:           r,
		ReadHeaderTimeout: limits.Read,
		ReadTimeout:       limits.Read,
		WriteTimeout:      limits.Write,
		IdleTimeout:       limits.Idle,
		MaxHeaderBytes:    limits.HeaderBytes,
		ErrorLog:          log.New(connectionLog{r.outcomeLog}, "", 0),
		// Without it net/http responds to "OPTIONS *" itself, with 200.
		DisableGeneralOptionsHandler: true,
	}
}
