package state_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/internal/state"
)

// Another writer may be faster. Both changes must be kept, whichever was first.
func TestUpdate_AppliesTheChangeAgainAfterAConflict(t *testing.T) {
	for name, exists := range map[string]bool{"update": true, "create": false} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			if exists {
				f.create(map[string]string{"comment": "old"}, nil)
			}
			calls := 0
			s, err := f.Update(t.Context(), func(s *state.State) bool {
				if calls++; calls == 1 {
					f.update(func(other *state.State) { other.InstanceID, other.Deletions.Deferred = "ins_other", 7 })
				}
				s.Deletions.Deferred++
				return true
			})
			if err != nil || calls != 2 {
				t.Fatalf("%d calls, %v", calls, err)
			}
			want := state.State{InstanceID: "ins_other", Deletions: state.Deletions{Deferred: 8}}
			if diff := diffStates(want, s); diff != "" {
				t.Errorf("returned (-want +got):\n%s", diff)
			}
			if diff := diffStates(want, f.read()); diff != "" {
				t.Errorf("read (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUpdate_ConcurrentWritersLoseNothing(t *testing.T) {
	f := newFixture(t)
	var writers sync.WaitGroup
	var written atomic.Int64
	for range 2 {
		writers.Go(func() {
			for range 10 {
				_, err := f.Update(t.Context(), func(s *state.State) bool {
					s.Deletions.Deferred++
					return true
				})
				if err == nil {
					written.Add(1)
				} else if !apierrors.IsConflict(err) { // on a busy machine every attempt may conflict
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	if got := f.read().Deletions.Deferred; got != int(written.Load()) || got == 0 {
		t.Errorf("%d of %d changes are left", got, written.Load())
	}
}

// conflictingClient lets every write conflict.
type conflictingClient struct {
	client.Client
	before func()
}

func (c conflictingClient) Update(ctx context.Context, object client.Object, options ...client.UpdateOption) error {
	c.before()
	return c.Client.Update(ctx, object, options...)
}

func TestUpdate_GivesUpAfterManyConflicts(t *testing.T) {
	f := newFixture(t)
	f.create(nil, nil)
	writes, other := 0, f.Store
	disturbed := &state.Store{Namespace: f.Namespace, Client: conflictingClient{f.Client, func() {
		writes++
		_, err := other.Update(t.Context(), func(s *state.State) bool {
			s.InstanceID = fmt.Sprint("ins_", writes)
			return true
		})
		if err != nil {
			t.Error(err)
		}
	}}}
	_, err := disturbed.Update(t.Context(), func(s *state.State) bool {
		s.Deletions.Deferred = 1
		return true
	})
	if err == nil || writes < 2 || writes > 10 {
		t.Errorf("%d writes, %v", writes, err)
	}
}
