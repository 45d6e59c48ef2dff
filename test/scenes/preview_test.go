package scenes_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"golang.org/x/time/rate"

	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/controllers/preview"
	"github.com/fitai/fituser-operator/controllers/sweep"
	"github.com/fitai/fituser-operator/internal/budget"
	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/instance"
	"github.com/fitai/fituser-operator/internal/state"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// preview returns a preview in this scene, past the gate.
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
			Client: s.cache(s.api), Live: s.api, Namespace: s.namespace, Clerk: api, Store: table, Profile: fituser.ProfileFull,
			Clock: s.clock, LagTolerance: fituser.DefaultLagTolerance,
		},
		instance.Config{State: operatorState, Clerk: api, Key: testKey, Clock: s.clock},
		budget.Config{Max: unlimited(s.stage.TB), Period: 10 * time.Minute, Users: func() int { return 0 }, Clock: s.clock},
	)
}

func (s *scene) previewSweep() sweep.Config {
	return sweep.Config{Cache: s.cache(s.api), Pages: rate.NewLimiter(rate.Inf, 1), Clock: s.clock, RetryDelay: time.Nanosecond}
}

// effects are the places in which something changes for each user, apart from what a FitUser says.
func effects(outlooks []preview.User) map[user.ID][]string {
	places := map[user.ID]map[string]bool{}
	for _, o := range outlooks {
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

// things are what exists of each user in each place; what a FitUser says is not among it.
func (s *scene) things(all []cell) map[user.ID]map[string]any {
	s.Helper()
	things := map[user.ID]map[string]any{}
	for _, c := range all {
		names := map[string]bool{}
		for _, object := range s.objectsOf(c.id) {
			names[object.Name] = true
		}
		account, _ := s.clerk.User(string(c.id))
		things[c.id] = map[string]any{fituser.PlaceFitUser: names, fituser.PlaceTable: s.raw.Row(c.id), fituser.PlaceClerk: account.UpdatedAt}
	}
	return things
}

// Whatever state a user is in, a dry run changes nothing, says where the operator will write, and once the operator has
// written says that nothing is left to do.
func TestPreview_NamesEveryWrite(t *testing.T) {
	for object := range objectStates() {
		t.Run(object, func(t *testing.T) {
			t.Parallel()
			s := newStage(t).newScene(t)
			all := s.enter(object)
			s.clock.Step(time.Hour) // past the API server's own time
			versions, before := s.versions(), s.things(all)
			would := s.preview()
			var outlooks []preview.User
			for _, c := range all {
				o := would.PreviewUser(s.ctx, c.id)
				if o.Err != nil {
					t.Errorf("%s: %v", c, o.Err)
				}
				outlooks = append(outlooks, o)
			}
			if diff := gocmp.Diff(versions, s.versions()); diff != "" {
				t.Fatalf("the dry run changed something (-before +after):\n%s", diff)
			}

			s.maxLooks = 20 * len(all)
			s.restart()
			s.run()
			s.sweep()
			want := map[user.ID][]string{}
			for id, after := range s.things(all) {
				for _, place := range []string{fituser.PlaceClerk, fituser.PlaceFitUser, fituser.PlaceTable} {
					if !gocmp.Equal(before[id][place], after[place]) {
						want[id] = append(want[id], place)
					}
				}
			}
			if diff := gocmp.Diff(want, effects(outlooks)); diff != "" {
				t.Errorf("where it wrote, and where the dry run had said (-wrote +said):\n%s", diff)
			}

			report, left, err := s.preview().Sweep(s.ctx, s.previewSweep())
			if err != nil || len(left) > 0 {
				t.Errorf("after the work is done a dry run still says %+v, %+v, %v", report, left, err)
			}
		})
	}
}
