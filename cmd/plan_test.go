package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/store/storetest"
)

// A plan works before the operator is installed, and even before its namespace exists. It lists the rows that would be
// inserted. Roles that another installation granted stay; with its owner id they are revoked: see docs/questions.md.
func TestPlan_BeforeTheFirstStart(t *testing.T) {
	s := newSystem(t, storetest.SQLite(t))
	jane := s.clerk.SignUp(clerktest.Person{
		Email: "jane@example.com", FirstName: "Jane", PublicMetadata: clerktest.Metadata{"role": "trainer"},
		PrivateMetadata: clerktest.Metadata{"fituser": map[string]any{"role": "trainer", "owner": "test"}},
	})
	answer, err := s.tryCommand(s.settings, "plan", "--namespace=not-there-yet")
	if err != nil || strings.Contains(answer, "revoke") {
		t.Errorf("%v\n%s", err, answer)
	}
	answer, err = s.tryCommand(s.settings, "plan", "--namespace=not-there-yet", "--owner-id=test")
	if err != nil {
		t.Fatalf("%v\n%s", err, answer)
	}
	for _, want := range []string{jane, "revoke the role trainer in Clerk", "insert the row", "This command wrote nothing."} {
		if !strings.Contains(answer, want) {
			t.Errorf("the plan does not contain %q:\n%s", want, answer)
		}
	}
	var namespaces corev1.NamespaceList
	if err := s.objects.List(t.Context(), &namespaces); err != nil {
		t.Fatal(err)
	}
	for _, namespace := range namespaces.Items {
		if namespace.Name == "not-there-yet" {
			t.Error("the plan created the namespace")
		}
	}

	s.table.Exec("ALTER TABLE users DROP COLUMN phone")
	if answer, err := s.tryCommand(s.settings, "plan"); !strings.Contains(answer, "phone") && (err == nil || !strings.Contains(err.Error(), "phone")) {
		t.Errorf("the plan for a table without the column phone: %v\n%s", err, answer)
	}
}

// A manifest by e-mail that the operator has not seen yet is resolved by the listing, and one whose address moved is followed
// to the new holder.
func TestPlan_ManifestsByEmail(t *testing.T) {
	s := newSystem(t, storetest.SQLite(t))
	s.start()
	joe := s.clerk.SignUp(clerktest.Person{Email: "joe@example.com", FirstName: "Joe", VerifiedEmails: []string{"coach@example.com"}})
	jane := s.clerk.SignUp(clerktest.Person{Email: "jane@example.com", FirstName: "Jane"})
	ann := s.clerk.SignUp(clerktest.Person{Email: "ann@example.com", FirstName: "Ann"})
	s.deliver()
	byEmail := func(name, address string) *v1alpha1.FitUser {
		u := s.manifest(name, "", "trainer")
		u.Spec.Email = address
		s.create(u)
		return u
	}
	coach := byEmail("coach", "Coach@example.com")
	s.eventually("the manifest is bound", func() error {
		if err := s.objects.Get(t.Context(), client.ObjectKeyFromObject(coach), coach); err != nil {
			return err
		}
		if coach.Status.ClerkUserID != joe || coach.Status.Role != "trainer" {
			return fmt.Errorf("the status contains %q, %q", coach.Status.ClerkUserID, coach.Status.Role)
		}
		return nil
	})
	s.stop()
	s.clerk.Attach(nil) // these webhooks are lost
	byEmail("coach-ann", "ann@example.com")
	s.clerk.RemoveEmail(joe, "coach@example.com")
	s.clerk.AddEmail(jane, "coach@example.com", true)
	for _, flag := range []string{"--observe", "--no-observe"} {
		answer := s.command("plan", flag)
		for _, want := range []string{
			"\n" + joe + "  ", "revoke the role trainer in Clerk", "update the status of FitUser coach (", "\n" + jane + "  ", ann + "  ",
			"The operator would grant 2 roles in Clerk, revoke 1 role in Clerk, create 1 FitUser, delete 2 FitUsers",
		} {
			if !strings.Contains("\n"+answer, want) {
				t.Errorf("the plan does not contain %q:\n%s", want, answer)
			}
		}
		if strings.Contains(answer, "runs with --observe") != (flag == "--observe") {
			t.Errorf("plan %s:\n%s", flag, answer)
		}
	}
}

// settingsOf returns the system's settings with the kubeconfig of another user.
func (s *system) settingsOf(name string) []string {
	s.Helper()
	config, err := clientcmd.Load(s.env.Kubeconfig)
	if err != nil {
		s.Fatal(err)
	}
	for _, auth := range config.AuthInfos {
		auth.Impersonate, auth.ImpersonateGroups = name, []string{"system:authenticated"}
	}
	file := filepath.Join(s.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		s.Fatal(err)
	}
	others := slices.DeleteFunc(slices.Clone(s.settings), func(s string) bool { return strings.HasPrefix(s, "KUBECONFIG=") })
	return append(others, "KUBECONFIG="+file)
}

// The error names the missing permission and the namespace, and comes at once.
func TestPlan_WithoutPermission(t *testing.T) {
	s := newSystem(t, storetest.SQLite(t))
	_, err := s.tryCommand(s.settingsOf("unprivileged"), "plan")
	if err == nil || !strings.Contains(err.Error(), `cannot list resource "fitusers"`) || !strings.Contains(err.Error(), "-n "+s.namespace) {
		t.Errorf("the error is: %v", err)
	}
}

// emptyCache is a cache that is never filled.
type emptyCache struct{ cache.Cache }

func (emptyCache) WaitForCacheSync(ctx context.Context) bool {
	<-ctx.Done()
	return false
}

func TestFitUserCache_FillTimesOut(t *testing.T) {
	t.Parallel()
	c := fitUserCache{Cache: emptyCache{}, namespace: "here"}
	c.recordWatchError(t.Context(), nil, errors.New("no route to host"))
	err := c.fill(t.Context(), time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "no route to host") || !strings.Contains(err.Error(), "-n here") {
		t.Errorf("the error is: %v", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := c.fill(ended, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("the error after a cancellation is: %v", err)
	}
}
