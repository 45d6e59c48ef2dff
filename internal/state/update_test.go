package state_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/internal/state"
)

func TestUpdate_RoundTrip(t *testing.T) {
	at := moment("2026-11-23T03:29:35Z")
	for name, want := range map[string]state.State{
		"zero":                         {},
		"instance":                     {InstanceID: "ins_1"},
		"import":                       {ImportBegan: at},
		"period without grants":        {Deletions: state.Deletions{PeriodStart: at}},
		"period with grants":           {Deletions: state.Deletions{PeriodStart: at, Granted: 5}},
		"overridden period":            {Deletions: state.Deletions{PeriodStart: at, Granted: 5, OverriddenPeriod: at}},
		"deferred users":               {Deletions: state.Deletions{Deferred: 7}},
		"everything but an annotation": {InstanceID: "ins_1", ImportBegan: at, Deletions: state.Deletions{PeriodStart: at, OverriddenPeriod: at.Add(-time.Hour), Granted: 1, Deferred: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			for range 2 { // created, then updated
				written := f.update(func(s *state.State) {
					object := s.Object
					*s = want
					s.Object = object
				})
				if diff := diffStates(want, written); diff != "" {
					t.Errorf("returned (-want +got):\n%s", diff)
				}
				if diff := diffStates(want, f.read()); diff != "" {
					t.Errorf("read (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestUpdate_RemovesWhatIsZero(t *testing.T) {
	f := newFixture(t)
	at := moment("2026-11-23T03:29:35Z")
	f.update(func(s *state.State) {
		s.InstanceID, s.ImportBegan = "ins_1", at
		s.Deletions = state.Deletions{PeriodStart: at, OverriddenPeriod: at, Granted: 1, Deferred: 2}
	})
	f.update(func(s *state.State) { s.Deletions = state.Deletions{} })
	want := map[string]string{state.InstanceKey: "ins_1", state.ImportKey: "2026-11-23T03:29:35Z"}
	if diff := cmp.Diff(want, f.configMap().Data); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestUpdate_TimesAreUTCInWholeSeconds(t *testing.T) {
	f := newFixture(t)
	at := time.Date(2026, 11, 23, 4, 29, 35, 987_654_321, time.FixedZone("", 3600))
	f.update(func(s *state.State) { s.ImportBegan, s.Deletions.PeriodStart = at, at })
	data := f.configMap().Data
	for _, key := range []string{state.ImportKey, state.PeriodKey} {
		if data[key] != "2026-11-23T03:29:35Z" {
			t.Errorf("%s is %q", key, data[key])
		}
	}
}

func TestUpdate_KeepsWhatOthersWrote(t *testing.T) {
	f := newFixture(t)
	configMap := f.create(map[string]string{"comment": "do not delete", "deletionsHeldBack": "1: user_a"},
		map[string]string{"example.com/owner": "platform", state.AnnotationAllowDeletions: "true", state.AnnotationSweep: "now"})
	configMap.Labels = map[string]string{"app": "fitai"}
	configMap.BinaryData = map[string][]byte{"logo": {1, 2, 3}}
	configMap.Finalizers = []string{"example.com/keep"}
	if err := f.Client.Update(t.Context(), configMap); err != nil {
		t.Fatal(err)
	}
	f.update(func(s *state.State) { s.InstanceID = "ins_1" })
	got := f.configMap()
	configMap.Data[state.InstanceKey] = "ins_1"
	for name, pair := range map[string][2]any{
		"data":        {configMap.Data, got.Data},
		"binary data": {configMap.BinaryData, got.BinaryData},
		"annotations": {configMap.Annotations, got.Annotations},
		"labels":      {configMap.Labels, got.Labels},
		"finalizers":  {configMap.Finalizers, got.Finalizers},
	} {
		if diff := cmp.Diff(pair[0], pair[1]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestUpdate_RemovesAnsweredRequests(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*state.State)
		want   map[string]string
	}{
		"sweep":    {func(s *state.State) { s.SweepRequested = false }, map[string]string{state.AnnotationAllowDeletions: "true"}},
		"override": {func(s *state.State) { s.OverrideRequested = false }, map[string]string{state.AnnotationSweep: "now"}},
		"both":     {func(s *state.State) { s.SweepRequested, s.OverrideRequested = false, false }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.create(nil, map[string]string{state.AnnotationAllowDeletions: "true", state.AnnotationSweep: "now"})
			f.update(c.change)
			if diff := cmp.Diff(c.want, f.configMap().Annotations); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// A person who wrote "True" must find it again, to see why nothing happened.
func TestUpdate_KeepsAnOverrideThatIsNotTrue(t *testing.T) {
	f := newFixture(t)
	annotations := map[string]string{state.AnnotationAllowDeletions: "True"}
	f.create(nil, annotations)
	f.update(func(s *state.State) { s.InstanceID = "ins_1" })
	if diff := cmp.Diff(annotations, f.configMap().Annotations); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestUpdate_NoChangeWritesNothing(t *testing.T) {
	f := newFixture(t)
	unchanged := func() {
		s, err := f.Update(t.Context(), func(*state.State) bool { return false })
		if err != nil || s.Object == nil {
			t.Errorf("%+v, %v", s, err)
		}
	}
	f.wantWrites(0, unchanged)
	f.create(map[string]string{state.InstanceKey: "ins_1", state.GrantedKey: "five"}, nil)
	f.wantWrites(0, unchanged)
}

func TestUpdate_ErrorNamesTheConfigMap(t *testing.T) {
	f := newFixture(t)
	yes := true
	configMap := f.create(nil, nil)
	configMap.Immutable = &yes
	if err := f.Client.Update(t.Context(), configMap); err != nil {
		t.Fatal(err)
	}
	s, err := f.Update(t.Context(), func(s *state.State) bool {
		s.InstanceID = "ins_1"
		return true
	})
	if err == nil || !strings.Contains(err.Error(), "writing ConfigMap "+state.ConfigMapName) {
		t.Errorf("error: %v", err)
	}
	if s.InstanceID != "" {
		t.Errorf("the state that was not written is returned: %+v", s)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = f.Update(ctx, func(*state.State) bool { return true })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error: %v", err)
	}
}

func TestUpdate_NamespacesAreApart(t *testing.T) {
	f := newFixture(t)
	other := &state.Store{Client: f.Client, Namespace: f.env.Namespace(t)}
	f.update(func(s *state.State) { s.InstanceID = "ins_1" })
	s, err := other.Read(t.Context())
	if err != nil || s.InstanceID != "" {
		t.Errorf("%+v, %v", s, err)
	}
	var all corev1.ConfigMapList
	if err := f.Client.List(t.Context(), &all, client.InNamespace(other.Namespace)); err != nil || len(all.Items) != 0 {
		t.Errorf("%d ConfigMaps in the other namespace, %v", len(all.Items), err)
	}
}
