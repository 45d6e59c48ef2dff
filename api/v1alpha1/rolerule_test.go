package v1alpha1_test

import (
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
)

func TestRoleRule_ValidIsAccepted(t *testing.T) {
	t.Parallel()
	env := controlPlane.Get(t)
	c, namespace := newClient(t, env), env.Namespace(t)
	longest := strings.Repeat("d", 249) + ".dev"
	for _, spec := range []map[string]any{
		{"role": "trainer", "emailDomains": []any{"fitai.dev"}},
		{"role": "admin", "emailDomains": []any{"fitai.dev", "Studio-2.Fitai.Example", "xn--bcher-kva.example", longest}},
		{"role": "admin", "emailDomains": []any{"fitai.dev"}, "requestedAtSignUp": true, "priority": int64(1000000)},
		{"role": "trainer", "requestedAtSignUp": true, "priority": int64(-1000000)},
		{"role": "client", "emailDomains": []any{"fitai.dev"}, "requestedAtSignUp": false},
	} {
		rule := object(namespace, "", "RoleRule", spec)
		rule.SetGenerateName("rule-")
		if err := c.Create(t.Context(), rule); err != nil {
			t.Errorf("%v: %v", spec, err)
		}
	}
	var list v1alpha1.RoleRuleList
	if err := c.List(t.Context(), &list, client.InNamespace(namespace)); err != nil || len(list.Items) != 5 {
		t.Errorf("%d rules, %v", len(list.Items), err)
	}
}

func TestRoleRule_InvalidIsRefused(t *testing.T) {
	t.Parallel()
	env := controlPlane.Get(t)
	c, namespace := newClient(t, env), env.Namespace(t)
	const (
		noMatcher = "want a matcher: emailDomains or requestedAtSignUp"
		noDomains = "a rule for admin needs emailDomains: anybody can request a role at sign-up"
		noDomain  = "must be a domain such as fitai.dev, without @ and wildcards"
	)
	domain := func(domains ...any) map[string]any { return map[string]any{"role": "trainer", "emailDomains": domains} }
	many := make([]any, 65)
	for i := range many {
		many[i] = strings.Repeat("d", i+1) + ".dev"
	}
	for name, test := range map[string]struct {
		spec map[string]any
		want string
	}{
		"no role":                     {map[string]any{"emailDomains": []any{"fitai.dev"}}, "spec.role: Required value"},
		"unknown role":                {map[string]any{"role": "owner", "requestedAtSignUp": true}, `spec.role: Unsupported value: "owner"`},
		"no matcher":                  {map[string]any{"role": "trainer"}, noMatcher},
		"matcher turned off":          {map[string]any{"role": "trainer", "requestedAtSignUp": false}, noMatcher},
		"only a priority":             {map[string]any{"role": "trainer", "priority": int64(1)}, noMatcher},
		"empty list":                  {domain([]any{}...), "spec.emailDomains in body should have at least 1 items"},
		"admin for who requests it":   {map[string]any{"role": "admin", "requestedAtSignUp": true}, noDomains},
		"admin, with an empty list":   {map[string]any{"role": "admin", "requestedAtSignUp": true, "emailDomains": []any{}}, "spec.emailDomains"},
		"address":                     {domain("jane@fitai.dev"), noDomain},
		"at sign":                     {domain("@fitai.dev"), noDomain},
		"wildcard":                    {domain("*.fitai.dev"), noDomain},
		"everything":                  {domain("*"), noDomain},
		"one label":                   {domain("dev"), noDomain},
		"dot at the start":            {domain(".fitai.dev"), noDomain},
		"dot at the end":              {domain("fitai.dev."), noDomain},
		"space":                       {domain("fitai.dev "), noDomain},
		"line end":                    {domain("fitai.dev\n"), noDomain},
		"two in one":                  {domain("fitai.dev,example.com"), noDomain},
		"letters of another script":   {domain("bücher.example"), noDomain},
		"empty domain":                {domain(""), noDomain},
		"too long":                    {domain(strings.Repeat("d", 250) + ".dev"), "spec.emailDomains[0]: Too long: may not be more than 253"},
		"twice":                       {domain("fitai.dev", "fitai.dev"), `spec.emailDomains[1]: Duplicate value: "fitai.dev"`},
		"too many":                    {domain(many...), "spec.emailDomains: Too many: 65: must have at most 64 items"},
		"second of them wrong":        {domain("fitai.dev", "gym"), "spec.emailDomains[1]: Invalid value"},
		"priority too high":           {map[string]any{"role": "trainer", "requestedAtSignUp": true, "priority": int64(1000001)}, "spec.priority"},
		"priority that is no integer": {map[string]any{"role": "trainer", "requestedAtSignUp": true, "priority": 0.5}, "spec.priority"},
		"requestedAtSignUp as a role": {map[string]any{"role": "trainer", "requestedAtSignUp": "trainer"}, "spec.requestedAtSignUp"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkRefusal(t, c.Create(t.Context(), object(namespace, "rule", "RoleRule", test.spec)), test.want)
		})
	}
}

// A rule may change in all its fields, but not become one that could not be created.
func TestRoleRule_Changes(t *testing.T) {
	t.Parallel()
	env := controlPlane.Get(t)
	c := newClient(t, env)
	rule := object(env.Namespace(t), "staff", "RoleRule", map[string]any{"role": "trainer", "requestedAtSignUp": true})
	if err := c.Create(t.Context(), rule); err != nil {
		t.Fatal(err)
	}
	patch := patchWith(t, c, rule)
	checkRefusal(t, patch(`{"spec":{"role":"admin"}}`), "a rule for admin needs emailDomains")
	checkRefusal(t, patch(`{"spec":{"requestedAtSignUp":null}}`), "want a matcher")
	for _, valid := range []string{
		`{"spec":{"emailDomains":["fitai.dev"],"role":"admin"}}`, `{"spec":{"requestedAtSignUp":false,"priority":5}}`,
		`{"spec":{"emailDomains":["fitai.dev","gym.example"]}}`, `{"spec":{"role":"client"}}`,
	} {
		if err := patch(valid); err != nil {
			t.Errorf("%s: %v", valid, err)
		}
	}
	checkRefusal(t, patch(`{"spec":{"emailDomains":null}}`), "want a matcher")
}
