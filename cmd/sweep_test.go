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

// The first sweep imports the users from before the first webhook. When its process is killed, the next process completes
// the import.
func TestSweep_SurvivesKill(t *testing.T) {
	s := newSystem(t, postgres.URL(t))
	n := scaled(600, 1200) // more than a page
	s.clerk.Import(n)
	s.start("FITUSER_LEADER_ELECT=true")
	s.eventually("some users are imported", func() error {
		if rows := s.rowCount(); rows < n/10 {
			return fmt.Errorf("%d rows", rows)
		}
		return nil
	})
	s.kill()
	if s.rowCount() == n {
		t.Log("the import finished before the kill")
	}
	s.start("FITUSER_LEADER_ELECT=true")
	s.eventually("all users are synced", s.synced)
	s.stop()
}

func TestSweep_CostOfImport(t *testing.T) {
	s := newSystem(t, storetest.SQLite(t))
	n := scaled(600, 1200) // more than a page
	s.clerk.Import(n)
	s.start()
	s.eventually("all users are synced", s.synced)
	s.stop()
	if got, limit := s.clerk.RequestCount(""), n+(n+499)/500+2; got > limit { // no user is read twice
		t.Errorf("%d requests to Clerk, want %d at most: %v", got, limit, s.clerk.Requests())
	}
	writes, err := s.env.Writes(s.namespace)
	ok(t, err)
	if got, limit := len(writes), 2*n+3; got > limit { // two for each user, and three for the ConfigMap: instance, owner id, import
		t.Errorf("%d writes to the API server, want %d at most: %v", got, limit, tally(writes))
	}
}

// Changes without a webhook are found when a person requests a sweep, or a reconcile of one user.
func TestSweep_OnRequest(t *testing.T) {
	s := newSystem(t, storetest.SQLite(t))
	s.clerk.Attach(nil) // the endpoint is disabled
	jane := s.clerk.SignUp(clerktest.Person{Email: "jane@example.com", FirstName: "Jane"})
	s.start()
	s.eventually("the first sweep finds the user", s.synced)

	s.clerk.SetNames(jane, "Janet", "Doe")
	s.annotate(s.fitUser(jane), v1alpha1.AnnotationReconcile, "1")
	s.eventually("the user is reconciled", s.synced)

	s.clerk.SignUp(clerktest.Person{Email: "joe@example.com", FirstName: "Joe"})
	configMap := &corev1.ConfigMap{}
	configMap.Namespace, configMap.Name = s.namespace, state.ConfigMapName
	s.annotate(configMap, state.AnnotationSweep, "now")
	s.eventually("the sweep finds the other user", s.synced)
	s.stop()
}

func (s *system) annotate(object client.Object, key, value string) {
	s.Helper()
	patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, key, value)
	ok(s, s.objects.Patch(context.Background(), object, client.RawPatch(types.MergePatchType, []byte(patch))))
}

func tally(writes []testenv.Write) map[string]int {
	counts := map[string]int{}
	for _, w := range writes {
		counts[w.Verb+" "+w.Resource+"/"+w.Subresource]++
	}
	return counts
}
