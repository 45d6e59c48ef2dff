package main

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/store/storetest"
)

// Before an operator is there, not even its namespace, its plan says which rows would be made and which roles from the
// manifests of an earlier cluster would be taken back: docs/questions.md says how to ask.
func TestAPlanBeforeTheFirstStart(t *testing.T) {
	s := newSystem(t, storetest.SQLite(t))
	jane := s.clerk.SignUp(clerktest.Person{
		Email: "jane@example.com", FirstName: "Jane", PublicMetadata: clerktest.Metadata{"role": "trainer"},
		PrivateMetadata: clerktest.Metadata{"fituser": map[string]any{"role": "trainer"}},
	})
	answer, err := s.tryAsk(s.settings, "plan", "--namespace=not-there-yet")
	if err != nil {
		t.Fatalf("%v\n%s", err, answer)
	}
	for _, want := range []string{jane, "revoke the role trainer in Clerk", "insert the row", "This command wrote nothing."} {
		if !strings.Contains(answer, want) {
			t.Errorf("the plan does not say %q:\n%s", want, answer)
		}
	}
	var namespaces corev1.NamespaceList
	if err := s.objects.List(t.Context(), &namespaces); err != nil {
		t.Fatal(err)
	}
	for _, namespace := range namespaces.Items {
		if namespace.Name == "not-there-yet" {
			t.Error("asking has made the namespace")
		}
	}

	s.table.Exec("ALTER TABLE users DROP COLUMN phone")
	if answer, err := s.tryAsk(s.settings, "plan"); !strings.Contains(answer, "phone") && (err == nil || !strings.Contains(err.Error(), "phone")) {
		t.Errorf("of a table that does not fit, the plan says: %v\n%s", err, answer)
	}
}

// as are the system's settings with another person's kubeconfig.
func (s *system) as(person string) []string {
	s.Helper()
	config, err := clientcmd.Load(s.env.Kubeconfig)
	if err != nil {
		s.Fatal(err)
	}
	for _, who := range config.AuthInfos {
		who.Impersonate, who.ImpersonateGroups = person, []string{"system:authenticated"}
	}
	file := filepath.Join(s.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		s.Fatal(err)
	}
	others := slices.DeleteFunc(slices.Clone(s.settings), func(s string) bool { return strings.HasPrefix(s, "KUBECONFIG=") })
	return append(others, "KUBECONFIG="+file)
}

// Who may not read FitUsers is told what is missing, and where, and is not kept waiting.
func TestPlanWithoutRights(t *testing.T) {
	s := newSystem(t, storetest.SQLite(t))
	_, err := s.tryAsk(s.as("stranger"), "plan")
	if err == nil || !strings.Contains(err.Error(), `cannot list resource "fitusers"`) || !strings.Contains(err.Error(), "-n "+s.namespace) {
		t.Errorf("it says: %v", err)
	}
}

// sleepyCache is a cache that is never filled.
type sleepyCache struct{ cache.Cache }

func (sleepyCache) WaitForCacheSync(ctx context.Context) bool {
	<-ctx.Done()
	return false
}

func TestThePlanWaitsForItsCacheForNoLongerThanAgreed(t *testing.T) {
	t.Parallel()
	v := view{Cache: sleepyCache{}, namespace: "here"}
	v.note(t.Context(), nil, errors.New("no route to host"))
	err := v.fill(t.Context(), time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "no route to host") || !strings.Contains(err.Error(), "-n here") {
		t.Errorf("it says: %v", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := v.fill(ended, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("broken off, it says: %v", err)
	}
}
