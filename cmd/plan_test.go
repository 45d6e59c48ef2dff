package main

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

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
	for _, want := range []string{jane, "take the role trainer back in Clerk", "insert the row", "Nothing was."} {
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
