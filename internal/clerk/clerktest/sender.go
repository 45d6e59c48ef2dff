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

// Svix's bounds on an attempt, and this package's on what is kept.
const (
	attemptTimeout = 15 * time.Second
	maxPending     = 100_000
	maxAnswerBytes = 64 << 10
)

// minSecretBytes is the length of the shortest key that Svix accepts.
const minSecretBytes = 24

// ErrSecret says that a signing secret is none.
var ErrSecret = errors.New("not a signing secret: want whsec_ followed by the base64 of at least 24 bytes")

// SenderConfig says where events go.
type SenderConfig struct {
	// URL of the endpoint; it may be empty where messages are only signed.
	URL string
	// Secrets sign, each with a signature of its own; several are the state during a rotation. At least one.
	Secrets []string
	// Schedule is how long to wait before each retry; nil is Svix's own. It counts in [Sender.Run] only.
	Schedule []time.Duration
	// Workers is how many attempts [Sender.Run] makes at a time; 0 is one, which keeps first attempts in order.
	Workers int
	// OnAttempt is told of every attempt that Run makes. It is called from Run's workers and may be nil.
	OnAttempt func(Attempt)
	// Transport carries the requests; nil is http.DefaultTransport.
	Transport http.RoundTripper
	// Now is the clock of signatures and retries; nil is time.Now.
	Now func() time.Time
}

// Message is one webhook. Each attempt and each resend of it carries the same ID and body.
type Message struct {
	ID   string // svix-id
	Type string // such as "user.created"
	Body []byte
}

// Sender is one webhook endpoint of an instance, as Svix keeps it for Clerk. Its messages wait until somebody
// delivers them: a test, which then decides on order, duplicates and losses ([Sender.Pending], [Sender.Deliver],
// [Sender.Drop]), or [Sender.Run], which does what Svix does. It is safe for concurrent use.
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
			// A redirect is a failed attempt to Svix.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	return s, s.SetSecrets(config.Secrets...)
}

// SetSecrets replaces the signing secrets: the new one and the old one during a rotation, the new one after it.
func (s *Sender) SetSecrets(secrets ...string) error {
	signers := make([]*svix.Webhook, 0, len(secrets))
	for _, secret := range secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err != nil || len(key) < minSecretBytes {
			return ErrSecret
		}
		signer, err := svix.NewWebhookRaw(key)
		if err != nil {
			return fmt.Errorf("making a signer: %w", err)
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

// Message makes a message of an event. It panics where the event's data is no JSON.
func (s *Sender) Message(e Event) Message {
	body, err := e.body()
	if err != nil {
		panic(fmt.Sprintf("clerktest: event %s: %v", e.Type, err))
	}
	return Message{ID: s.ids.id("msg_", s.config.Now()), Type: e.Type, Body: body}
}

// Send queues an event. When 100,000 messages wait, the newest is lost; webhooks are not guaranteed.
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

// Pending returns the messages that no attempt has delivered yet, in the order they were sent.
func (s *Sender) Pending() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	waiting := slices.Clone(s.queue)
	slices.SortFunc(waiting, func(a, b *delivery) int { return cmp.Compare(a.number, b.number) })
	messages := make([]Message, len(waiting))
	for i, d := range waiting {
		messages[i] = d.Message
	}
	return messages
}

// Drop forgets a pending message: a webhook that never arrives.
func (s *Sender) Drop(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.IndexFunc(s.queue, func(d *delivery) bool { return d.ID == id }); i >= 0 {
		heap.Remove(&s.queue, i)
	}
}

// Deliver makes one attempt to deliver a message, pending or not, and returns the status answered. A 2xx takes it
// off the pending messages. The error says that there was no answer within Svix's 15 s or before ctx ended.
func (s *Sender) Deliver(ctx context.Context, m Message) (status int, err error) {
	answer, err := s.attempt(ctx, m)
	if err != nil {
		return 0, err
	}
	if answer.delivered() {
		s.Drop(m.ID)
	}
	return answer.status, nil
}

// DeliverAll makes one attempt for each pending message, in order. The error is the first that was not answered
// with a 2xx; those after it are tried all the same.
func (s *Sender) DeliverAll(ctx context.Context) error {
	var first error
	for _, m := range s.Pending() {
		status, err := s.Deliver(ctx, m)
		if err == nil && status/100 != 2 {
			err = fmt.Errorf("endpoint answered %d", status)
		}
		if first == nil && err != nil {
			first = fmt.Errorf("delivering %s %s: %w", m.Type, m.ID, err)
		}
	}
	return first
}

// Sign returns the headers of a message as Svix sends them, one signature for each secret.
func (s *Sender) Sign(id string, at time.Time, body []byte) http.Header {
	s.mu.Lock()
	signers := s.secrets
	s.mu.Unlock()
	signatures := make([]string, len(signers))
	for i, signer := range signers {
		signature, err := signer.Sign(id, at, body)
		if err != nil {
			panic("clerktest: signing: " + err.Error()) // HMAC knows no errors
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

// answer is what an endpoint said to an attempt.
type answer struct {
	status     int
	retryAfter time.Duration
}

func (a answer) delivered() bool { return a.status/100 == 2 }

// attempt sends m once, with a signature of this moment.
func (s *Sender) attempt(ctx context.Context, m Message) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.config.URL, bytes.NewReader(m.Body))
	if err != nil {
		return answer{}, fmt.Errorf("making the request: %w", err)
	}
	req.Header = s.Sign(m.ID, s.config.Now(), m.Body)
	resp, err := s.client.Do(req)
	if err != nil {
		return answer{}, fmt.Errorf("sending: %w", err)
	}
	defer resp.Body.Close() //nolint:errcheck // nothing was written
	// Reading to the end lets the connection be used again; how it ends does not matter.
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswerBytes))
	seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
	return answer{status: resp.StatusCode, retryAfter: time.Duration(seconds) * time.Second}, nil
}
