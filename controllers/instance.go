package controllers

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/clock"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk"
)

const (
	// InstanceKey is where [Notes] hold the id of the Clerk instance whose users this namespace holds. Only a person changes it.
	InstanceKey = "clerkInstanceID"

	// wrongInstancePause is how long a mismatch is believed before everything is looked at anew.
	wrongInstancePause = 10 * time.Second
)

var errKeyChanged = errors.New("the secret key changed while it was checked")

// InstanceGuard makes sure that the secret key belongs to the Clerk instance that this namespace was made for. Under
// another instance's key every user is unknown to Clerk, and the rows of all would go.
type InstanceGuard struct {
	Notes *Notes
	Clerk clerk.Client
	// Key gives the secret key of the moment. Each key is checked once.
	Key func() string
	// Expected is CLERK_INSTANCE_ID, empty when not set.
	Expected string
	Clock    clock.PassiveClock

	flight singleflight.Group
	mu     sync.Mutex
	// verified is the key that was found to be right.
	verified string
	// mismatch is what was found wrong with the key mismatched, until believed.
	mismatch   *trouble
	mismatched string
	believed   time.Time
}

// check reports what is wrong with the key of the moment; nil when it may be used.
func (g *InstanceGuard) check(ctx context.Context) *trouble {
	key := g.Key()
	if t, known := g.remembered(key); known {
		return t
	}
	result := g.flight.DoChan(key, func() (any, error) { return g.verify(key), nil })
	select {
	case r := <-result:
		t, _ := r.Val.(*trouble)
		return t
	case <-ctx.Done():
		return clerkTrouble(ctx.Err())
	}
}

func (g *InstanceGuard) remembered(key string) (t *trouble, known bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if key == g.verified {
		return nil, true
	}
	return g.mismatch, g.mismatch != nil && key == g.mismatched && g.Clock.Now().Before(g.believed)
}

// verify asks Clerk and compares. It serves everybody who waits, so it has a time of its own.
func (g *InstanceGuard) verify(key string) *trouble {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	actual, err := g.Clerk.Instance(ctx)
	if err != nil {
		return clerkTrouble(err)
	}
	if g.Key() != key { // the answer may be another key's: requests carry the one of the moment in which they are sent
		return clerkTrouble(errKeyChanged)
	}
	expected, where := g.Expected, "CLERK_INSTANCE_ID"
	if expected == "" || expected == actual {
		if expected, err = g.recorded(ctx, actual); err != nil {
			return &trouble{
				reason: v1alpha1.ReasonWrongInstance, unsure: true, err: err,
				message: "the ConfigMap " + ConfigMapName + " cannot be read, so the key cannot be checked",
			}
		}
		where = fmt.Sprintf("%s in the ConfigMap %s", InstanceKey, ConfigMapName)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if expected == actual {
		g.verified, g.mismatch = key, nil
		return nil
	}
	g.mismatched, g.believed = key, g.Clock.Now().Add(wrongInstancePause)
	g.mismatch = &trouble{
		reason: v1alpha1.ReasonWrongInstance, unsure: true, stalled: true, retryAfter: jitter(time.Minute),
		message: fmt.Sprintf("the secret key belongs to Clerk instance %s, but %s says %s: "+
			"set the key of that instance, or change the id there", actual, where, expected),
	}
	return g.mismatch
}

// recorded is the instance that this namespace was made for. The first key that is ever used decides.
func (g *InstanceGuard) recorded(ctx context.Context, actual string) (string, error) {
	notes, err := g.Notes.update(ctx, func(notes *corev1.ConfigMap) bool {
		if notes.Data[InstanceKey] != "" {
			return false
		}
		notes.Data[InstanceKey] = actual
		return true
	})
	if err != nil {
		return "", err
	}
	return notes.Data[InstanceKey], nil
}
