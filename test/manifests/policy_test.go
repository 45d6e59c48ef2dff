package manifests_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/testenv/eventually"
)

// second is an operator with other names than in the manifests. The policy must not depend on the names.
const second = `
namespace: %s
namePrefix: a-
nameSuffix: -z
resources: [CONFIG/default]
`

func fitUserClient(t *testing.T, config *rest.Config) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// as returns a configuration that impersonates an account.
func (c controlPlane) as(namespace, account string) *rest.Config {
	config := rest.CopyConfig(c.config)
	config.Impersonate = rest.ImpersonationConfig{
		UserName: fmt.Sprintf("system:serviceaccount:%s:%s", namespace, account),
		Groups:   []string{"system:authenticated", "system:serviceaccounts", "system:serviceaccounts:" + namespace},
	}
	return config
}

func TestPolicy_ReceiverWrites(t *testing.T) {
	t.Parallel()
	const namespace = "policy-test"
	env := cluster(t)
	objects := render(t, overlay(t, fmt.Sprintf(second, namespace)))
	install(t, env.client(t), objects, "Namespace", "ServiceAccount", "Role", "RoleBinding",
		"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
	admin := fitUserClient(t, env.config)
	receiver := fitUserClient(t, env.as(namespace, find(t, objects, "ServiceAccount", "receiver").GetName()))
	awaitPolicy(t, receiver, namespace)

	t.Run("create", func(t *testing.T) { wantCreations(t, receiver, namespace) })
	t.Run("update", func(t *testing.T) { wantChanges(t, admin, receiver, namespace) })
	t.Run("other requests", func(t *testing.T) {
		u := bare(namespace, "user_2rest")
		if err := admin.Create(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		for what, err := range map[string]error{
			"delete":          receiver.Delete(t.Context(), u.DeepCopy()),
			"update":          receiver.Update(t.Context(), u.DeepCopy()),
			"status":          receiver.Status().Patch(t.Context(), u.DeepCopy(), merge(`{"status":{"role":"admin"}}`)),
			"delete all":      receiver.DeleteAllOf(t.Context(), &v1alpha1.FitUser{}, client.InNamespace(namespace)),
			"other namespace": receiver.Create(t.Context(), bare("default", "user_2rest")),
			"list cluster":    receiver.List(t.Context(), &v1alpha1.FitUserList{}),
			"list rules":      receiver.List(t.Context(), &v1alpha1.RoleRuleList{}, client.InNamespace(namespace)),
			"create a rule": receiver.Create(t.Context(), &v1alpha1.RoleRule{
				ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "rule"},
				Spec:       v1alpha1.RoleRuleSpec{Role: "trainer", RequestedAtSignUp: true},
			}),
		} {
			if !apierrors.IsForbidden(err) {
				t.Errorf("%s: want a refusal, got %v", what, err)
			}
		}
	})
}

// awaitPolicy waits until the API server enforces the policy, which takes a moment.
func awaitPolicy(t *testing.T, c client.Client, namespace string) {
	t.Helper()
	eventually.Succeeds(t, "the policy is enforced", func() error {
		u := bare(namespace, "user_2probe")
		u.Spec.Role = "admin"
		if err := c.Create(context.Background(), u, client.DryRunAll); err == nil || !strings.Contains(err.Error(), "only the id") {
			return fmt.Errorf("the response is %w", err)
		}
		return nil
	})
}

func bare(namespace, id string) *v1alpha1.FitUser {
	u := fitusers.New(namespace, id, 0)
	u.Annotations = map[string]string{v1alpha1.AnnotationHint: hint("msg_1")}
	return u
}

func hint(messageID string) string {
	return v1alpha1.Hint{MessageID: messageID, Type: v1alpha1.UserCreated, ReceivedAt: 1}.Encode()
}

func merge(patch string) client.Patch { return client.RawPatch(types.MergePatchType, []byte(patch)) }

func wantCreations(t *testing.T, receiver client.Client, namespace string) {
	refused := map[string]func(*v1alpha1.FitUser){
		"a role":          func(u *v1alpha1.FitUser) { u.Spec.Role = "admin" },
		"the lowest role": func(u *v1alpha1.FitUser) { u.Spec.Role = "client" },
		"an address":      func(u *v1alpha1.FitUser) { u.Spec.ClerkUserID, u.Spec.Email = "", "jane@fitai.dev" },
		"an expiring role": func(u *v1alpha1.FitUser) {
			u.Spec.Role, u.Spec.RoleExpiresAt = "client", &metav1.Time{Time: time.Now()}
		},
		"suspended":           func(u *v1alpha1.FitUser) { u.Spec.Suspend = true },
		"retained":            func(u *v1alpha1.FitUser) { u.Spec.DeletionPolicy = v1alpha1.DeletionPolicyRetain },
		"a label":             func(u *v1alpha1.FitUser) { u.Labels["a"] = "b" },
		"an annotation":       func(u *v1alpha1.FitUser) { u.Annotations["a"] = "b" },
		"no managed-by label": func(u *v1alpha1.FitUser) { u.Labels = nil },
		"another manager":     func(u *v1alpha1.FitUser) { u.Labels[v1alpha1.LabelManagedBy] = "me" },
		"a long hint":         func(u *v1alpha1.FitUser) { u.Annotations[v1alpha1.AnnotationHint] = strings.Repeat("x", 513) },
		"a finalizer":         func(u *v1alpha1.FitUser) { u.Finalizers = []string{"example.com/hold"} },
		"an owner": func(u *v1alpha1.FitUser) {
			u.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Pod", Name: "p", UID: "1"}}
		},
		"a name that is not derived": func(u *v1alpha1.FitUser) { u.Name = "coach-jane" },
		"no name":                    func(u *v1alpha1.FitUser) { u.Name, u.GenerateName = "", "user-" },
	}
	for name, change := range refused {
		u := bare(namespace, "user_2Refused")
		change(u)
		if err := receiver.Create(t.Context(), u); !denied(err) {
			t.Errorf("%s: want the policy's refusal, got %v", name, err)
		}
	}
	for attempt := range fitusers.MaxNameAttempts {
		u := fitusers.New(namespace, "user_2Taken0AZ", attempt)
		u.Annotations = map[string]string{v1alpha1.AnnotationHint: hint("msg_1")}
		if err := receiver.Create(t.Context(), u); err != nil {
			t.Errorf("a FitUser with only the id, the label and a hint: %v", err)
		}
	}
	if err := receiver.Create(t.Context(), fitusers.New(namespace, "user_2NoHint", 0)); err != nil {
		t.Errorf("a FitUser with only the id and the label: %v", err)
	}
}

// denied reports whether the policy caused err.
func denied(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status) && strings.Contains(err.Error(), "ValidatingAdmissionPolicy")
}

func wantChanges(t *testing.T, admin, receiver client.Client, namespace string) {
	manifest := bare(namespace, "user_2Manifest")
	manifest.Name, manifest.Labels = "coach-jane", map[string]string{"team": "coaches"}
	manifest.Annotations = map[string]string{"a": "b"}
	manifest.Spec.Role = "trainer"
	if err := admin.Create(t.Context(), manifest); err != nil {
		t.Fatal(err)
	}
	for name, patch := range map[string]string{
		"a role":                  `{"spec":{"role":"admin"}}`,
		"no role":                 `{"spec":{"role":null}}`,
		"an expiry":               `{"spec":{"roleExpiresAt":"2030-01-01T00:00:00Z"}}`,
		"suspended":               `{"spec":{"suspend":true}}`,
		"retained":                `{"spec":{"deletionPolicy":"Retain"}}`,
		"a label":                 `{"metadata":{"labels":{"team":"none"}}}`,
		"no label":                `{"metadata":{"labels":null}}`,
		"an annotation":           `{"metadata":{"annotations":{"a":"c"}}}`,
		"no annotation":           `{"metadata":{"annotations":{"a":null}}}`,
		"a new annotation":        `{"metadata":{"annotations":{"c":"d"}}}`,
		"the managed-by label":    `{"metadata":{"labels":{"app.kubernetes.io/managed-by":"fituser-operator"}}}`,
		"a finalizer":             `{"metadata":{"finalizers":["example.com/hold"]}}`,
		"an owner":                `{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"Pod","name":"p","uid":"1"}]}}`,
		"a role beside the hint":  fmt.Sprintf(`{"metadata":{"annotations":{%q:"x"}},"spec":{"role":"admin"}}`, v1alpha1.AnnotationHint),
		"a label beside the hint": fmt.Sprintf(`{"metadata":{"annotations":{%q:"x"},"labels":{"x":"y"}}}`, v1alpha1.AnnotationHint),
	} {
		if err := receiver.Patch(t.Context(), manifest.DeepCopy(), merge(patch)); !denied(err) {
			t.Errorf("%s: want the policy's refusal, got %v", name, err)
		}
	}
	want := maps.Clone(manifest.Annotations)
	for _, messageID := range []string{"msg_2", "msg_3"} {
		want[v1alpha1.AnnotationHint] = hint(messageID)
		patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, v1alpha1.AnnotationHint, hint(messageID))
		if err := receiver.Patch(t.Context(), manifest, merge(patch)); err != nil {
			t.Errorf("a hint: %v", err)
		}
	}
	if !maps.Equal(manifest.Annotations, want) || manifest.Spec.Role != "trainer" {
		t.Errorf("after the hints the FitUser is %+v", manifest)
	}
}
