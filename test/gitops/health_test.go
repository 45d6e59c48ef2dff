package gitops

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"

	"github.com/fitai/fituser-operator/api/v1alpha1"
)

// expectedHealth is what the tools report of a FitUser in each state. Flux, kubectl and kpt use kstatus.
var expectedHealth = map[string]struct{ kstatus, argo string }{
	"in sync":               {"Current", "Healthy"},
	"awaiting sign-up":      {"Current", "Healthy"},
	"address changed hands": {"Failed", "Degraded"},
	"owned elsewhere":       {"Failed", "Degraded"},
	"last admin":            {"Failed", "Degraded"},
	"unknown role":          {"Failed", "Degraded"},
	"observe mode":          {"Failed", "Suspended"},
	"never reconciled":      {"InProgress", "Progressing"},
	"edited since":          {"InProgress", "Progressing"},
	"terminating":           {"Terminating", "Progressing"},
	"Clerk throttles":       {"InProgress", "Progressing"},
	"Clerk is down":         {"InProgress", "Progressing"},
	"key refused":           {"Failed", "Degraded"},
	"role refused":          {"Failed", "Degraded"},
	"revocation pending":    {"InProgress", "Progressing"},
	"not in Clerk":          {"Failed", "Degraded"},
	"suspended":             {"Failed", "Suspended"},
	"duplicate":             {"Failed", "Degraded"},
	"no e-mail":             {"Failed", "Degraded"},
	"e-mail held":           {"InProgress", "Progressing"},
	"database down":         {"InProgress", "Progressing"},
	"database mismatched":   {"Failed", "Degraded"},
}

// recordedStates returns FitUsers in every kind of state, which a test of the reconciler keeps up to date.
func recordedStates(t testing.TB) map[string]*v1alpha1.FitUser {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, "controllers", "fituser", "testdata", "states.json"))
	ok(t, err)
	var states map[string]*v1alpha1.FitUser
	ok(t, json.Unmarshal(content, &states))
	for name := range expectedHealth {
		if states[name] == nil {
			t.Errorf("the state %q is not recorded", name)
		}
	}
	for name := range states {
		if _, found := expectedHealth[name]; !found {
			t.Errorf("the health in the state %q is not stated here", name)
		}
	}
	return states
}

func TestHealth_Kstatus(t *testing.T) {
	for name, u := range recordedStates(t) {
		object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(u)
		ok(t, err)
		got, err := status.Compute(&unstructured.Unstructured{Object: object})
		ok(t, err)
		if want := expectedHealth[name].kstatus; string(got.Status) != want {
			t.Errorf("%s: %s (%s), want %s", name, got.Status, got.Message, want)
		}
	}
}

func TestHealth_ArgoCD(t *testing.T) {
	needTools(t)
	a := newArgo(newSystem(t))
	for name, got := range a.healthOf(recordedStates(t)) {
		if want := expectedHealth[name].argo; got.Status != want || got.Message == "" {
			t.Errorf("%s: %s (%s), want %s", name, got.Status, got.Message, want)
		}
	}
}
