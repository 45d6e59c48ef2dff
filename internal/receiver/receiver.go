// Package receiver takes Clerk's webhooks: it verifies that Clerk's sender signed them, bounds what they may cost,
// records on the user's FitUser that there is news (making the FitUser where there is none), and answers. It runs on
// every replica.
//
// An event is a hint. Nothing it says about a user leaves this package but the user's id, the event's type and its
// times: the reconciler asks Clerk itself. The package holds the signing secrets and nothing else: no Clerk key, no
// database, no status of a FitUser.
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

// Path is where the webhooks arrive. Endpoints in Clerk's dashboard already have it.
const Path = "/api/webhooks"

// Config is what a [Receiver] needs. All of it is required, except where a field says otherwise.
type Config struct {
	// BindAddress is the address to listen on, such as ":8080".
	BindAddress string
	// Listener is used instead of BindAddress where it is set. The receiver closes it.
	Listener net.Listener
	// Certificate gives the certificate of the moment, as in [tls.Config]. Optional: without it, webhooks are taken over plain
	// HTTP, and TLS ends at what stands before the receiver.
	Certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// Namespace is where the FitUsers are.
	Namespace string
	// InstanceID is the Clerk instance whose events are taken. Optional: without it, every instance that knows a signing
	// secret is believed.
	InstanceID string
	// Keys gives the signing secrets in force. It is asked at every request, so they can change while the receiver runs.
	Keys func() Keys
	// Writer creates FitUsers and patches their hint.
	Writer client.Writer
	// Cache finds FitUsers by Clerk id. It is the cache of a cluster from [NewCluster].
	Cache client.Reader
	// Live reads from the API server itself, for when the cache is behind.
	Live client.Reader
	// Registerer takes the metrics.
	Registerer prometheus.Registerer
	// Log is where the receiver logs. Optional.
	Log logr.Logger
	// Tracer begins a span for each verified event. Optional: nothing is recorded.
	Tracer trace.Tracer
	// Now is the clock. Optional: [time.Now].
	Now func() time.Time
	// Limits bound what a request may cost. Optional: [DefaultLimits].
	Limits Limits
}

// Receiver is the HTTP server. It is a runnable of the controller manager.
type Receiver struct {
	config   Config
	bodies   chan struct{} // one place for each request whose body is in memory
	recorder recorder
	answers  map[outcome]answer
	journal  *journal
	serving  atomic.Bool
	leaving  atomic.Bool // told to stop
}

var (
	_ manager.Runnable               = (*Receiver)(nil)
	_ manager.LeaderElectionRunnable = (*Receiver)(nil)
	_ http.Handler                   = (*Receiver)(nil)
)

// New makes a receiver. It does not listen before [Receiver.Start]. The error says that its metrics are registered
// already.
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
		config:  config,
		bodies:  make(chan struct{}, config.Limits.Bodies),
		answers: newAnswers(),
		journal: newJournal(config.Log, metrics),
		recorder: recorder{
			namespace: config.Namespace,
			writer:    config.Writer,
			cache:     config.Cache,
			live:      config.Live,
			limits:    config.Limits,
			gatherer:  newGatherer(),
		},
	}, nil
}

// NeedLeaderElection is false: every replica takes webhooks.
//
// The method is also why Receiver is a type of its own: the manager starts a bare [manager.Server] before the caches
// are filled, and this one after.
func (r *Receiver) NeedLeaderElection() bool { return false }

// Start listens and serves until ctx ends, and then lets the requests under way finish.
func (r *Receiver) Start(ctx context.Context) error {
	listener, err := r.listen(ctx)
	if err != nil {
		return fmt.Errorf("listening for webhooks on %s: %w", r.config.BindAddress, err)
	}
	server := r.server()
	defer func() { _ = server.Close() }() // for requests that are still under way when their time is over

	r.serving.Store(true)
	defer r.serving.Store(false)
	limits := r.config.Limits
	drained, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	stop := context.AfterFunc(ctx, func() {
		r.serving.Store(false)
		r.leaving.Store(true)
		time.AfterFunc(limits.Drain, end)
	})
	defer stop()

	runnable := manager.Server{
		Name:            "webhook receiver",
		Server:          server,
		Listener:        r.secured(netutil.LimitListener(listener, limits.Connections)),
		ShutdownTimeout: &limits.Shutdown,
	}
	return runnable.Start(ctrllog.IntoContext(drained, r.config.Log))
}

// Ready is the readiness check: an error until the receiver listens, and again as soon as it is told to stop.
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

// secured puts TLS around what arrives, where there is a certificate. There is no HTTP/2: as many requests as a client likes
// would share one connection, and the limits count connections.
func (r *Receiver) secured(listener net.Listener) net.Listener {
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
		ErrorLog:          log.New(connectionLog{r.journal}, "", 0),
		// net/http would answer "OPTIONS *" itself, with 200.
		DisableGeneralOptionsHandler: true,
	}
}
