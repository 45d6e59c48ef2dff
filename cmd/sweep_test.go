package main

import (
	"context"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/state"
	"github.com/fitai/fituser-operator/internal/store/storetest"
	"github.com/fitai/fituser-operator/internal/testenv"
)

// Whoever was there before the first webhook is imported by the first sweep; a process killed in the middle of it is
// followed by one that ends in agreement.
func TestKilledInTheMiddleOfASweep(t *testing.T) {
	s := newSystem(t, postgres.URL(t))
	const n = 1200
	s.clerk.Import(n)
	s.start("FITUSER_LEADER_ELECT=true")
	s.eventually("some users are there", func() error {
		if rows := len(s.table.Query("SELECT id FROM users")); rows < n/10 {
			return fmt.Errorf("%d rows", rows)
		}
		return nil
	})
	if err := s.process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = s.process.Wait()
	if rows := len(s.table.Query("SELECT id FROM users")); rows == n {
		t.Log("the import was done before the process was killed")
	}
	s.start("FITUSER_LEADER_ELECT=true")
	s.eventually("Clerk, the FitUsers and the rows agree", s.agreement)
	s.stop()
}

func TestCostOfAnImport(t *testing.T) {
	s := newSystem(t, storetest.SQLite(t))
	const n = 1200
	s.clerk.Import(n)
	s.start()
	s.eventually("Clerk, the FitUsers and the rows agree", s.agreement)
	s.stop()
	if got, most := s.clerk.RequestCount(""), (n+499)/500+2; got > most {
		t.Errorf("%d requests to Clerk, want %d at most: %v", got, most, s.clerk.Requests())
	}
	writes, err := s.env.Writes(s.namespace)
	if err != nil {
		t.Fatal(err)
	}
	if got, most := len(writes), 2*n+2; got > most { // and the ConfigMap: the instance, and the import
		t.Errorf("%d writes to the API server, want %d at most: %v", got, most, tally(writes))
	}
}

// What no webhook told of is found when a person asks for a sweep, or for a look at one user.
func TestASweepOnRequest(t *testing.T) {
	s := newSystem(t, storetest.SQLite(t))
	s.clerk.Attach(nil) // the endpoint is switched off
	jane := s.clerk.SignUp(clerktest.Person{Email: "jane@example.com", FirstName: "Jane"})
	s.start()
	s.eventually("the first sweep has found the user", s.agreement)

	s.clerk.SetNames(jane, "Janet", "Doe")
	s.annotate(s.fitUser(jane), v1alpha1.AnnotationReconcile, "1")
	s.eventually("the user was looked at", s.agreement)

	s.clerk.SignUp(clerktest.Person{Email: "joe@example.com", FirstName: "Joe"})
	notes := &corev1.ConfigMap{}
	notes.Namespace, notes.Name = s.namespace, state.ConfigMapName
	s.annotate(notes, state.AnnotationSweep, "now")
	s.eventually("the sweep has found the other user", s.agreement)
	s.stop()
}

func (s *system) annotate(object client.Object, key, value string) {
	s.Helper()
	patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, key, value)
	err := s.objects.Patch(context.Background(), object, client.RawPatch(types.MergePatchType, []byte(patch)))
	if err != nil {
		s.Fatal(err)
	}
}

func tally(writes []testenv.Write) map[string]int {
	counts := map[string]int{}
	for _, w := range writes {
		counts[w.Verb+" "+w.Resource+"/"+w.Subresource]++
	}
	return counts
}
