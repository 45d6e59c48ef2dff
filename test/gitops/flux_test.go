package gitops

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/testenv"
)

// kustomizeController is Flux's program. The go command keeps it in its cache.
var kustomizeController = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "-C", "flux", "tool", "-n", "github.com/fluxcd/kustomize-controller").Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = fmt.Errorf("building kustomize-controller: %w\n%s", err, exit.Stderr)
	}
	return strings.TrimSpace(string(out)), err
})

// flux is Flux with the Kustomization of docs/gitops.md. The test does what source-controller does: it publishes an archive
// of each commit.
type flux struct {
	*system
	repository *repository
	requests   int
}

func newFlux(s *system) *flux {
	s.Helper()
	needTools(s)
	installFlux(s)
	f := &flux{system: s, repository: newRepository(s.TB, s.namespace)}
	program, err := kustomizeController()
	ok(s, err)
	health := testenv.FreeAddress(s)
	f.process(program, []string{"KUBECONFIG=" + s.kubeconfig, "RUNTIME_NAMESPACE=" + s.namespace},
		"--watch-all-namespaces=false", "--metrics-addr=0", "--health-addr="+health)
	f.ready(health)
	f.apply()
	return f
}

// installFlux installs Flux's CRDs. controller-gen makes them of the types in Flux's API modules.
func installFlux(s *system) {
	s.Helper()
	dir, tools := s.TempDir(), filepath.Join("..", root, "hack", "tools", "go.mod")
	generate := exec.CommandContext(s.Context(), "go", "-C", "flux", "tool", "-modfile="+tools, "controller-gen", "crd",
		"paths=github.com/fluxcd/kustomize-controller/api/v1", "paths=github.com/fluxcd/source-controller/api/v1",
		"output:crd:dir="+dir)
	if out, err := generate.CombinedOutput(); err != nil {
		s.Fatalf("generating the CRDs of Flux: %v\n%s", err, out)
	}
	_, err := envtest.InstallCRDs(s.env.Config, envtest.CRDInstallOptions{Paths: []string{dir}, ErrorIfPathMissing: true})
	ok(s, err)
}

// The kinds of Flux, by their names for kubectl.
const (
	kustomizationKind = "kustomizations.v1.kustomize.toolkit.fluxcd.io"
	repositoryKind    = "gitrepositories.v1.source.toolkit.fluxcd.io"
)

// apply applies the Kustomization of docs/gitops.md, in the namespace of this test, and its GitRepository.
func (f *flux) apply() {
	f.Helper()
	f.create("gitrepository", `
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: people}
spec: {interval: 1m, url: "https://git.example.com/people.git"}
`)
	manifest := yamlBlock(f, "gitops.md", "apiVersion: kustomize")
	f.create("kustomization", strings.ReplaceAll(manifest, "namespace: flux-system", "namespace: "+f.namespace))
}

// create creates an object, and refuses unknown fields.
func (f *flux) create(name, manifest string) {
	f.Helper()
	path := filepath.Join(f.TempDir(), name+".yaml")
	ok(f, os.WriteFile(path, []byte(manifest), 0o600))
	f.kubectl("create", "--validate=strict", "-f", path)
}

// push commits, publishes the commit as source-controller does, and returns its revision.
func (f *flux) push() (revision string) {
	f.Helper()
	commit := f.repository.commit()
	now, revision := time.Now().UTC().Format(time.RFC3339), "main@sha1:"+commit
	status := map[string]any{
		"observedGeneration": 1,
		"artifact": map[string]any{
			"path": commit + ".tar.gz", "url": f.repository.url + "/" + commit + ".tar.gz", "revision": revision,
			"digest": fmt.Sprintf("sha256:%x", sha256.Sum256(f.repository.archive(commit))), "lastUpdateTime": now,
		},
		"conditions": []map[string]any{
			{"type": "Ready", "status": "True", "reason": "Succeeded", "message": "stored artifact", "lastTransitionTime": now},
		},
	}
	patch, err := json.Marshal(map[string]any{"status": status})
	ok(f, err)
	f.kubectl("patch", repositoryKind, "people", "--subresource=status", "--type=merge", "--patch="+string(patch))
	return revision
}

// kustomization is what the test reads of Flux's Kustomization.
type kustomization struct {
	Status struct {
		LastAttemptedRevision  string
		LastHandledReconcileAt string
		Conditions             []metav1.Condition
	}
}

func (f *flux) kustomization() (k kustomization) {
	f.Helper()
	ok(f, json.Unmarshal([]byte(f.kubectl("get", kustomizationKind, "people", "-o", "json")), &k))
	return k
}

// reason returns the reason of the Ready condition, and its message; empty while Flux works on it.
func (k *kustomization) reason() (reason, message string) {
	ready := apimeta.FindStatusCondition(k.Status.Conditions, "Ready")
	if ready == nil || ready.Status == metav1.ConditionUnknown {
		return "", ""
	}
	return ready.Reason, ready.Message
}

// reconcile does what `flux reconcile kustomization people` does: it requests a reconcile and waits until it is done.
func (f *flux) reconcile() {
	f.Helper()
	f.requests++
	request := strconv.Itoa(f.requests)
	f.kubectl("annotate", "--overwrite", kustomizationKind, "people", "reconcile.fluxcd.io/requestedAt="+request)
	f.eventually("Flux has reconciled", func() error {
		k := f.kustomization()
		if reason, _ := k.reason(); k.Status.LastHandledReconcileAt != request || reason == "" {
			return fmt.Errorf("%+v", k.Status)
		}
		return nil
	})
}

// want waits until Flux has applied a revision, and its Kustomization reports this reason. It returns the message.
func (f *flux) want(revision, reason string) (message string) {
	f.Helper()
	f.eventually(fmt.Sprintf("the Kustomization reports %s for %s", reason, revision), func() error {
		k := f.kustomization()
		var got string
		if got, message = k.reason(); k.Status.LastAttemptedRevision != revision || got != reason {
			return fmt.Errorf("%+v", k.Status)
		}
		return nil
	})
	return message
}

// Reasons of a Kustomization.
const (
	succeeded    = "ReconciliationSucceeded"
	healthFailed = "HealthCheckFailed"
)

// Flux applies the sample, is Ready although somebody has not signed up, corrects drift and prunes. Flux and the operator do
// not undo what the other writes.
func TestFlux_SampleFromSignUpToPruning(t *testing.T) {
	f := newFlux(newSystem(t))
	f.start()
	people := f.repository.people(f.env.Assets)
	jane, marco := f.signUp(people["coach-jane"]), f.signUp(people["coach-marco"])

	f.want(f.push(), succeeded)
	f.wantRole(jane, "trainer")
	f.wantRole(marco, "trainer")
	if reason := readyReason(f.get("olivia-owner")); reason != v1alpha1.ReasonAwaitingSignUp {
		t.Errorf("the owner, who has not signed up, is %s", reason)
	}
	olivia := f.signUp(people["olivia-owner"])
	f.wantRole(olivia, "admin")
	f.wantNoWrites()

	f.kubectl("patch", "fituser", "coach-jane", "--type=merge", `--patch={"spec":{"role":"admin"}}`)
	f.wantRole(jane, "admin")
	f.reconcile()
	f.wantRole(jane, "trainer")
	f.wantNoWrites()

	f.repository.replace("base/coach-jane.yaml", "  role: trainer\n", "")
	f.want(f.push(), succeeded)
	f.wantRole(jane, nil)

	f.repository.remove("base/coach-marco.yaml")
	f.repository.remove("base/olivia-owner.yaml")
	f.want(f.push(), succeeded)
	f.wantRole(marco, nil)
	f.wantOwnFitUser(marco, v1alpha1.ReasonSynced)
	f.wantOwnFitUser(olivia, v1alpha1.ReasonLastAdmin)
	f.wantNoWrites()
}

// Flux waits for FitUsers that no operator has reconciled yet.
func TestFlux_WaitsForOperator(t *testing.T) {
	f := newFlux(newSystem(t))
	f.kubectl("patch", kustomizationKind, "people", "--type=merge", `--patch={"spec":{"timeout":"1s"}}`)
	if message := f.want(f.push(), healthFailed); !strings.Contains(message, "InProgress") {
		t.Errorf("without an operator Flux reports %q", message)
	}
	f.kubectl("patch", kustomizationKind, "people", "--type=merge", `--patch={"spec":{"timeout":"2m"}}`)
	f.start()
	f.want(f.push(), succeeded)
}

// A file with an id in place of one with an address, and the way back, each in one commit: the role stays in force.
func TestFlux_MovesBetweenAddressAndID(t *testing.T) {
	f := newFlux(newSystem(t))
	f.start()
	address := f.repository.people(f.env.Assets)["coach-jane"]
	jane := f.signUp(address)
	f.want(f.push(), succeeded)
	f.wantRole(jane, "trainer")
	before := len(f.clerk.Writes())

	f.repository.remove("base/coach-jane.yaml")
	f.repository.write("base/coach-jane-by-id.yaml", trainer("coach-jane-by-id", "clerkUserID: "+jane))
	f.want(f.push(), succeeded)
	f.repository.remove("base/coach-jane-by-id.yaml")
	f.repository.write("base/coach-jane.yaml", trainer("coach-jane", "email: "+address))
	f.want(f.push(), succeeded)

	if writes := len(f.clerk.Writes()) - before; writes != 0 {
		t.Errorf("the operator wrote to Clerk %d times", writes)
	}
	changes := f.kubectl("get", "events", "--field-selector=reason=RoleChanged", "-o=name")
	if strings.Count(changes, "event/") != 1 {
		t.Errorf("role changes: %s", changes)
	}
}

// trainer returns the manifest of a trainer.
func trainer(name, person string) string {
	return fmt.Sprintf(`
apiVersion: identity.fitai.dev/v1alpha1
kind: FitUser
metadata: {name: %s}
spec: {%s, role: trainer}
`, name, person)
}

// A FitUser that needs a person ends Flux's wait, and Flux names it.
func TestFlux_NamesFitUserThatNeedsPerson(t *testing.T) {
	f := newFlux(newSystem(t))
	f.start()
	f.repository.write("base/typo.yaml", trainer("typo", "clerkUserID: user_2typo"))
	message := f.want(f.push(), healthFailed)
	if !strings.Contains(message, "FitUser/"+f.namespace+"/typo") || !strings.Contains(message, "Failed") {
		t.Errorf("Flux reports %q", message)
	}
	f.repository.remove("base/typo.yaml")
	f.want(f.push(), succeeded)
}

// wantNoWrites checks that no FitUser is written while Flux reconciles.
func (f *flux) wantNoWrites() {
	f.Helper()
	f.deliver() // the events of the operator's own writes to Clerk
	var before map[string]string
	f.eventually("all hints are handled", func() error {
		f.reconcile()
		before = f.versions()
		f.reconcile()
		if diff := cmp.Diff(before, f.versions()); diff != "" {
			return fmt.Errorf("a reconcile of Flux has written FitUsers (-before +after):\n%s", diff)
		}
		return nil
	})
	for range 3 {
		f.reconcile()
	}
	if diff := cmp.Diff(before, f.versions()); diff != "" {
		f.Errorf("reconciles of Flux have written FitUsers (-before +after):\n%s", diff)
	}
}
