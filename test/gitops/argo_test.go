package gitops

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
)

// argoProgram is the program in the folder argo, built once.
var argoProgram = sync.OnceValues(func() (string, error) {
	return build("argo", ".", "argo")
})

// argo is Argo CD with the settings and the Application of docs/argocd/README.md.
type argo struct {
	*system
	repository *repository
	program    string
	namespace  string // of Argo CD itself
}

func newArgo(s *system) *argo {
	s.Helper()
	program, err := argoProgram()
	ok(s, err)
	return &argo{system: s, repository: newRepository(s.TB, s.namespace), program: program, namespace: configureArgo(s).Namespace}
}

// configureArgo creates Argo CD's ConfigMap in a new namespace, and runs the commands of docs/argocd/README.md on it.
func configureArgo(s *system) *corev1.ConfigMap {
	s.Helper()
	config := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: s.env.Namespace(s), Name: "argocd-cm", Labels: map[string]string{"app.kubernetes.io/part-of": "argocd"},
		},
		Data: map[string]string{"url": "https://argocd.example.com"},
	}
	ok(s, s.objects.Create(s.Context(), config))
	r := &reader{system: s, dir: root, names: []string{"-n argocd", "-n " + config.Namespace}}
	for _, block := range blocks(s, filepath.Join("argocd", "README.md")) {
		r.run(block)
	}
	ok(s, s.objects.Get(s.Context(), client.ObjectKeyFromObject(config), config))
	return config
}

// call calls one of the program's commands with a request, and decodes the answer.
func (a *argo) call(command string, request map[string]any, answer any) {
	a.Helper()
	request["namespace"], request["argoNamespace"] = a.system.namespace, a.namespace
	input, err := json.Marshal(request)
	ok(a, err)
	process := exec.CommandContext(a.Context(), a.program, command)
	process.Env = append(os.Environ(), "KUBECONFIG="+a.kubeconfig)
	process.Stdin = bytes.NewReader(input)
	out, err := process.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		a.Fatalf("argo %s: %v\n%s", command, err, exit.Stderr)
	}
	ok(a, err)
	ok(a, json.Unmarshal(out, answer))
}

// application is a request about the overlay in the repository.
func (a *argo) application() map[string]any {
	a.Helper()
	return map[string]any{
		"application": yamlBlock(a, filepath.Join("argocd", "README.md"), "apiVersion: argoproj"),
		"manifests":   a.repository.render(a.env.Assets), "revision": a.repository.commit(),
	}
}

// sync makes the cluster as the repository, and returns what Argo CD did to each FitUser.
func (a *argo) sync() (results map[string]string) {
	a.Helper()
	a.call("sync", a.application(), &results)
	return results
}

// wantOutOfSync checks which FitUsers differ from Git, by each of Argo CD's ways to compare.
func (a *argo) wantOutOfSync(names ...string) {
	a.Helper()
	var found map[string][]string
	a.call("diff", a.application(), &found)
	if len(found) != 3 {
		a.Errorf("Argo CD compared in %d ways", len(found))
	}
	for way, got := range found {
		slices.Sort(got)
		if !slices.Equal(got, names) {
			a.Errorf("OutOfSync by a %s diff: %q, want %q", way, got, names)
		}
	}
}

type argoHealth struct{ Status, Message string }

// healthOf returns Argo CD's health of each object.
func (a *argo) healthOf(objects map[string]*v1alpha1.FitUser) (found map[string]argoHealth) {
	a.Helper()
	for _, u := range objects {
		u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("FitUser"))
	}
	a.call("health", map[string]any{"objects": objects}, &found)
	return found
}

// compared returns what Argo CD compares of a FitUser to decide about a refresh of its Application.
func (a *argo) compared(u *v1alpha1.FitUser) (found map[string]any) {
	a.Helper()
	u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("FitUser"))
	a.call("refresh", map[string]any{"objects": map[string]any{"it": u}}, &found)
	return found
}

// Argo CD applies the sample, sees no difference once the operator has written its status and annotations, sees an edit with
// kubectl and puts it back, prunes, and never touches the FitUsers that the operator creates.
func TestArgo_SampleFromSignUpToPruning(t *testing.T) {
	needTools(t)
	s := newSystem(t)
	s.start()
	a := newArgo(s)
	people := a.repository.people(s.env.Assets)
	names := slices.Sorted(maps.Keys(people))
	janeID, oliviaID := s.signUp(people["coach-jane"]), s.signUp(people["olivia-owner"])
	a.wantOutOfSync(names...)

	a.sync()
	s.wantRole(janeID, "trainer")
	s.wantRole(oliviaID, "admin")
	s.wantReady(names...)
	a.wantOutOfSync()
	a.wantHealthy(names...)

	before := s.get("coach-jane")
	s.clerk.SignIn(janeID) // an event that changes nothing but the hint
	s.deliver()
	s.eventually("the hint is written", func() error {
		if s.get("coach-jane").Annotations[v1alpha1.AnnotationHint] == before.Annotations[v1alpha1.AnnotationHint] {
			return errors.New("it is not")
		}
		return nil
	})
	if diff := cmp.Diff(a.compared(before), a.compared(s.get("coach-jane"))); diff != "" {
		t.Errorf("a hint refreshes the Application (-before +after):\n%s", diff)
	}
	a.wantOutOfSync()

	s.kubectl("patch", "fituser", "coach-jane", "--type=merge", `--patch={"spec":{"role":"admin"}}`)
	s.wantRole(janeID, "admin")
	a.wantOutOfSync("coach-jane")
	a.sync()
	s.wantRole(janeID, "trainer")
	a.wantOutOfSync()

	a.repository.remove("base/coach-jane.yaml")
	if results := a.sync(); results["coach-jane"] != "Pruned" {
		t.Errorf("Argo CD did %v", results)
	}
	s.wantRole(janeID, nil)
	s.wantOwnFitUser(janeID, v1alpha1.ReasonSynced)
	// Argo CD deletes in the foreground. The garbage collector, which does not run here, ends that by removing the finalizer.
	s.kubectl("patch", "fituser", "coach-jane", "--type=merge", `--patch={"metadata":{"finalizers":null}}`)
	a.wantOutOfSync()
	if results := a.sync(); len(results) != len(names)-1 {
		t.Errorf("Argo CD touched %v", results)
	}
}

// wantHealthy checks that Argo CD shows FitUsers as Healthy, also those of people who have not signed up.
func (a *argo) wantHealthy(names ...string) {
	a.Helper()
	live := map[string]*v1alpha1.FitUser{}
	for _, name := range names {
		live[name] = a.get(name)
	}
	for name, health := range a.healthOf(live) {
		if health.Status != "Healthy" || !strings.HasPrefix(health.Message, readyReason(live[name])+": ") {
			a.Errorf("%s is %s (%s)", name, health.Status, health.Message)
		}
	}
}
