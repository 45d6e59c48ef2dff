package manifests_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// warnings collects the API server's warnings.
type warnings struct {
	mu    sync.Mutex
	texts []string
}

func (w *warnings) HandleWarningHeader(_ int, _, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.texts = append(w.texts, text)
}

// foreign lists the kinds that other projects define.
var foreign = []string{"ServiceMonitor", "PrometheusRule", "HTTPRoute"}

func TestManifests_AcceptedWithoutWarning(t *testing.T) {
	t.Parallel()
	env := cluster(t)
	for name, objects := range rendered(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var received warnings
			config := rest.CopyConfig(env.config)
			config.WarningHandler = &received
			c := clientFor(t, config)
			for _, object := range objects {
				if slices.Contains(foreign, object.GetKind()) {
					continue
				}
				if err := dryRun(t, c, object); err != nil {
					t.Errorf("%s: %v", identity(object), err)
				}
			}
			if len(received.texts) > 0 {
				t.Errorf("warnings: %s", strings.Join(received.texts, "\n"))
			}
		})
	}
}

// dryRun applies an object as kubectl apply --server-side --dry-run=server --validate=strict does, in a namespace with the
// labels of the manifests' namespace.
func dryRun(t *testing.T, c client.Client, object *unstructured.Unstructured) error {
	t.Helper()
	object = object.DeepCopy()
	if object.GetNamespace() != "" {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
			Name: "dry-" + object.GetNamespace(), Labels: restrictedLabels(t),
		}}
		if err := c.Create(t.Context(), namespace); client.IgnoreAlreadyExists(err) != nil {
			t.Fatal(err)
		}
		object.SetNamespace(namespace.Name)
	}
	return c.Patch(t.Context(), object, client.Apply, client.DryRunAll, //nolint:staticcheck // of an unstructured object
		client.FieldOwner("test"), client.ForceOwnership, client.FieldValidation(metav1.FieldValidationStrict))
}

// restrictedLabels returns the labels of the manifests' namespace, which enforce Pod Security restricted.
func restrictedLabels(t *testing.T) map[string]string {
	t.Helper()
	labels := find(t, rendered(t)["default"], "Namespace", "fituser").GetLabels()
	for _, mode := range []string{"enforce", "warn", "audit"} {
		if labels["pod-security.kubernetes.io/"+mode] != "restricted" || labels["pod-security.kubernetes.io/"+mode+"-version"] == "" {
			t.Fatalf("the namespace does not %s a version of restricted: %v", mode, labels)
		}
	}
	return labels
}

// The API server only warns about the pods of a Deployment, but rejects a Pod. This creates the pods as the Deployments would.
func TestPods_Restricted(t *testing.T) {
	t.Parallel()
	c := cluster(t).client(t)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "pods-restricted", Labels: map[string]string{
		"pod-security.kubernetes.io/enforce":         "restricted",
		"pod-security.kubernetes.io/enforce-version": "latest",
	}}}
	if err := c.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	for name, objects := range rendered(t) {
		for _, deployment := range deployments(t, objects) {
			pod := &corev1.Pod{ObjectMeta: deployment.Spec.Template.ObjectMeta, Spec: deployment.Spec.Template.Spec}
			pod.Name, pod.Namespace = deployment.Name, namespace.Name
			pod.Spec.PriorityClassName = "" // the class is not installed
			if err := c.Create(t.Context(), pod.DeepCopy(), client.DryRunAll); err != nil {
				t.Errorf("%s: %s: %v", name, deployment.Name, err)
			}
			pod.Spec.HostNetwork = true
			if err := c.Create(t.Context(), pod, client.DryRunAll); !apierrors.IsForbidden(err) {
				t.Errorf("%s: %s: with the node's network, want Pod Security's refusal, got %v", name, deployment.Name, err)
			}
			for _, problem := range hardening(deployment.Spec.Template.Spec) {
				t.Errorf("%s: %s: %s", name, deployment.Name, problem)
			}
		}
	}
}

func deployments(t *testing.T, objects []*unstructured.Unstructured) []appsv1.Deployment {
	t.Helper()
	var all []appsv1.Deployment
	for _, object := range ofKind(objects, "Deployment") {
		var deployment appsv1.Deployment
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &deployment); err != nil {
			t.Fatal(err)
		}
		all = append(all, deployment)
	}
	return all
}

// hardening returns violations of what this project requires beyond Pod Security.
func hardening(pod corev1.PodSpec) (problems []string) {
	if pod.ServiceAccountName == "" {
		problems = append(problems, "no service account of its own")
	}
	for _, c := range pod.Containers {
		s := c.SecurityContext
		if s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem || *s.RunAsUser < 10000 || *s.RunAsGroup < 10000 {
			problems = append(problems, "the root file system is writable, or the user id may exist on the node")
		}
		for _, resource := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage} {
			if c.Resources.Limits[resource] == (c.Resources.Limits["none"]) || c.Resources.Requests[resource] == (c.Resources.Requests["none"]) {
				problems = append(problems, fmt.Sprintf("no limit or no request for %s", resource))
			}
		}
		if c.ReadinessProbe.HTTPGet.Path == c.LivenessProbe.HTTPGet.Path {
			problems = append(problems, "readiness and liveness use the same path")
		}
		problems = append(problems, environment(c)...)
	}
	return problems
}

// environment returns violations in the environment: it must contain no credentials, and a Go memory limit below the
// container's limit.
func environment(c corev1.Container) (problems []string) {
	limited := false
	for _, variable := range c.Env {
		if variable.Name == "GOMEMLIMIT" {
			var mebibytes int64
			_, err := fmt.Sscanf(variable.Value, "%dMiB", &mebibytes)
			share := float64(mebibytes<<20) / float64(c.Resources.Limits.Memory().Value())
			limited = err == nil && share > 0.8 && share < 0.95
		}
		if variable.ValueFrom != nil && variable.ValueFrom.SecretKeyRef != nil {
			problems = append(problems, variable.Name+" is a secret in the environment")
		}
	}
	if !limited {
		problems = append(problems, "GOMEMLIMIT is not nine tenths of the memory limit")
	}
	return problems
}
