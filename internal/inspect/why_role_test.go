package inspect

import (
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/user"
)

// roleCase is a user and what could give a role.
type roleCase struct {
	account   user.User
	manifests []*v1alpha1.FitUser
	rules     []user.Rule
	noUser    bool
}

func (c roleCase) explain() Decision {
	roles := user.DefaultRoles()
	f := roleFacts{
		id: "user_jane", found: c.manifests, account: &c.account,
		policy: user.Policy{Roles: roles, Owner: "here", Rules: user.NewRules(roles, c.rules)},
	}
	f.account.ID = f.id
	if c.noUser {
		f.account = nil
	}
	f.Explanation = fituser.Explain(f.policy, f.id, f.found, f.account, noon())
	return explainRole(f)
}

func noon() time.Time { return time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC) }

// byID returns a manifest of user_jane; byEmail one of jane@fitai.dev.
func byID(name string, change func(*v1alpha1.FitUser)) *v1alpha1.FitUser {
	u := &v1alpha1.FitUser{Spec: v1alpha1.FitUserSpec{ClerkUserID: "user_jane", Role: "trainer"}}
	u.Name, u.UID, u.CreationTimestamp = name, types.UID(name), metav1.NewTime(noon().Add(-time.Hour))
	if change != nil {
		change(u)
	}
	return u
}

func byEmail(name string, change func(*v1alpha1.FitUser)) *v1alpha1.FitUser {
	return byID(name, func(u *v1alpha1.FitUser) {
		u.Spec.ClerkUserID, u.Spec.Email = "", "Jane@fitai.dev"
		if change != nil {
			change(u)
		}
	})
}

func until(at time.Time) func(*v1alpha1.FitUser) {
	return func(u *v1alpha1.FitUser) { u.Spec.RoleExpiresAt = &metav1.Time{Time: at} }
}

// Each candidate is explained, and the one decides that the reconciler follows.
func TestExplainRole(t *testing.T) {
	t.Parallel()
	jane := user.User{Email: "jane@fitai.dev", VerifiedEmails: []string{"jane@fitai.dev"}}
	with := func(role string, marker *user.Marker) user.User {
		u := jane
		u.Role, u.HasMarker = role, marker != nil
		if marker != nil {
			u.Marker = *marker
		}
		return u
	}
	staff := user.Rule{Name: "staff", Role: "trainer", EmailDomains: []string{"fitai.dev"}}
	for name, test := range map[string]struct {
		roleCase
		decides string   // the source and name of the candidate that decides
		want    []string // source, name: the beginning of why
	}{
		"manifest": {
			roleCase{account: jane, manifests: []*v1alpha1.FitUser{byID("coach", until(noon().Add(time.Hour)))}, rules: []user.Rule{staff}},
			"Manifest coach", []string{
				"Manifest coach: decides", "Clerk : no role is set", "RoleRule staff: matches, but a manifest comes first",
				"Default : something else",
			},
		},
		"duplicates": {
			roleCase{account: jane, manifests: []*v1alpha1.FitUser{
				byID("z", nil), byID("younger", func(u *v1alpha1.FitUser) { u.CreationTimestamp = metav1.NewTime(noon()) }), byEmail("mail", nil),
				byID("y", nil),
			}},
			"Manifest y", []string{
				"Manifest z: duplicate: the FitUser y is active, because it has the smaller UID", "Manifest younger: duplicate: the FitUser y is active, because it is older",
				"Manifest mail: duplicate: the FitUser y is active, because it names the Clerk id",
			},
		},
		"expired": {
			roleCase{account: jane, manifests: []*v1alpha1.FitUser{byID("coach", until(noon()))}},
			"Default ", []string{"Manifest coach: expired at 2026-11-29T12:00:00Z", "Default : decides"},
		},
		"without role": {
			roleCase{account: with("trainer", &user.Marker{Role: "trainer", Owner: "here"}), manifests: []*v1alpha1.FitUser{
				byID("coach", func(u *v1alpha1.FitUser) { u.Spec.Role = "" }),
			}},
			"Default ", []string{"Manifest coach: sets no role", "Clerk : granted by a manifest; it is to be revoked"},
		},
		"unknown role": {
			roleCase{account: with("trainer", &user.Marker{Role: "trainer", Owner: "here"}), manifests: []*v1alpha1.FitUser{
				byID("coach", func(u *v1alpha1.FitUser) { u.Spec.Role = "owner" }),
			}},
			"Clerk ", []string{"Manifest coach: the operator does not know this role", "Clerk : decides: granted by a manifest"},
		},
		"withheld": {
			roleCase{account: jane, manifests: []*v1alpha1.FitUser{byEmail("boss", func(u *v1alpha1.FitUser) {
				u.Spec.Role, u.Status.PreviousClerkUserID = "admin", "user_old"
			})}},
			"Default ", []string{"Manifest boss: withheld: the address changed hands, user_old held it before"},
		},
		"rebound": {
			roleCase{account: jane, manifests: []*v1alpha1.FitUser{byEmail("boss", func(u *v1alpha1.FitUser) {
				u.Spec.Role, u.Status.PreviousClerkUserID = "admin", "user_old"
				u.Annotations = map[string]string{v1alpha1.AnnotationRebind: "user_jane"}
			})}},
			"Manifest boss", []string{"Manifest boss: decides"},
		},
		"released": {
			roleCase{account: user.User{}, manifests: []*v1alpha1.FitUser{byEmail("mail", func(u *v1alpha1.FitUser) { u.Status.ClerkUserID = "user_jane" })}},
			"Default ", []string{"Manifest mail: released: user_jane does not hold its address as a verified one any more"},
		},
		"unverified": {
			roleCase{account: user.User{Email: "jane@fitai.dev"}, manifests: []*v1alpha1.FitUser{byEmail("mail", nil)}},
			"Default ", []string{"Manifest mail: user_jane has not verified its address"},
		},
		"bound to another": {
			roleCase{account: jane, manifests: []*v1alpha1.FitUser{byEmail("mail", func(u *v1alpha1.FitUser) { u.Status.ClerkUserID = "user_old" })}},
			"Default ", []string{"Manifest mail: released once user_old"},
		},
		"terminating": {
			roleCase{account: jane, manifests: []*v1alpha1.FitUser{byID("coach", func(u *v1alpha1.FitUser) { u.DeletionTimestamp = &metav1.Time{Time: noon()} })}},
			"Default ", []string{"Manifest coach: is being deleted"},
		},
		"suspended": {
			roleCase{account: jane, manifests: []*v1alpha1.FitUser{byID("coach", func(u *v1alpha1.FitUser) { u.Spec.Suspend = true })}},
			"Manifest coach", []string{"Manifest coach: decides, but nothing is written while spec.suspend is true"},
		},
		"owned elsewhere": {
			roleCase{
				account: with("client", &user.Marker{Role: "client", Owner: "there"}), manifests: []*v1alpha1.FitUser{byID("coach", nil)},
				rules: []user.Rule{staff},
			},
			"Clerk ", []string{
				"Manifest coach: the installation there granted the role in Clerk", "Clerk : granted by the installation there, so this installation",
				"RoleRule staff: matches, but the user has a marker of the installation there",
			},
		},
		"same role elsewhere": {
			roleCase{account: with("trainer", &user.Marker{Role: "trainer"}), manifests: []*v1alpha1.FitUser{byID("coach", nil)}},
			"Manifest coach", []string{"Manifest coach: decides; an installation that its marker does not name granted the same role"},
		},
		"set in Clerk": {
			roleCase{account: with("admin", nil), rules: []user.Rule{staff}},
			"Clerk ", []string{"Clerk : decides: set by somebody else", "RoleRule staff: matches, but a role in Clerk comes first"},
		},
		"overridden in Clerk": {
			roleCase{account: with("admin", nil), manifests: []*v1alpha1.FitUser{byID("coach", nil)}},
			"Manifest coach", []string{"Clerk : set by somebody else; a manifest comes before it"},
		},
		"unknown in Clerk": {
			roleCase{account: with("owner", nil), rules: []user.Rule{staff}},
			"Default ", []string{"Clerk : the operator does not know this role", "RoleRule staff: matches, but a role in Clerk comes first"},
		},
		"rules": {
			roleCase{account: jane, rules: []user.Rule{
				staff, {Name: "wish", Role: "trainer", RequestedAtSignUp: true}, {Name: "first", Role: "admin", EmailDomains: []string{"FITAI.dev"}, Priority: 1},
				{Name: "other", Role: "admin", EmailDomains: []string{"example.com", "example.org"}},
			}},
			"RoleRule first", []string{
				"RoleRule first: decides", "RoleRule staff: matches, but the RoleRule first is tried before",
				"RoleRule wish: does not match: the user did not request", "RoleRule other: does not match: no verified address in example.com, example.org",
			},
		},
		"granted by rule": {
			roleCase{account: with("trainer", &user.Marker{Role: "trainer", Owner: "here", Rule: "staff"}), rules: []user.Rule{staff}},
			"RoleRule staff", []string{"Clerk : granted by the RoleRule staff", "RoleRule staff: decides"},
		},
		"no user": {
			roleCase{noUser: true, manifests: []*v1alpha1.FitUser{byID("typo", nil)}},
			"", []string{"Manifest typo: Clerk returns no such user"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			decision := test.explain()
			var lines []string
			decides := ""
			for _, c := range decision.Candidates {
				lines = append(lines, string(c.Source)+" "+c.Name+": "+c.Why)
				if c.Decides {
					decides += string(c.Source) + " " + c.Name
				}
			}
			if decides != test.decides {
				t.Errorf("%q decides, want %q", decides, test.decides)
			}
			for _, want := range test.want {
				if !slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, want) }) {
					t.Errorf("no candidate %q in:\n%s", want, strings.Join(lines, "\n"))
				}
			}
		})
	}
}
