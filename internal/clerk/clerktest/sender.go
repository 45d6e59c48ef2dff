package clerktest

import (
	"bytes"
	"cmp"
	"container/heap"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	svix "github.com/svix/svix-webhooks/go"
)

// Svix's timeout of an attempt, and this package's memory bounds.
const (
	attemptTimeout   = 15 * time.Second
	maxPending       = 100_000
	maxResponseBytes = 64 << 10
)

// minSecretBytes is the length of the shortest key that Svix accepts.
const minSecretBytes = 24

// ErrSecret reports an invalid signing secret.
var ErrSecret = errors.New("not a signing secret: want whsec_ followed by the base64 of at least 24 bytes")

// SenderConfig configures a [Sender].
type SenderConfig struct {
	// URL is the endpoint. It may be empty if messages are only signed.
	URL string
	// Secrets are the signing secrets, at least one. Each adds a signature; several are valid during a rotation.
	Secrets []string
	// Schedule is the delay before each retry in [Sender.Run]. Nil means Svix's own.
	Schedule []time.Duration
	// Workers bounds the concurrent attempts of [Sender.Run]. 0 means one, which keeps first attempts in order.
	Workers int
	// OnAttempt is called by Run's workers after each attempt. It may be nil.
	OnAttempt func(Attempt)
	// Transport sends the requests. Nil means http.DefaultTransport.
	Transport http.RoundTripper
	// Now is the clock of signatures and retries. Nil means time.Now.
	Now func() time.Time
}

// Message is one webhook. All attempts and resends of it have the same ID and body.
type Message struct {
	ID   string // svix-id
	Type string // such as "user.created"
	Body []byte
}

// Sender is one webhook endpoint of an instance, as Svix manages it for Clerk. It queues messages. Either a test delivers
// them and controls order, duplicates and losses ([Sender.Pending], [Sender.Deliver], [Sender.Drop]), or [Sender.Run]
// delivers them as Svix does. It is safe for concurrent use.
type Sender struct {
	config SenderConfig
	client *http.Client
	ids    *idSource
	wake   chan struct{}

	mu      sync.Mutex
	secrets []*svix.Webhook
	queue   deliveries
	sent    int
}

// NewSender returns a sender, or [ErrSecret].
func NewSender(config SenderConfig) (*Sender, error) {
	if config.Schedule == nil {
		config.Schedule = SvixSchedule()
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	s := &Sender{
		config: config, ids: newIDSource(config.URL + "svix"), wake: make(chan struct{}, 1),
		client: &http.Client{
			Transport: config.Transport,
			// Svix counts a redirect as a failed attempt.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	return s, s.SetSecrets(config.Secrets...)
}

// SetSecrets replaces the signing secrets. During a rotation both the new and the old secret are set.
func (s *Sender) SetSecrets(secrets ...string) error {
	signers := make([]*svix.Webhook, 0, len(secrets))
	for _, secret := range secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err != nil || len(key) < minSecretBytes {
			return ErrSecret
		}
		signer, err := svix.NewWebhookRaw(key)
		if err != nil {
			return fmt.Errorf("creating a signer: %w", err)
		}
		signers = append(signers, signer)
	}
	if len(signers) == 0 {
		return ErrSecret
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secrets = signers
	return nil
}

// Message creates a message from an event. It panics if the event's data cannot be encoded as JSON.
func (s *Sender) Message(e Event) Message {
	body, err := e.body()
	if err != nil {
		panic(fmt.Sprintf("clerktest: event %s: %v", e.Type, err))
	}
	return Message{ID: s.ids.id("msg_", s.config.Now()), Type: e.Type, Body: body}
}

// Send queues an event. It drops the event if 100,000 messages are queued; delivery of webhooks is not guaranteed.
func (s *Sender) Send(e Event) {
	m := s.Message(e)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) >= maxPending {
		return
	}
	s.sent++
	s.push(&delivery{Message: m, number: s.sent, due: s.config.Now()})
}

// Pending returns the undelivered messages, in order of sending.
func (s *Sender) Pending() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	queue := slices.Clone(s.queue)
	slices.SortFunc(queue, func(a, b *delivery) int { return cmp.Compare(a.number, b.number) })
	messages := make([]Message, len(queue))
	for i, d := range queue {
		messages[i] = d.Message
	}
	return messages
}

// Drop removes a pending message, as if the webhook never arrived.
func (s *Sender) Drop(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.IndexFunc(s.queue, func(d *delivery) bool { return d.ID == id }); i >= 0 {
		heap.Remove(&s.queue, i)
	}
}

// Deliver makes one attempt to deliver a message, pending or not, and returns the status. A 2xx removes the message from
// the pending ones. It returns an error if there is no response within Svix's 15 s or before ctx ends.
func (s *Sender) Deliver(ctx context.Context, m Message) (status int, err error) {
	response, err := s.attempt(ctx, m)
	if err != nil {
		return 0, err
	}
	if response.delivered() {
		s.Drop(m.ID)
	}
	return response.status, nil
}

// DeliverAll makes one attempt for each pending message, in order. It returns the first failure, that is an error or a
// status other than 2xx, and attempts the remaining messages nevertheless.
func (s *Sender) DeliverAll(ctx context.Context) error {
	var first error
	for _, m := range s.Pending() {
		status, err := s.Deliver(ctx, m)
		if err == nil && status/100 != 2 {
			err = fmt.Errorf("endpoint responded with status %d", status)
		}
		if first == nil && err != nil {
			first = fmt.Errorf("delivering %s %s: %w", m.Type, m.ID, err)
		}
	}
	return first
}

// Sign returns the headers of a message as Svix sends them, with one signature per secret.
func (s *Sender) Sign(id string, at time.Time, body []byte) http.Header {
	s.mu.Lock()
	signers := s.secrets
	s.mu.Unlock()
	signatures := make([]string, len(signers))
	for i, signer := range signers {
		signature, err := signer.Sign(id, at, body)
		if err != nil {
			panic("clerktest: signing: " + err.Error()) // HMAC never fails
		}
		signatures[i] = signature
	}
	h := http.Header{}
	h.Set("Content-Type", "application/json")
	h.Set("User-Agent", "Svix-Webhooks/1.44.0")
	h.Set("Svix-Id", id)
	h.Set("Svix-Timestamp", strconv.FormatInt(at.Unix(), 10))
	h.Set("Svix-Signature", strings.Join(signatures, " "))
	return h
}

// endpointResponse is the endpoint's response to an attempt.
type endpointResponse struct {
	status     int
	retryAfter time.Duration
}

func (r endpointResponse) delivered() bool { return r.status/100 == 2 }

// attempt sends m once, signed with the current time.
func (s *Sender) attempt(ctx context.Context, m Message) (endpointResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.config.URL, bytes.NewReader(m.Body))
	if err != nil {
		return endpointResponse{}, fmt.Errorf("creating the request: %w", err)
	}
	req.Header = s.Sign(m.ID, s.config.Now(), m.Body)
	resp, err := s.client.Do(req)
	if err != nil {
		return endpointResponse{}, fmt.Errorf("sending: %w", err)
	}
	defer resp.Body.Close() //nolint:errcheck // nothing was written
	// Reading to the end allows reuse of the connection. A read error has no consequence.
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxResponseBytes))
	seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
	return endpointResponse{status: resp.StatusCode, retryAfter: time.Duration(seconds) * time.Second}, nil
}
