package user_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/user"
)

func staff() user.Rule {
	return user.Rule{Name: "staff", Role: user.Trainer, EmailDomains: []string{"fitai.dev", "fitai.example"}}
}

// holding returns a user with these verified addresses.
func holding(addresses ...string) user.User { return user.User{VerifiedEmails: addresses} }

// requesting returns a user who asked for a role at sign-up.
func requesting(role string, u user.User) user.User {
	u.RequestedRole = role
	return u
}

func TestRulesMatch_EmailDomains(t *testing.T) {
	t.Parallel()
	rules := user.NewRules(user.DefaultRoles(), []user.Rule{staff()})
	for name, test := range map[string]struct {
		u    user.User
		want bool
	}{
		"domain":                     {holding("jane@fitai.dev"), true},
		"second domain":              {holding("jane@fitai.example"), true},
		"second address":             {holding("jane@example.com", "jane@fitai.dev"), true},
		"capitals":                   {holding(user.NormalizeEmail("Jane@FitAI.DEV")), true},
		"subaddress":                 {holding("jane+gym@fitai.dev"), true},
		"other domain":               {holding("jane@example.com"), false},
		"subdomain":                  {holding("jane@mail.fitai.dev"), false},
		"parent domain":              {holding("jane@dev"), false},
		"domain as the end of one":   {holding("jane@notfitai.dev"), false},
		"domain as the start of one": {holding("jane@fitai.dev.example.com"), false},
		"domain in the local part":   {holding("fitai.dev@example.com"), false},
		"two at signs":               {holding("jane@fitai.dev@example.com"), false},
		"quoted at sign":             {holding(`"jane@fitai.dev"@example.com`), false},
		"without an at sign":         {holding("fitai.dev"), false},
		"other letters":              {holding(user.NormalizeEmail("jane@fİtai.dev")), false},
		"trailing dot":               {holding("jane@fitai.dev."), false},
		"test address":               {holding("jane+clerk_test@fitai.dev"), false},
		"test address in capitals":   {holding(user.NormalizeEmail("jane+CLERK_TEST@fitai.dev")), false},
		"test address beside a real": {holding("jane+clerk_test@fitai.dev", "jane@fitai.dev"), true},
		"no address":                 {holding(), false},
		"empty address":              {holding(""), false},
		"unverified address":         {user.User{Email: "jane@fitai.dev"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := rules.Match(test.u)
			if (got != nil) != test.want || got != nil && got.Name != "staff" {
				t.Errorf("matches %+v, want a match: %v", got, test.want)
			}
		})
	}
}

func TestRulesMatch_DomainsInCapitals(t *testing.T) {
	t.Parallel()
	rule := user.Rule{Name: "staff", Role: user.Trainer, EmailDomains: []string{"FitAI.dev"}}
	rules := user.NewRules(user.DefaultRoles(), []user.Rule{rule})
	if rules.Match(holding("jane@fitai.dev")) == nil {
		t.Error("no match")
	}
}

func TestRulesMatch_EmptyDomainMatchesNothing(t *testing.T) {
	t.Parallel()
	rules := user.NewRules(user.DefaultRoles(), []user.Rule{{Name: "staff", Role: user.Trainer, EmailDomains: []string{""}}})
	for _, address := range []string{"", "jane", "jane@", "jane@fitai.dev"} {
		if rules.Match(holding(address)) != nil {
			t.Errorf("matches %q", address)
		}
	}
}

func TestRulesMatch_RequestedAtSignUp(t *testing.T) {
	t.Parallel()
	requested := user.Rule{Name: "requested", Role: user.Trainer, RequestedAtSignUp: true}
	both := staff()
	both.RequestedAtSignUp = true
	for name, test := range map[string]struct {
		rule user.Rule
		u    user.User
		want bool
	}{
		"requested":                       {requested, requesting("trainer", user.User{}), true},
		"nothing requested":               {requested, user.User{}, false},
		"another role requested":          {requested, requesting("admin", user.User{}), false},
		"requested in capitals":           {requested, requesting("Trainer", user.User{}), false},
		"requested as a list":             {requested, requesting(`["trainer"]`, user.User{}), false},
		"role that is in force":           {requested, user.User{Role: "trainer"}, false},
		"both matchers match":             {both, requesting("trainer", holding("jane@fitai.dev")), true},
		"requested from elsewhere":        {both, requesting("trainer", holding("jane@example.com")), false},
		"requested, unverified":           {both, requesting("trainer", user.User{Email: "jane@fitai.dev"}), false},
		"requested with a test address":   {both, requesting("trainer", holding("j+clerk_test@fitai.dev")), false},
		"right domain, nothing requested": {both, holding("jane@fitai.dev"), false},
		"right domain, another requested": {both, requesting("admin", holding("jane@fitai.dev")), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rules := user.NewRules(user.DefaultRoles(), []user.Rule{test.rule})
			if got := rules.Match(test.u) != nil; got != test.want {
				t.Errorf("matches: %v, want %v", got, test.want)
			}
		})
	}
}

func TestNewRules_TriesByPriorityThenName(t *testing.T) {
	t.Parallel()
	rule := func(name string, priority int, domain string) user.Rule {
		return user.Rule{Name: name, Role: user.Trainer, EmailDomains: []string{domain}, Priority: priority}
	}
	given := []user.Rule{
		rule("c", 0, "a.example"), rule("b", 0, "a.example"), rule("z", 10, "b.example"), rule("a", -1, "a.example"),
		rule("last", math.MinInt, "a.example"), rule("first", math.MaxInt, "c.example"),
	}
	rules := user.NewRules(user.DefaultRoles(), given)
	names := make([]string, 0, len(rules))
	for _, r := range rules {
		names = append(names, r.Name)
	}
	if diff := cmp.Diff([]string{"first", "z", "b", "c", "a", "last"}, names); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	if given[0].Name != "c" {
		t.Errorf("the given rules were changed: %v", given)
	}
	for domain, want := range map[string]string{"a.example": "b", "b.example": "z", "c.example": "first"} {
		if got := rules.Match(holding("jane@" + domain)); got == nil || got.Name != want {
			t.Errorf("%s: matches %+v, want %s", domain, got, want)
		}
	}
	if got := rules.Match(holding("jane@a.example", "jane@b.example")); got == nil || got.Name != "z" {
		t.Errorf("user of two domains: matches %+v, want z", got)
	}
}

func TestNeverMatches_NamesTheReason(t *testing.T) {
	t.Parallel()
	withoutProtected := newRoles(t, "client", "", "admin", "trainer", "client")
	for name, test := range map[string]struct {
		roles user.Roles
		rule  user.Rule
		never bool
	}{
		"domains":             {user.DefaultRoles(), staff(), false},
		"requested":           {user.DefaultRoles(), user.Rule{Role: user.Trainer, RequestedAtSignUp: true}, false},
		"default role":        {user.DefaultRoles(), user.Rule{Role: user.Client, RequestedAtSignUp: true}, false},
		"protected by domain": {user.DefaultRoles(), user.Rule{Role: user.Admin, EmailDomains: []string{"a.b"}}, false},
		"protected by both": {
			user.DefaultRoles(), user.Rule{Role: user.Admin, EmailDomains: []string{"a.b"}, RequestedAtSignUp: true}, false,
		},
		"protected by request":         {user.DefaultRoles(), user.Rule{Role: user.Admin, RequestedAtSignUp: true}, true},
		"by request, nothing protects": {withoutProtected, user.Rule{Role: user.Admin, RequestedAtSignUp: true}, false},
		"no matcher":                   {user.DefaultRoles(), user.Rule{Role: user.Trainer}, true},
		"empty domains":                {user.DefaultRoles(), user.Rule{Role: user.Trainer, EmailDomains: []string{}}, true},
		"unknown role":                 {user.DefaultRoles(), user.Rule{Role: "coach", EmailDomains: []string{"a.b"}}, true},
		"no role":                      {user.DefaultRoles(), user.Rule{EmailDomains: []string{"a.b"}}, true},
		"role in capitals":             {user.DefaultRoles(), user.Rule{Role: "Trainer", EmailDomains: []string{"a.b"}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.rule.Name = "rule"
			if got := test.rule.NeverMatches(test.roles); (got != "") != test.never {
				t.Errorf("reason %q, want one: %v", got, test.never)
			}
			rules := user.NewRules(test.roles, []user.Rule{test.rule})
			if got := len(rules) == 0; got != test.never {
				t.Errorf("left out: %v, want %v", got, test.never)
			}
		})
	}
}

// population returns users with all combinations of addresses and requests.
func population() []user.User {
	var all []user.User
	for _, requested := range []string{"", "admin", "trainer"} {
		for _, addresses := range [][]string{
			{}, {"jane@a.example"}, {"jane@b.example"}, {"jane@c.example"}, {"jane@a.example", "jane@c.example"},
			{"jane+clerk_test@a.example"},
		} {
			all = append(all, requesting(requested, holding(addresses...)))
		}
	}
	return all
}

// allRules returns rules with all combinations of matchers, roles and domains.
func allRules() []user.Rule {
	var all []user.Rule
	for _, role := range []user.Role{user.Admin, user.Trainer} {
		for _, domains := range [][]string{nil, {"a.example"}, {"A.Example", "b.example"}, {"b.example", "c.example"}} {
			for _, requested := range []bool{false, true} {
				all = append(all, user.Rule{Name: "rule", Role: role, EmailDomains: domains, RequestedAtSignUp: requested})
			}
		}
	}
	return all
}

func TestCovers_AgreesWithMatch(t *testing.T) {
	t.Parallel()
	roles := newRoles(t, "client", "", "admin", "trainer", "client") // so that every matcher is usable for every role
	for _, rule := range allRules() {
		for _, other := range allRules() {
			ours, theirs := user.NewRules(roles, []user.Rule{rule}), user.NewRules(roles, []user.Rule{other})
			if len(ours) == 0 || len(theirs) == 0 {
				continue
			}
			covers := true
			for _, u := range population() {
				covers = covers && (theirs.Match(u) == nil || ours.Match(u) != nil)
			}
			if got := rule.Covers(other); got != covers {
				t.Errorf("%+v covers %+v: %v, want %v", rule, other, got, covers)
			}
		}
	}
}

func TestCovers_RuleWithoutMatcherCoversNothing(t *testing.T) {
	t.Parallel()
	rule := user.Rule{Name: "rule", Role: user.Trainer}
	for _, other := range allRules() {
		if rule.Covers(other) {
			t.Errorf("covers %+v", other)
		}
	}
	if got := (user.Rules{rule}).Match(holding("jane@fitai.dev")); got != nil {
		t.Errorf("matches as %+v", got)
	}
}

// A sweep matches every user without a manifest.
func TestRulesMatch_DoesNotAllocate(t *testing.T) {
	rules := make([]user.Rule, 0, 10)
	for i := range cap(rules) {
		rules = append(rules, user.Rule{
			Name: fmt.Sprint(i), Role: user.Trainer, EmailDomains: []string{fmt.Sprintf("%d.example", i)},
			RequestedAtSignUp: i%2 == 0,
		})
	}
	usable, u := user.NewRules(user.DefaultRoles(), rules), requesting("trainer", holding("jane@9.example", "jane@example.com"))
	if got := testing.AllocsPerRun(100, func() { _ = usable.Match(u) }); got != 0 {
		t.Errorf("%v allocations, want 0", got)
	}
}
