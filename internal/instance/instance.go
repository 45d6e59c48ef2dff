// Package instance makes sure that the secret key belongs to the Clerk instance that this namespace was created for.
// Under another instance's key every user is unknown to Clerk, and all rows would be deleted.
package instance

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	"k8s.io/utils/clock"

	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/state"
)

const (
	// mismatchTTL is how long a mismatch is remembered before the key is verified again.
	mismatchTTL = 10 * time.Second
	// verifyTimeout bounds one verification, which serves all callers.
	verifyTimeout = 30 * time.Second
)

// ErrState is wrapped by errors of [Guard.Check] when the operator state cannot be read or written.
var ErrState = fmt.Errorf("the ConfigMap %s cannot be read or written, so the key cannot be verified", state.ConfigMapName)

var errKeyChanged = errors.New("the secret key changed while it was verified")

// MismatchError is returned when the key belongs to another instance.
type MismatchError struct {
	// Actual is the key's instance, Expected the namespace's, and Source where Expected is set.
	Actual, Expected, Source string
}

// Error implements error.
func (e *MismatchError) Error() string {
	return fmt.Sprintf("the secret key belongs to Clerk instance %s, but %s is %s: set the key of that instance, or change the id there",
		e.Actual, e.Source, e.Expected)
}

// Config is what a [Guard] needs.
type Config struct {
	State *state.Store
	Clerk clerk.Client
	// Key returns the current secret key. Each key is verified once.
	Key func() string
	// Expected is CLERK_INSTANCE_ID; empty when not set.
	Expected string
	Clock    clock.PassiveClock
}

// Guard verifies keys.
type Guard struct {
	Config

	flight singleflight.Group
	mu     sync.Mutex
	// verified is the key that was verified last; losing it costs one request.
	verified string
	// mismatch is the result for the key mismatched, until expires.
	mismatch   *MismatchError
	mismatched string
	expires    time.Time
}

// New returns a Guard that has verified no key.
func New(config Config) *Guard { return &Guard{Config: config} }

// Check returns nil when the current key may be used. Otherwise it returns a [MismatchError], an error that wraps
// [ErrState], or an error of Clerk's.
func (g *Guard) Check(ctx context.Context) error {
	key := g.Key()
	if err, known := g.remembered(key); known {
		return err
	}
	result := g.flight.DoChan(key, func() (any, error) { return nil, g.verify(key) })
	select {
	case r := <-result:
		return r.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *Guard) remembered(key string) (err error, known bool) { //nolint:revive // the error is the value that is remembered
	g.mu.Lock()
	defer g.mu.Unlock()
	if key != "" && key == g.verified {
		return nil, true
	}
	if g.mismatch != nil && key == g.mismatched && g.Clock.Now().Before(g.expires) {
		return g.mismatch, true
	}
	return nil, false
}

// verify asks Clerk for the key's instance and compares it. It serves all callers, so it has its own timeout.
func (g *Guard) verify(key string) error {
	ctx, cancel := context.WithTimeout(context.Background(), verifyTimeout)
	defer cancel()
	actual, err := g.Clerk.Instance(ctx)
	if err != nil {
		return err
	}
	if g.Key() != key { // a request carries the key that is current when it is sent, so the answer may be another key's
		return errKeyChanged
	}
	expected, source := g.Expected, "CLERK_INSTANCE_ID"
	if expected == "" || expected == actual {
		if expected, err = g.recordedOrFirst(ctx, actual); err != nil {
			return fmt.Errorf("%w: %w", ErrState, err)
		}
		source = fmt.Sprintf("%s in the ConfigMap %s", state.InstanceKey, state.ConfigMapName)
	}
	return g.remember(key, &MismatchError{Actual: actual, Expected: expected, Source: source})
}

// remember stores the result of a verification and returns it.
func (g *Guard) remember(key string, found *MismatchError) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if found.Actual == found.Expected {
		g.verified, g.mismatch = key, nil
		return nil
	}
	g.mismatched, g.mismatch, g.expires = key, found, g.Clock.Now().Add(mismatchTTL)
	return found
}

// recordedOrFirst returns the instance of this namespace. The first key that is ever used decides it.
func (g *Guard) recordedOrFirst(ctx context.Context, actual string) (string, error) {
	s, err := g.State.Update(ctx, func(s *state.State) bool {
		if s.InstanceID != "" {
			return false
		}
		s.InstanceID = actual
		return true
	})
	return s.InstanceID, err
}
