package instance_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/instance"
	"github.com/fitai/fituser-operator/internal/state"
)

// The answer about one key does not verify another.
func TestCheck_KeyChangesDuringVerification(t *testing.T) {
	for name, keys := range map[string][2]string{
		"to another instance's": {ourKey, otherKey},
		"to the right one":      {otherKey, ourKey},
		"rotation":              {ourKey, rotatedKey},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.record(ours)
			f.key.set(keys[0])
			unchanged := f.config.Clerk
			f.config.Clerk = interceptedClerk{unchanged, func(context.Context) error {
				f.key.set(keys[1])
				return nil
			}}
			f.restart()
			err := f.guard.Check(t.Context())
			if _, mismatch := errors.AsType[*instance.MismatchError](err); err == nil || mismatch || errors.Is(err, instance.ErrState) {
				t.Errorf("result of a key that changed: %v", err)
			}
			f.guard.Clerk = unchanged
			f.wantRequests(2, func() {
				for _, key := range []string{keys[1], keys[0]} { // neither was verified
					f.key.set(key)
					if key == otherKey {
						f.wantMismatch(other, ours)
					} else {
						f.wantAccepted()
					}
				}
			})
		})
	}
}

func TestCheck_KeyThatChangesDuringVerificationIsNotRecorded(t *testing.T) {
	f := newFixture(t)
	f.config.Clerk = interceptedClerk{f.config.Clerk, func(context.Context) error {
		f.key.set(otherKey)
		return nil
	}}
	f.restart()
	if err := f.guard.Check(t.Context()); err == nil {
		t.Error("the key was accepted")
	}
	f.wantRecorded("")
}

func TestCheck_StateUnavailable(t *testing.T) {
	for name, faults := range map[string]faultyClient{"reads fail": {reads: true}, "writes fail": {writes: true}} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			faults.Client = f.state.Client
			f.config.State = &state.Store{Client: faults, Namespace: f.state.Namespace}
			f.restart()
			for range 2 {
				err := f.guard.Check(t.Context())
				if !errors.Is(err, instance.ErrState) || !errors.Is(err, errUnavailable) {
					t.Errorf("error: %v", err)
				}
			}
			f.wantRecorded("")
			f.guard.State = f.state
			f.wantAccepted() // an error is not remembered
		})
	}
}

func TestCheck_ClerkFails(t *testing.T) {
	for name, c := range map[string]struct {
		response clerktest.Response
		want     clerk.Kind
	}{
		"401":           {clerktest.Status(401, "clerk_key_invalid"), clerk.Unauthorized},
		"500":           {clerktest.Status(500, "internal_clerk_error"), clerk.Unavailable},
		"404":           {clerktest.Status(404, "resource_not_found"), ""},
		"empty object":  {clerktest.OKEmptyObject(), ""},
		"null":          {clerktest.OKNull(), ""},
		"half the JSON": {clerktest.HalfJSON(), ""},
		"HTML":          {clerktest.HTML502(), ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			remove := f.clerk[ours].Inject(clerktest.Fault{Match: clerktest.On("GET", "/instance"), Respond: c.response})
			err := f.guard.Check(t.Context())
			if err == nil || errors.Is(err, instance.ErrState) || clerk.KindOf(err) == clerk.NotFound {
				t.Errorf("error: %v", err)
			}
			if c.want != "" && clerk.KindOf(err) != c.want {
				t.Errorf("kind %s of %v, want %s", clerk.KindOf(err), err, c.want)
			}
			f.wantRecorded("")
			remove()
			f.wantAccepted() // an error is not remembered
		})
	}
}

// A caller that is canceled leaves the verification to the others.
func TestCheck_CanceledCallerDoesNotWait(t *testing.T) {
	f := newFixture(t)
	began, release := make(chan struct{}), make(chan struct{})
	f.config.Clerk = interceptedClerk{f.config.Clerk, func(ctx context.Context) error {
		close(began)
		<-release
		return ctx.Err()
	}}
	f.restart()
	ctx, cancel := context.WithCancel(t.Context())
	canceled := make(chan error, 1)
	go func() { canceled <- f.guard.Check(ctx) }()
	<-began
	cancel()
	if err := <-canceled; !errors.Is(err, context.Canceled) {
		t.Errorf("the canceled caller's result: %v", err)
	}
	var patient sync.WaitGroup
	patient.Go(f.wantAccepted)
	close(release)
	patient.Wait()
	f.wantRecorded(ours)
}
