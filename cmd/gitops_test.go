package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/store/storetest"
)

// kubectl runs kubectl in the system's namespace, and returns its output.
func (s *system) kubectl(stdin string, args ...string) (string, error) {
	command := exec.CommandContext(s.Context(), filepath.Join(s.env.Assets, "kubectl"),
		append([]string{"-n", s.namespace, "--cache-dir", filepath.Dir(s.log.Name())}, args...)...)
	command.Env = append(os.Environ(), s.settings...) // KUBECONFIG is among them
	command.Stdin = strings.NewReader(stdin)
	out, err := command.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("kubectl %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return string(out), err
}

func (s *system) mustKubectl(stdin string, args ...string) string {
	s.Helper()
	out, err := s.kubectl(stdin, args...)
	ok(s, err)
	return out
}

// gitOpsTool is a tool that applies manifests from Git to the cluster.
type gitOpsTool struct {
	name, manager string
	flags         []string // of kubectl apply and kubectl diff
	metadata      string   // what the tool adds to the manifest's metadata
}

func gitOpsTools() []gitOpsTool {
	serverSide := func(manager string) []string {
		return []string{"--server-side", "--force-conflicts", "--field-manager=" + manager}
	}
	return []gitOpsTool{
		{name: "plain", manager: "kubectl-client-side-apply"},
		{name: "server-side", manager: "ci", flags: serverSide("ci")},
		{
			name: "argocd", manager: "argocd-controller", flags: serverSide("argocd-controller"),
			metadata: "annotations: {argocd.argoproj.io/tracking-id: 'people:identity.fitai.dev/FitUser:people/jane'}",
		},
		{
			name: "flux", manager: "kustomize-controller", flags: serverSide("kustomize-controller"),
			metadata: "annotations: {kustomize.toolkit.fluxcd.io/ssa: Merge}",
		},
	}
}

func (tool gitOpsTool) manifest(clerkUserID string) string {
	return fmt.Sprintf(`
apiVersion: identity.fitai.dev/v1alpha1
kind: FitUser
metadata:
  name: %s
  labels: {team: %s}
  %s
spec:
  clerkUserID: %s
  role: trainer
`, tool.name, tool.name, tool.metadata, clerkUserID)
}

// With every tool, the operator owns no field of the spec, keeps what Git sets, and causes no drift. When the tool prunes the
// manifest, the role is revoked.
func TestGitOps_ToolsSeeNoDriftAndPruneRevokes(t *testing.T) {
	s := newSystem(t, storetest.SQLite(t))
	s.start()
	ids := map[string]string{}
	for _, tool := range gitOpsTools() {
		ids[tool.name] = s.clerk.SignUp(clerktest.Person{Email: tool.name + "@example.com", FirstName: "One"})
	}
	s.deliver()
	s.eventually("all users are synced", s.synced)

	for _, tool := range gitOpsTools() {
		s.mustKubectl(tool.manifest(ids[tool.name]), append([]string{"apply", "-f", "-"}, tool.flags...)...)
	}
	for _, tool := range gitOpsTools() {
		s.mustKubectl("", "wait", "--for=condition=Ready", "fituser/"+tool.name, "--timeout=60s")
	}
	s.deliver() // the events of our own writes, whose hints the receiver adds to the objects
	s.clerk.SetNames(ids["plain"], "Two", "Doe")
	s.deliver()
	s.eventually("all users are synced", s.synced)
	for _, tool := range gitOpsTools() {
		s.wantUntouched(tool, ids[tool.name])
	}
	trainers := strings.Fields(s.mustKubectl("", "get", "fu", "--field-selector", "status.role=trainer", "-o", "name"))
	if len(trainers) != len(ids) {
		t.Errorf("the trainers are %q", trainers)
	}
	s.wantEvents(ids)

	// kubectl prunes labelled objects that it does not apply; the other tools delete the objects of removed manifests.
	keep := strings.ReplaceAll(gitOpsTool{name: "someone-else"}.manifest("user_2nobody"), "team: someone-else", "team: plain")
	s.mustKubectl(keep, "apply", "-f", "-", "--prune", "-l", "team=plain", "--prune-allowlist=identity.fitai.dev/v1alpha1/FitUser")
	s.mustKubectl("", "delete", "fituser/server-side", "fituser/argocd", "fituser/flux")
	s.eventually("all roles are revoked", func() error {
		for name, id := range ids {
			u := must(s.clerk.User(id))
			if role, marker := u.PublicMetadata["role"], u.PrivateMetadata["fituser"]; role != nil || marker != nil {
				return fmt.Errorf("%s has role %v, marker %v", name, role, marker)
			}
			if ready, err := s.kubectl("", "wait", "--for=condition=Ready", "--timeout=0", "fituser/"+fitusers.NameFor(id, 0)); err != nil {
				return fmt.Errorf("%s: %s", name, ready)
			}
		}
		return nil
	})
	s.stop()
}

// wantUntouched checks that a manifest is as the tool applied it.
func (s *system) wantUntouched(tool gitOpsTool, id string) {
	s.Helper()
	get := func() *v1alpha1.FitUser {
		u := &v1alpha1.FitUser{}
		if err := s.objects.Get(s.Context(), client.ObjectKey{Namespace: s.namespace, Name: tool.name}, u); err != nil {
			s.Fatal(err)
		}
		return u
	}
	before := get()
	for _, entry := range before.ManagedFields {
		if strings.Contains(entry.FieldsV1.GetRawString(), `"f:spec"`) != (entry.Manager == tool.manager) {
			s.Errorf("%s: manager %s holds %s", tool.name, entry.Manager, entry.FieldsV1.GetRawString())
		}
	}
	if diff := cmp.Diff(map[string]string{"team": tool.name}, before.Labels); diff != "" {
		s.Errorf("%s: labels (-want +got):\n%s", tool.name, diff)
	}
	if before.Status.Role != "trainer" || before.Status.RoleSource != "Manifest" {
		s.Errorf("%s: role %s from %s", tool.name, before.Status.Role, before.Status.RoleSource)
	}
	if tool.metadata != "" && !slices.ContainsFunc([]string{"argocd.argoproj.io/tracking-id", "kustomize.toolkit.fluxcd.io/ssa"},
		func(key string) bool { return before.Annotations[key] != "" }) {
		s.Errorf("%s: the tool's annotation is removed: %v", tool.name, before.Annotations)
	}
	if out, err := s.kubectl(tool.manifest(id), append([]string{"diff", "-f", "-"}, tool.flags...)...); err != nil || out != "" {
		s.Errorf("%s: kubectl diff finds drift: %v\n%s", tool.name, err, out)
	}
	out := s.mustKubectl(tool.manifest(id), append([]string{"apply", "-f", "-"}, tool.flags...)...)
	if after := get(); after.ResourceVersion != before.ResourceVersion {
		s.Errorf("%s: applying the same manifest again changes it: %s", tool.name, out)
	}
}

// wantEvents checks that events record who granted the roles.
func (s *system) wantEvents(ids map[string]string) {
	s.Helper()
	s.eventually("events record the roles", func() error {
		recorded, err := s.kubectl("", "get", "events", "-o", `jsonpath={range .items[*]}{.reason}: {.message}{"\n"}{end}`)
		if err != nil {
			return err
		}
		for _, tool := range gitOpsTools() {
			want := fmt.Sprintf("RoleChanged: role of %s changed from client to trainer (source: manifest %s, written by %s)\n",
				ids[tool.name], tool.name, tool.manager)
			if strings.Count(recorded, want) != 1 {
				return fmt.Errorf("want once: %sgot:\n%s", want, recorded)
			}
		}
		return nil
	})
}
