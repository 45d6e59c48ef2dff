package scenes_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"golang.org/x/time/rate"

	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/controllers/preview"
	"github.com/fitai/fituser-operator/controllers/sweep"
	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/instance"
	"github.com/fitai/fituser-operator/internal/state"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// preview returns a preview of this scene. It bypasses the gate.
func (s *scene) preview() *preview.Preview {
	s.Helper()
	table, err := store.Open(s.databaseURL, store.Options{DryRun: true})
	if err != nil {
		s.Fatalf("%v", err)
	}
	s.Cleanup(func() { _ = table.Close() })
	operatorState := &state.Store{Client: s.api, Namespace: s.namespace}
	api := clerk.New(clerk.Config{URL: s.clerkURL, Key: testKey, RequestsPerSecond: 100_000, Transport: s.transport})
	return preview.New(
		fituser.Config{
			Client: fitusers.Unindexed(s.cache(s.api)), Live: s.api, Namespace: s.namespace, Clerk: api, Store: table,
			Profile: fituser.ProfileFull, Clock: s.clock, LagTolerance: fituser.DefaultLagTolerance,
			RoleConfig: s.roleConfig(), MinProtected: s.minProtected, DeletionPolicy: s.deletionPolicy, DeletionDelay: s.deletionDelay,
		},
		instance.Config{State: operatorState, Clerk: api, Key: testKey, Clock: s.clock},
		s.budgetConfig(operatorState),
	)
}

func (s *scene) previewSweep() sweep.Config {
	return sweep.Config{
		Cache: fitusers.Unindexed(s.cache(s.api)), Pages: rate.NewLimiter(rate.Inf, 1), Clock: s.clock, RetryDelay: time.Nanosecond,
	}
}

// effects returns for each user the places that would change, without the statuses of FitUsers.
func effects(previews []preview.User) map[user.ID][]string {
	places := map[user.ID]map[string]bool{}
	for _, o := range previews {
		for _, change := range o.Changes {
			if change.Action == "status" {
				continue
			}
			if places[change.User] == nil {
				places[change.User] = map[string]bool{}
			}
			places[change.User][change.Place] = true
		}
	}
	sorted := map[user.ID][]string{}
	for id, of := range places {
		sorted[id] = slices.Sorted(maps.Keys(of))
	}
	return sorted
}

// things returns what each place contains of each user, without the contents of FitUsers.
func (s *scene) things(all []startState) map[user.ID]map[string]any {
	s.Helper()
	things := map[user.ID]map[string]any{}
	for _, c := range all {
		names := map[string]bool{}
		for _, u := range s.current() {
			if u.UserID() == string(c.id) || u.Spec.Email != "" && strings.HasSuffix(u.Name, c.name()) {
				names[u.Name] = true
			}
		}
		account, _ := s.clerk.User(string(c.id))
		things[c.id] = map[string]any{fituser.PlaceFitUser: names, fituser.PlaceTable: s.raw.Row(c.id), fituser.PlaceClerk: account.UpdatedAt}
	}
	return things
}

// In every start state a preview changes nothing and names every place that the operator then writes. Afterwards a preview is
// empty.
func TestPreview_NamesEveryWrite(t *testing.T) {
	for object := range objectStates() {
		if strings.Contains(object, "bound to a") {
			continue // another user's reconcile comes first
		}
		t.Run(object, func(t *testing.T) {
			t.Parallel()
			s := newHarness(t).newScene(t)
			all := s.setUp(object)
			s.clock.Step(time.Hour) // past the creation times, which the API server sets
			versions, before := s.versions(), s.things(all)
			would := s.preview()
			var previews []preview.User
			for _, c := range all {
				o := would.PreviewUser(s.ctx, c.id)
				if o.Err != nil {
					t.Errorf("%s: %v", c, o.Err)
				}
				previews = append(previews, o)
			}
			if diff := gocmp.Diff(versions, s.versions()); diff != "" {
				t.Fatalf("the preview changed something (-before +after):\n%s", diff)
			}

			s.maxReconciles = 20 * len(all)
			s.restart()
			s.reconcileUntilIdle()
			s.sweep()
			want := map[user.ID][]string{}
			for id, after := range s.things(all) {
				for _, place := range []string{fituser.PlaceClerk, fituser.PlaceFitUser, fituser.PlaceTable} {
					if !gocmp.Equal(before[id][place], after[place]) {
						want[id] = append(want[id], place)
					}
				}
			}
			if diff := gocmp.Diff(want, effects(previews)); diff != "" {
				t.Errorf("what the operator wrote, and what the preview contained (-written +previewed):\n%s", diff)
			}

			report, left, err := s.preview().Sweep(s.ctx, s.previewSweep())
			if err != nil || len(left) > 0 {
				t.Errorf("after the writes a preview still contains %+v, %+v, %v", report, left, err)
			}
		})
	}
}
