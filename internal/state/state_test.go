package state_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/internal/state"
	"github.com/fitai/fituser-operator/internal/testenv"
)

var cluster testenv.Shared

func TestMain(m *testing.M) { cluster.Main(m) }

// fixture is the state of one namespace of a real API server.
type fixture struct {
	testing.TB
	*state.Store
	env *testenv.Environment
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	t.Parallel()
	env := cluster.Get(t)
	live, err := client.New(env.Config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return fixture{TB: t, env: env, Store: &state.Store{Client: live, Namespace: env.Namespace(t)}}
}

// create creates the ConfigMap as a person does.
func (f fixture) create(data, annotations map[string]string) *corev1.ConfigMap {
	f.Helper()
	configMap := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: f.Namespace, Name: state.ConfigMapName, Annotations: annotations},
		Data:       data,
	}
	if err := f.Client.Create(f.Context(), configMap); err != nil {
		f.Fatal(err)
	}
	return configMap
}

func (f fixture) configMap() *corev1.ConfigMap {
	f.Helper()
	configMap := &corev1.ConfigMap{}
	if err := f.Client.Get(f.Context(), client.ObjectKey{Namespace: f.Namespace, Name: state.ConfigMapName}, configMap); err != nil {
		f.Fatal(err)
	}
	return configMap
}

func (f fixture) read() state.State {
	f.Helper()
	s, err := f.Read(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	return s
}

func (f fixture) update(change func(*state.State)) state.State {
	f.Helper()
	s, err := f.Update(f.Context(), func(s *state.State) bool {
		change(s)
		return true
	})
	if err != nil {
		f.Fatal(err)
	}
	return s
}

// wantWrites checks how many writes act makes.
func (f fixture) wantWrites(want int, act func()) {
	f.Helper()
	count := func() int {
		writes, err := f.env.Writes(f.Namespace)
		if err != nil {
			f.Fatal(err)
		}
		return len(writes)
	}
	before := count()
	act()
	if got := count() - before; got != want {
		f.Errorf("%d writes, want %d", got, want)
	}
}

func moment(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t
}

func diffStates(want, got state.State) string {
	return cmp.Diff(want, got, cmpopts.IgnoreFields(state.State{}, "Object"))
}

func TestRead_MissingConfigMapIsTheZeroState(t *testing.T) {
	f := newFixture(t)
	s := f.read()
	if diff := diffStates(state.State{}, s); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if s.Object.Name != state.ConfigMapName || s.Object.Namespace != f.Namespace {
		t.Errorf("events would be about %s/%s", s.Object.Namespace, s.Object.Name)
	}
}

func TestRead_ContentOfTheConfigMap(t *testing.T) {
	f := newFixture(t)
	f.create(map[string]string{
		"clerkInstanceID": "ins_1", "importBegan": "2026-11-23T04:29:35+01:00",
		"deletionsPeriodStart": "2026-11-23T03:29:35Z", "deletionsGranted": "5",
		"deletionsAllowedPeriod": "2026-11-23T03:29:35Z", "deletionsDeferred": "7",
	}, map[string]string{"identity.fitai.dev/allow-deletions": "true", "identity.fitai.dev/sweep": ""})
	at := moment("2026-11-23T03:29:35Z")
	want := state.State{
		InstanceID: "ins_1", ImportBegan: at, OverrideRequested: true, SweepRequested: true,
		Deletions: state.Deletions{PeriodStart: at, OverriddenPeriod: at, Granted: 5, Deferred: 7},
	}
	if diff := diffStates(want, f.read()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestRead_GarbageCountsAsAbsent(t *testing.T) {
	for name, data := range map[string]map[string]string{
		"empty values": {state.ImportKey: "", state.PeriodKey: "", state.GrantedKey: "", state.OverriddenKey: "", state.DeferredKey: ""},
		"words":        {state.ImportKey: "today", state.PeriodKey: "yesterday", state.GrantedKey: "five", state.OverriddenKey: "old", state.DeferredKey: "many"},
		"other times":  {state.ImportKey: "1795404575", state.PeriodKey: "2026-11-23", state.OverriddenKey: "2026-11-23 03:29:35"},
		"negative":     {state.GrantedKey: "-5", state.DeferredKey: "-99999999999999999999"},
		"fractions":    {state.GrantedKey: "5.5", state.DeferredKey: "0x10"},
		"spaces":       {state.GrantedKey: " 5", state.PeriodKey: " 2026-11-23T03:29:35Z"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.create(data, nil)
			if diff := diffStates(state.State{}, f.read()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			f.update(func(s *state.State) { s.InstanceID = "ins_1" })
			if diff := cmp.Diff(map[string]string{state.InstanceKey: "ins_1"}, f.configMap().Data); diff != "" {
				t.Errorf("a write keeps the garbage (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRead_Annotations(t *testing.T) {
	for name, c := range map[string]struct {
		annotations     map[string]string
		override, sweep bool
	}{
		"none":                   {nil, false, false},
		"override":               {map[string]string{state.AnnotationAllowDeletions: "true"}, true, false},
		"override with a 1":      {map[string]string{state.AnnotationAllowDeletions: "1"}, false, false},
		"override in upper case": {map[string]string{state.AnnotationAllowDeletions: "True"}, false, false},
		"override false":         {map[string]string{state.AnnotationAllowDeletions: "false"}, false, false},
		"sweep":                  {map[string]string{state.AnnotationSweep: "now"}, false, true},
		"sweep without a value":  {map[string]string{state.AnnotationSweep: ""}, false, true},
		"another's":              {map[string]string{"example.com/sweep": "true"}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.create(nil, c.annotations)
			if s := f.read(); s.OverrideRequested != c.override || s.SweepRequested != c.sweep {
				t.Errorf("override %v, sweep %v", s.OverrideRequested, s.SweepRequested)
			}
		})
	}
}

func TestRead_ErrorNamesTheConfigMap(t *testing.T) {
	f := newFixture(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := f.Read(ctx)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), state.ConfigMapName) {
		t.Errorf("error: %v", err)
	}
}
