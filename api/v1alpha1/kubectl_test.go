package v1alpha1_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/testenv/eventually"
)

// kubectl get prints the API server's table: the columns of priority 0, and with -o wide all columns.
func TestFitUser_KubectlGetColumns(t *testing.T) {
	t.Parallel()
	env := controlPlane.Get(t)
	c := newClient(t, env)
	object := manifest(env.Namespace(t), "coach-jane", map[string]any{"clerkUserID": "user_2abc123"})
	if err := c.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	status := []byte(`{"status":{"role":"trainer","profile":{"email":"jane@example.com"},"lastChangeTime":"2026-01-02T03:04:05Z",
		"conditions":[{"type":"Ready","status":"False","reason":"EmailConflict","message":"","lastTransitionTime":"2026-01-02T03:04:05Z"}]}}`)
	if err := c.Status().Patch(t.Context(), object, client.RawPatch("application/merge-patch+json", status)); err != nil {
		t.Fatal(err)
	}
	table := readTable(t, env.Config, object.GetNamespace())
	var shown, wide []string
	for i, column := range table.ColumnDefinitions {
		cell, _ := table.Rows[0].Cells[i].(string)
		if column.Format != "" || column.Type == "date" {
			cell = "(changes)"
		}
		if column.Priority == 0 {
			shown = append(shown, column.Name+": "+cell)
		} else {
			wide = append(wide, column.Name+": "+cell)
		}
	}
	wantShown := []string{"Name: (changes)", "Email: jane@example.com", "Role: trainer", "Ready: False", "Reason: EmailConflict", "Age: (changes)"}
	wantWide := []string{"Clerk ID: user_2abc123", "Changed: (changes)"}
	if diff := cmp.Diff(wantShown, shown); diff != "" {
		t.Errorf("kubectl get (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(wantWide, wide); diff != "" {
		t.Errorf("kubectl get -o wide (-want +got):\n%s", diff)
	}
}

func readTable(t *testing.T, config *rest.Config, namespace string) metav1.Table {
	t.Helper()
	server, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	url, err := url.JoinPath(config.Host, "apis", v1alpha1.GroupVersion.String(), "namespaces", namespace, "fitusers")
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
	response, err := server.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }() // read only
	var table metav1.Table
	if err := json.NewDecoder(response.Body).Decode(&table); err != nil || len(table.Rows) != 1 {
		t.Fatalf("%s, %d rows: %v", response.Status, len(table.Rows), err)
	}
	return table
}

func TestFitUser_KubectlExplain(t *testing.T) {
	t.Parallel()
	env := controlPlane.Get(t)
	kubectl := filepath.Join(env.Assets, "kubectl")
	home := t.TempDir() // kubectl keeps a cache there
	kubeconfig := filepath.Join(home, "kubeconfig")
	if err := os.WriteFile(kubeconfig, env.Kubeconfig, 0o600); err != nil {
		t.Fatal(err)
	}
	explain := func(field string) (string, error) {
		command := exec.CommandContext(t.Context(), kubectl, "--kubeconfig", kubeconfig, "explain", field)
		command.Env = append(os.Environ(), "HOME="+home)
		out, err := command.CombinedOutput()
		return strings.Join(strings.Fields(string(out)), " "), err
	}
	// The API server publishes the schema some time after it serves the objects.
	eventually.Succeeds(t, "the API server publishes the schema", func() error {
		out, err := explain("fituser")
		if err != nil {
			return fmt.Errorf("%s: %w", out, err)
		}
		return nil
	})
	for field, phrases := range map[string][]string{
		"fituser":                  {"one user of the application", "spec", "status"},
		"fu.spec":                  {"the desired state", "clerkUserID", "-required-", "enum: admin, trainer, client", "Removing the line revokes the role", "suspend"},
		"fituser.spec.clerkUserID": {"the user's id in Clerk", "It cannot be changed"},
		"fituser.status.clerk":     {"the state of the account in Clerk", "banned", "no row is ever deleted"},
	} {
		got, err := explain(field)
		if err != nil {
			t.Errorf("kubectl explain %s: %v", field, err)
		}
		for _, want := range phrases {
			if !strings.Contains(got, want) {
				t.Errorf("kubectl explain %s does not contain %q: %s", field, want, got)
			}
		}
	}
}
