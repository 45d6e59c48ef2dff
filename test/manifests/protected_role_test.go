package manifests_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/testenv/eventually"
)

// guarded is an operator with the component protected-role, and the names of those who may grant the role.
const guarded = `
namespace: %s
namePrefix: guarded-
resources: [CONFIG/default]
components: [CONFIG/components/protected-role]
patches:
  - target: {kind: ValidatingAdmissionPolicy, name: fituser-protected-role}
    patch: |-
      - {op: replace, path: /spec/variables/0, value: {name: groups, expression: "['fitai-owners']"}}
      - {op: replace, path: /spec/variables/1, value: {name: users, expression: "['system:serviceaccount:flux-system:people']"}}
`

// attempt is a write that only some may make: the creation of an object, or a merge patch of an existing one.
type attempt struct {
	object client.Object
	patch  string
}

func (a attempt) by(t *testing.T, c client.Client) error {
	t.Helper()
	object := a.object.DeepCopyObject().(client.Object)
	switch a.patch {
	case "":
		return c.Create(t.Context(), object, client.DryRunAll)
	case "delete":
		return c.Delete(t.Context(), object, client.DryRunAll)
	default:
		return c.Patch(t.Context(), object, merge(a.patch), client.DryRunAll)
	}
}

// guard is a namespace with the policy, and clients of people and programs who may all write FitUsers and RoleRules there.
type guard struct {
	*testing.T
	namespace       string
	admin           client.Client            // is not listed
	listed, refused map[string]client.Client // by the policy
}

func newGuard(t *testing.T) *guard {
	t.Helper()
	env := cluster(t)
	g := &guard{T: t, namespace: "guarded-test", admin: fitUserClient(t, env.config)}
	objects := render(t, overlay(t, fmt.Sprintf(guarded, g.namespace)))
	install(t, env.client(t), objects, "Namespace", "ServiceAccount", "Role", "RoleBinding",
		"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
	letEverybodyWrite(t, env.client(t), g.namespace)
	as := func(user string, groups ...string) client.Client {
		config := rest.CopyConfig(env.config)
		config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: append(groups, "system:authenticated")}
		return fitUserClient(t, config)
	}
	g.listed = map[string]client.Client{
		"a person of a listed group": as("olivia", "fitai-people", "fitai-owners"),
		"a listed account":           fitUserClient(t, env.as("flux-system", "people")),
	}
	g.refused = map[string]client.Client{
		"somebody else":                          as("carl", "fitai-coaches"),
		"another account":                        fitUserClient(t, env.as("flux-system", "kustomize-controller")),
		"an account of the name elsewhere":       fitUserClient(t, env.as(g.namespace, "people")),
		"a person with the name of the group":    as("fitai-owners"),
		"a member of a group with a longer name": as("joe", "fitai-owners-assistants"),
	}
	eventually.Succeeds(t, "the policy is enforced", func() error {
		err := g.refused["somebody else"].Create(context.Background(), g.fitUser("probe", "admin"), client.DryRunAll)
		if !refusedByGuard(err) {
			return fmt.Errorf("the response is %w", errors.Join(errors.New("accepted"), err))
		}
		return nil
	})
	return g
}

// letEverybodyWrite grants all permissions on FitUsers and RoleRules of a namespace to everybody.
func letEverybodyWrite(t *testing.T, c client.Client, namespace string) {
	t.Helper()
	meta := metav1.ObjectMeta{Namespace: namespace, Name: "people"}
	role := &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{v1alpha1.GroupVersion.Group}, Resources: []string{"fitusers", "rolerules"}, Verbs: []string{"*"}},
	}}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: meta,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: meta.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "Group", Name: "system:authenticated"}},
	}
	if err := errors.Join(c.Create(t.Context(), role), c.Create(t.Context(), binding)); err != nil {
		t.Fatal(err)
	}
}

// refusedByGuard reports whether the policy refused a write, and its message names those who are allowed.
func refusedByGuard(err error) bool {
	return apierrors.IsForbidden(err) && strings.Contains(err.Error(), "fituser-protected-role") &&
		strings.Contains(err.Error(), "the role admin") &&
		strings.Contains(err.Error(), "is for fitai-owners, system:serviceaccount:flux-system:people: ask one of them")
}

func (g *guard) fitUser(name string, role v1alpha1.Role, changes ...func(*v1alpha1.FitUser)) *v1alpha1.FitUser {
	u := &v1alpha1.FitUser{Spec: v1alpha1.FitUserSpec{Email: name + "@fitai.dev", Role: role}}
	u.Namespace, u.Name = g.namespace, name
	for _, change := range changes {
		change(u)
	}
	return u
}

func (g *guard) rule(name string, role v1alpha1.Role) *v1alpha1.RoleRule {
	return &v1alpha1.RoleRule{
		ObjectMeta: metav1.ObjectMeta{Namespace: g.namespace, Name: name},
		Spec:       v1alpha1.RoleRuleSpec{Role: role, EmailDomains: []string{"fitai.dev", "gym.example"}, Priority: 10},
	}
}

func suspended(u *v1alpha1.FitUser) { u.Spec.Suspend = true }

func annotated(key string) func(*v1alpha1.FitUser) {
	return func(u *v1alpha1.FitUser) { u.Annotations = map[string]string{key: "true"} }
}

func until(year int) func(*v1alpha1.FitUser) {
	return func(u *v1alpha1.FitUser) {
		u.Spec.RoleExpiresAt = &metav1.Time{Time: time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)}
	}
}

func annotation(key, value string) string {
	return fmt.Sprintf(`{"metadata":{"annotations":{%q:%s}}}`, key, value)
}

// existing are the objects whose changes are attempted.
type existing struct{ olivia, guest, coach, sam, admins, trainers client.Object }

func (g *guard) createExisting() existing {
	g.Helper()
	e := existing{
		olivia:   g.fitUser("olivia", "admin", annotated(v1alpha1.AnnotationAllowLastAdmin)),
		guest:    g.fitUser("guest", "admin", until(2030), suspended),
		coach:    g.fitUser("coach", "trainer"),
		sam:      g.fitUser("sam", ""), // is an admin in Clerk
		admins:   g.rule("admins", "admin"),
		trainers: g.rule("trainers", "trainer"),
	}
	for _, object := range []client.Object{e.olivia, e.guest, e.coach, e.sam, e.admins, e.trainers} {
		if err := g.listed["a person of a listed group"].Create(g.Context(), object); err != nil {
			g.Fatal(err)
		}
	}
	if err := g.admin.Status().Patch(g.Context(), e.sam, merge(`{"status":{"role":"admin","roleSource":"Clerk"}}`)); err != nil {
		g.Fatal(err)
	}
	return e
}

func TestProtectedRole_OnlyListedMayGrantIt(t *testing.T) {
	t.Parallel()
	g := newGuard(t)
	e := g.createExisting()
	override := strings.TrimSuffix(annotation(v1alpha1.AnnotationAllowLastAdmin, `"true"`), "}")
	for name, a := range map[string]attempt{
		"create an admin":                   {g.fitUser("new", "admin"), ""},
		"create a suspended admin":          {g.fitUser("new", "admin", suspended), ""},
		"create an expired admin":           {g.fitUser("new", "admin", until(2020)), ""},
		"make a trainer an admin":           {e.coach, `{"spec":{"role":"admin"}}`},
		"make a trainer an admin for a day": {e.coach, `{"spec":{"role":"admin","roleExpiresAt":"2030-01-01T00:00:00Z"}}`},
		"make a user without role an admin": {e.sam, `{"spec":{"role":"admin"}}`},

		"extend":                    {e.guest, `{"spec":{"roleExpiresAt":"2030-01-01T00:00:01Z"}}`},
		"extend by another zone":    {e.guest, `{"spec":{"roleExpiresAt":"2029-12-31T23:59:59-01:00"}}`},
		"make endless":              {e.guest, `{"spec":{"roleExpiresAt":null}}`},
		"resume":                    {e.guest, `{"spec":{"suspend":false}}`},
		"resume, shorter":           {e.guest, `{"spec":{"suspend":null,"roleExpiresAt":"2029-01-01T00:00:00Z"}}`},
		"suspend":                   {e.olivia, `{"spec":{"suspend":true}}`},
		"suspend and demote":        {e.olivia, `{"spec":{"suspend":true,"role":"trainer"}}`},
		"suspend an admin of Clerk": {e.sam, `{"spec":{"suspend":true}}`},

		"rule for admins":            {g.rule("new", "admin"), ""},
		"rule becomes for admins":    {e.trainers, `{"spec":{"role":"admin"}}`},
		"rule gets another domain":   {e.admins, `{"spec":{"emailDomains":["fitai.dev","gym.example","example.com"]}}`},
		"rule gets other domains":    {e.admins, `{"spec":{"emailDomains":["example.com"]}}`},
		"rule comes first":           {e.admins, `{"spec":{"priority":1000}}`},
		"rule for those who request": {e.admins, `{"spec":{"requestedAtSignUp":true}}`},

		"override the last admin":               {e.olivia, annotation(v1alpha1.AnnotationAllowLastAdmin, `"yes"`)},
		"override the last admin of a manifest": {e.guest, annotation(v1alpha1.AnnotationAllowLastAdmin, `"true"`)},
		"override it beside the revocation":     {e.guest, override + `,"spec":{"role":null,"roleExpiresAt":null}}`},
		"override it once no manifest has it":   {e.sam, annotation(v1alpha1.AnnotationAllowLastAdmin, `"true"`)},
		"override it in a new FitUser":          {g.fitUser("new", "", annotated(v1alpha1.AnnotationAllowLastAdmin)), ""},
		"rebind":                                {e.olivia, annotation(v1alpha1.AnnotationRebind, `"user_2new"`)},
		"rebind before the role is granted":     {e.coach, annotation(v1alpha1.AnnotationRebind, `"user_2new"`)},
		"take over an admin":                    {e.olivia, annotation(v1alpha1.AnnotationTakeOwnership, `"true"`)},
		"take over an admin of elsewhere":       {e.sam, annotation(v1alpha1.AnnotationTakeOwnership, `"true"`)},
	} {
		t.Run(name, func(t *testing.T) {
			for who, c := range g.listed {
				if err := a.by(t, c); err != nil {
					t.Errorf("%s: %v", who, err)
				}
			}
			for who, c := range g.refused {
				if err := a.by(t, c); !refusedByGuard(err) {
					t.Errorf("%s: want the policy's refusal, got %v", who, err)
				}
			}
		})
	}
	t.Run("everything else", func(t *testing.T) { g.wantEverythingElse(t, e) })
	t.Run("the operator", func(t *testing.T) { wantBareCreations(t, g.namespace) })
	t.Run("another namespace", func(t *testing.T) {
		elsewhere := g.fitUser("olivia", "admin")
		elsewhere.Namespace = "default"
		if err := g.admin.Create(t.Context(), elsewhere, client.DryRunAll); err != nil {
			t.Errorf("the policy is in force in the namespaces of other operators: %v", err)
		}
	})
}

// wantEverythingElse checks that everybody with permission may make all other writes, above all those that take the role away.
func (g *guard) wantEverythingElse(t *testing.T, e existing) {
	t.Helper()
	allowed := map[string]attempt{
		"create a trainer":               {g.fitUser("new", "trainer"), ""},
		"create without role":            {g.fitUser("new", ""), ""},
		"create a suspended trainer":     {g.fitUser("new", "trainer", suspended, until(2030)), ""},
		"create a taken over trainer":    {g.fitUser("new", "trainer", annotated(v1alpha1.AnnotationTakeOwnership)), ""},
		"demote an admin":                {e.olivia, `{"spec":{"role":"trainer"}}`},
		"clear an admin's role":          {e.olivia, `{"spec":{"role":null}}`},
		"delete an admin":                {e.olivia, "delete"},
		"date an admin's end":            {e.olivia, `{"spec":{"roleExpiresAt":"2030-01-01T00:00:00Z"}}`},
		"retain an admin's row":          {e.olivia, `{"spec":{"deletionPolicy":"Retain"}}`},
		"label an admin":                 {e.olivia, `{"metadata":{"labels":{"team":"owners"}}}`},
		"apply an admin again":           {e.olivia, `{"spec":{"role":"admin","email":"olivia@fitai.dev"}}`},
		"request a reconcile":            {e.olivia, annotation(v1alpha1.AnnotationReconcile, `"1"`)},
		"record a hint":                  {e.olivia, annotation(v1alpha1.AnnotationHint, `"x"`)},
		"withdraw an override":           {e.olivia, annotation(v1alpha1.AnnotationAllowLastAdmin, "null")},
		"shorten":                        {e.guest, `{"spec":{"roleExpiresAt":"2029-12-31T23:59:59Z"}}`},
		"same end in another zone":       {e.guest, `{"spec":{"roleExpiresAt":"2030-01-01T01:00:00+01:00"}}`},
		"clear a suspended admin's role": {e.guest, `{"spec":{"role":null,"roleExpiresAt":null}}`},
		"suspend a trainer":              {e.coach, `{"spec":{"suspend":true}}`},
		"make a trainer a client":        {e.coach, `{"spec":{"role":"client"}}`},
		"date a trainer's end":           {e.coach, `{"spec":{"roleExpiresAt":"2030-01-01T00:00:00Z"}}`},
		"take over a trainer":            {e.coach, annotation(v1alpha1.AnnotationTakeOwnership, `"true"`)},
		"demote an admin of Clerk":       {e.sam, `{"spec":{"role":"client"}}`},
		"delete a rule":                  {e.admins, "delete"},
		"rule is no longer for admins":   {e.admins, `{"spec":{"role":"trainer"}}`},
		"label a rule":                   {e.admins, `{"metadata":{"labels":{"team":"owners"}}}`},
		"create a rule for trainers":     {g.rule("new", "trainer"), ""},
		"change a rule for trainers":     {e.trainers, `{"spec":{"emailDomains":["example.com"],"priority":100,"requestedAtSignUp":true}}`},
	}
	for name, a := range allowed {
		for _, clients := range []map[string]client.Client{g.listed, g.refused} {
			for who, c := range clients {
				if err := a.by(t, c); err != nil {
					t.Errorf("%s by %s: %v", name, who, err)
				}
			}
		}
	}
}

// wantBareCreations checks that the operator's accounts still create FitUsers.
func wantBareCreations(t *testing.T, namespace string) {
	t.Helper()
	for _, account := range []string{"guarded-fituser-receiver", "guarded-fituser-controller"} {
		c := fitUserClient(t, cluster(t).as(namespace, account))
		if err := c.Create(t.Context(), bare(namespace, "user_2bare"), client.DryRunAll); err != nil {
			t.Errorf("%s: %v", account, err)
		}
	}
}

// Without an overlay's names, cluster administrators may grant the role, and nobody else.
func TestProtectedRole_Defaults(t *testing.T) {
	t.Parallel()
	const namespace = "guarded-default"
	env := cluster(t)
	objects := render(t, overlay(t, "namespace: "+namespace+"\nnameSuffix: -default\nresources: [CONFIG/default]\n"+
		"components: [CONFIG/components/protected-role, CONFIG/components/single-process]\n"))
	install(t, env.client(t), objects, "Namespace", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
	letEverybodyWrite(t, env.client(t), namespace)
	olivia := &v1alpha1.FitUser{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "olivia"},
		Spec:       v1alpha1.FitUserSpec{Email: "olivia@fitai.dev", Role: "admin"},
	}
	other := fitUserClient(t, env.as("flux-system", "people"))
	eventually.Succeeds(t, "the policy is enforced", func() error {
		err := other.Create(context.Background(), olivia.DeepCopy(), client.DryRunAll)
		if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "granting the role admin is for system:masters: ask") {
			return fmt.Errorf("the response is %w", errors.Join(errors.New("another one"), err))
		}
		return nil
	})
	if err := fitUserClient(t, env.config).Create(t.Context(), olivia); err != nil {
		t.Errorf("a cluster administrator: %v", err)
	}
}

// An overlay replaces names by the index of their variable, so these stay the first three, in this order.
func TestProtectedRole_OrderOfNames(t *testing.T) {
	t.Parallel()
	policy := find(t, rendered(t)["default with protected-role"], "ValidatingAdmissionPolicy", "protected-role")
	variables, _, _ := unstructured.NestedSlice(policy.Object, "spec", "variables")
	for i, want := range []string{"groups", "users", "role"} {
		if got := variables[i].(map[string]any)["name"]; got != want {
			t.Errorf("variable %d is %v, want %s", i, got, want)
		}
	}
}
