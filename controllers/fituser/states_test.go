package fituser

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

var update = flag.Bool("update", false, "rewrite testdata/states.json")

// waitingStates are the FitUsers of manifests by e-mail, and of role changes that wait.
func waitingStates(t *testing.T) map[string]*v1alpha1.FitUser {
	t.Helper()
	jane := &user.User{ID: "user_jane", Email: "jane@example.com", CreatedAt: time.Unix(1_700_000_000, 0)}
	observed := observation{id: jane.ID, now: time.Unix(1_800_000_000, 0), policy: user.Policy{Roles: user.DefaultRoles()}}
	observed.currentRole.Role = "admin"
	byEmail := &v1alpha1.FitUser{Spec: v1alpha1.FitUserSpec{Email: jane.Email, Role: "admin"}}
	byEmail.Generation = 1
	awaiting := byEmail.DeepCopy()
	awaiting.Status = unboundStatus(observed, awaiting, awaitingSignUp())
	moved := byEmail.DeepCopy()
	moved.Status.PreviousClerkUserID = "user_joe"
	observed.fitUsers.Active = moved
	waits := func(err error) *v1alpha1.FitUser {
		cause := (*syncError)(nil)
		if !errors.As(err, &cause) {
			t.Fatalf("not a state: %v", err)
		}
		return reported(jane, result{clerk: cause})
	}
	return map[string]*v1alpha1.FitUser{
		"awaiting sign-up":      awaiting,
		"address changed hands": waits(observed.addressChangedHands()),
		"owned elsewhere":       waits(ownedElsewhere(observed)),
		"last admin":            waits(lastAdmin(observed, 1)),
		"unknown role":          waits(unknownRole("owner")),
		"observe mode":          waits((&Reconciler{Config: Config{Observe: true}}).suppressed(byEmail, "grant the role admin in Clerk")),
	}
}

// Flux and Argo CD judge the states in the file: test/gitops has their libraries.
func TestStates_AreRecorded(t *testing.T) {
	states := fitUserStates()
	maps.Copy(states, waitingStates(t))
	states["never reconciled"].Status.ObservedGeneration = -1 // the default of the CRD
	for _, u := range states {
		for i := range u.Status.Conditions {
			u.Status.Conditions[i].LastTransitionTime = metav1.Time{Time: time.Unix(1_800_000_000, 0)}
		}
	}
	current, err := json.MarshalIndent(states, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	current = append(current, '\n')
	file := filepath.Join("testdata", "states.json")
	if *update {
		if err := os.WriteFile(file, current, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	recorded, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(current, recorded) {
		t.Errorf("%s is not up to date: run go test ./controllers/fituser -run States -update, and see whether test/gitops agrees", file)
	}
}
