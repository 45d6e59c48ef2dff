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
func TestKubectlGet_Columns(t *testing.T) {
	t.Parallel()
	env := controlPlane.Get(t)
	c := newClient(t, env)
	for name, test := range map[string]struct {
		resource    string
		spec        map[string]any
		status      string
		shown, wide []string
	}{
		"a FitUser": {
			resource: "fitusers",
			spec:     map[string]any{"email": "jane@fitai.dev", "role": "trainer", "roleExpiresAt": "2027-01-31T18:00:00+01:00"},
			status: `"clerkUserID":"user_2abc123","role":"trainer","roleSource":"Manifest","profile":{"email":"jane@example.com"},
				"lastChangeTime":"2026-01-02T03:04:05Z"`,
			shown: []string{
				"Name: (changes)", "Email: jane@example.com", "Role: trainer", "Source: Manifest",
				"Ready: False", "Reason: EmailConflict", "Age: (changes)",
			},
			wide: []string{"Clerk ID: user_2abc123", "Expires: 2027-01-31T18:00:00+01:00", "Row Deletion: ", "Changed: (changes)"},
		},
		"a FitUser of nobody": {
			resource: "fitusers",
			spec:     map[string]any{"email": "jane@fitai.dev"},
			status:   `"observedGeneration":1`,
			shown:    []string{"Name: (changes)", "Email: ", "Role: ", "Source: ", "Ready: False", "Reason: EmailConflict", "Age: (changes)"},
			wide:     []string{"Clerk ID: ", "Expires: ", "Row Deletion: ", "Changed: (changes)"},
		},
		"a RoleRule": {
			resource: "rolerules",
			spec:     map[string]any{"role": "trainer", "emailDomains": []any{"fitai.dev", "gym.example"}, "requestedAtSignUp": true, "priority": int64(10)},
			status:   `"users":20000`,
			shown: []string{
				"Name: (changes)", "Role: trainer", `Domains: ["fitai.dev","gym.example"]`, "Requested: true", "Priority: 10", "Users: 20000",
				"Ready: False", "Reason: EmailConflict", "Age: (changes)",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			created := object(env.Namespace(t), "one", kinds[test.resource], test.spec)
			if err := c.Create(t.Context(), created); err != nil {
				t.Fatal(err)
			}
			conditions := `"conditions":[{"type":"Ready","status":"False","reason":"EmailConflict","message":"","lastTransitionTime":"2026-01-02T03:04:05Z"}]`
			patch := []byte(`{"status":{` + test.status + "," + conditions + `}}`)
			if err := c.Status().Patch(t.Context(), created, client.RawPatch("application/merge-patch+json", patch)); err != nil {
				t.Fatal(err)
			}
			shown, wide := columns(readTable(t, env.Config, created.GetNamespace(), test.resource))
			if diff := cmp.Diff(test.shown, shown); diff != "" {
				t.Errorf("kubectl get (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.wide, wide); diff != "" {
				t.Errorf("kubectl get -o wide (-want +got):\n%s", diff)
			}
		})
	}
}

// columns returns the names and cells of a table with one row: the columns that are always shown, and those of -o wide.
func columns(table metav1.Table) (shown, wide []string) {
	for i, column := range table.ColumnDefinitions {
		cell := fmt.Sprint(table.Rows[0].Cells[i])
		switch {
		case column.Format == "name" || column.Type == "date":
			cell = "(changes)"
		case table.Rows[0].Cells[i] == nil:
			cell = ""
		}
		if column.Priority == 0 {
			shown = append(shown, column.Name+": "+cell)
		} else {
			wide = append(wide, column.Name+": "+cell)
		}
	}
	return shown, wide
}

func readTable(t *testing.T, config *rest.Config, namespace, resource string) metav1.Table {
	t.Helper()
	server, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	url, err := url.JoinPath(config.Host, "apis", v1alpha1.GroupVersion.String(), "namespaces", namespace, resource)
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
		"fu.spec":                  {"the desired state", "clerkUserID", "email", "enum: admin, trainer, client", "Removing the line revokes the role", "suspend"},
		"fu.spec.email":            {"holds this address as a verified one", "It cannot be changed"},
		"fu.spec.roleExpiresAt":    {"from then on the FitUser counts as one without role"},
		"rolerule":                 {"a role for users without a manifest", "must match all that the rule names", "spec", "-required-", "status"},
		"rr.spec":                  {"the desired state", "emailDomains", "requestedAtSignUp", "role", "-required-", "priority"},
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
