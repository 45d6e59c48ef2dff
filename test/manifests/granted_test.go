package manifests_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
)

// permission is one verb on one resource, as RBAC grants it.
type permission struct{ group, resource, name, verb string }

func (p permission) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s %s/%s %s", p.verb, p.group, p.resource, p.name))
}

// Each component does its full work with the account of its manifest. No request is refused, and every granted permission
// is used.
func TestRBAC_EveryPermissionIsUsed(t *testing.T) {
	t.Parallel()
	const namespace = "granted-test"
	env := cluster(t)
	objects := render(t, overlay(t, "namespace: "+namespace+"\nnamePrefix: granted-\nresources: [CONFIG/default]\n"))
	install(t, env.client(t), objects, "Namespace", "ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding",
		"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
	runFullJob(t, env, namespace)

	for _, component := range []string{"receiver", "controller"} {
		account := find(t, objects, "ServiceAccount", component)
		granted := grants(t, objects, account)
		used, refused := env.requests(t, account)
		for _, request := range refused {
			t.Errorf("the %s was refused: %s", component, request)
		}
		for _, p := range granted {
			if !slices.ContainsFunc(used, p.covers) {
				t.Errorf("the %s never used its permission to %s", component, p)
			}
		}
		t.Logf("%s: %d permissions granted, %d requests, %d refused", component, len(granted), len(used), len(refused))
	}
}

// covers reports whether p allows the request.
func (p permission) covers(request permission) bool {
	return p.group == request.group && p.resource == request.resource && p.verb == request.verb &&
		(p.name == "" || p.name == request.name)
}

// grants returns the permissions of an account: those of all roles that are bound to it.
func grants(t *testing.T, objects []*unstructured.Unstructured, account *unstructured.Unstructured) (permissions []permission) {
	t.Helper()
	for _, binding := range append(ofKind(objects, "RoleBinding"), ofKind(objects, "ClusterRoleBinding")...) {
		var bound rbacv1.RoleBinding
		convert(t, binding, &bound)
		if !slices.ContainsFunc(bound.Subjects, func(s rbacv1.Subject) bool { return s.Name == account.GetName() }) {
			continue
		}
		var role rbacv1.Role
		convert(t, find(t, objects, bound.RoleRef.Kind, bound.RoleRef.Name), &role)
		for _, rule := range role.Rules {
			permissions = append(permissions, spread(rule)...)
		}
	}
	return permissions
}

func convert(t *testing.T, object *unstructured.Unstructured, into any) {
	t.Helper()
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, into); err != nil {
		t.Fatal(err)
	}
}

// spread returns each combination that a rule allows.
func spread(rule rbacv1.PolicyRule) (permissions []permission) {
	names := rule.ResourceNames
	if len(names) == 0 {
		names = []string{""}
	}
	for _, group := range rule.APIGroups {
		for _, resource := range rule.Resources {
			for _, name := range names {
				for _, verb := range rule.Verbs {
					permissions = append(permissions, permission{group, resource, name, verb})
				}
			}
		}
	}
	return permissions
}

// requests returns the requests of an account in the audit log: those that were served, and those that RBAC or a policy
// refused.
func (c controlPlane) requests(t *testing.T, account *unstructured.Unstructured) (used, refused []permission) {
	t.Helper()
	log, err := os.Open(filepath.Join(c.dir, "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event auditv1.Event
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			t.Fatal(err)
		}
		user := fmt.Sprintf("system:serviceaccount:%s:%s", account.GetNamespace(), account.GetName())
		if event.User.Username != user || event.ObjectRef == nil || event.ResponseStatus == nil {
			continue
		}
		o := event.ObjectRef
		request := permission{o.APIGroup, strings.TrimSuffix(o.Resource+"/"+o.Subresource, "/"), o.Name, event.Verb}
		if event.ResponseStatus.Code == 403 || event.ResponseStatus.Code == 401 {
			refused = append(refused, request)
		} else {
			used = append(used, request)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return used, refused
}
