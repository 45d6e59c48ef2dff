package inspect

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/user"
)

// RoleStatus is the part of [Status] about roles.
type RoleStatus struct {
	// Roles counts FitUsers by the role in force, Granted only the roles that a manifest still gives.
	Roles   map[string]int `json:"roles"`
	Granted map[string]int `json:"granted"`
	// Protected is who holds the protected role.
	Protected Protected `json:"protected"`
	// Expiring are the roles in force that expire within [expiringWithin], the next one first.
	Expiring []Expiring `json:"expiring"`
	// AwaitingSignUp are the manifests whose address nobody holds.
	AwaitingSignUp NamedManifests `json:"awaitingSignUp"`
	// ForeignMarkers counts the users with a marker of another installation, by its owner id.
	ForeignMarkers map[string]int `json:"foreignMarkers"`
	// RoleRules are all RoleRules, by name.
	RoleRules []RoleRule `json:"roleRules"`
}

// Protected is who holds the protected role. Nothing prevents that Clerk itself deletes, bans or demotes holders.
type Protected struct {
	// Role is empty when no role is protected.
	Role user.Role `json:"role,omitempty"`
	// Users counts the holders who can use the role. Holders has the Clerk ids of the first ones.
	Users   int      `json:"users"`
	Holders []string `json:"holders"`
	// Minimum is --min-protected.
	Minimum int `json:"minimum"`
}

// Expiring is a role that expires soon.
type Expiring struct {
	FitUser string    `json:"fitUser"`
	User    string    `json:"user"`
	Role    string    `json:"role"`
	At      time.Time `json:"at"`
}

// NamedManifests are counted manifests, the first of them by name.
type NamedManifests struct {
	Count int      `json:"count"`
	Names []string `json:"names"`
}

// RoleRule is the state of a RoleRule.
type RoleRule struct {
	Name string `json:"name"`
	Role string `json:"role"`
	// Users is how many users the last complete sweep found; absent before the first one.
	Users *int32 `json:"users,omitempty"`
	// NeverMatches is why no user gets a role by the rule; empty when users do.
	NeverMatches string `json:"neverMatches,omitempty"`
}

const (
	// expiringWithin is how far ahead roles that expire are listed.
	expiringWithin = 7 * 24 * time.Hour
	// maxNamed is how many users or manifests are named in a line.
	maxNamed = 10
)

func newRoleStatus(protected user.Role, minimum int) RoleStatus {
	return RoleStatus{
		Roles: map[string]int{}, Granted: map[string]int{}, ForeignMarkers: map[string]int{},
		Protected: Protected{Role: protected, Minimum: minimum, Holders: []string{}},
		Expiring:  []Expiring{}, AwaitingSignUp: NamedManifests{Names: []string{}}, RoleRules: []RoleRule{},
	}
}

func (s *RoleStatus) countRole(u *v1alpha1.FitUser, now time.Time) {
	s.Roles[cmp.Or(string(u.Status.Role), "none")]++
	if grants(u, now) {
		s.Granted[string(u.Status.Role)]++
		s.addExpiring(u, now)
	}
	if owner := u.Status.MarkerOwner; owner != "" {
		s.ForeignMarkers[owner]++
	}
	if fituser.ReadyReason(u) == v1alpha1.ReasonAwaitingSignUp {
		s.AwaitingSignUp.add(u.Name)
	}
	s.Protected.add(u)
}

// grants reports whether a manifest gives the role in force. A role whose manifest is changed, deleted or expired since is
// about to be revoked.
func grants(u *v1alpha1.FitUser, now time.Time) bool {
	until := u.Spec.RoleExpiresAt
	return u.Status.RoleSource == v1alpha1.RoleSource(user.FromManifest) && u.Spec.Role != "" && u.Spec.Role == u.Status.Role &&
		!fitusers.IsTerminating(u) && (until == nil || now.Before(until.Time))
}

func (s *RoleStatus) addExpiring(u *v1alpha1.FitUser, now time.Time) {
	until := u.Spec.RoleExpiresAt
	if until != nil && until.Time.Before(now.Add(expiringWithin)) {
		s.Expiring = append(s.Expiring, Expiring{u.Name, u.UserID(), string(u.Spec.Role), until.UTC()})
	}
}

func (s *RoleStatus) sortExpiring() {
	slices.SortFunc(s.Expiring, func(a, b Expiring) int {
		return cmp.Or(a.At.Compare(b.At), strings.Compare(a.FitUser, b.FitUser))
	})
}

// add counts u among the holders. Banned and deactivated users cannot use the role, so the operator does not count them
// either.
func (p *Protected) add(u *v1alpha1.FitUser) {
	account := u.Status.Clerk
	if p.Role == "" || u.Status.Role != v1alpha1.Role(p.Role) || account != nil && (account.Banned || account.Deprovisioned) {
		return
	}
	if p.Users++; len(p.Holders) < maxNamed {
		p.Holders = append(p.Holders, u.UserID())
	}
}

func (m *NamedManifests) add(name string) {
	if m.Count++; len(m.Names) < maxNamed {
		m.Names = append(m.Names, name)
	}
}

func (i *Inspector) readRoleRules(ctx context.Context, s *Status) error {
	var list v1alpha1.RoleRuleList
	if err := i.Cluster.List(ctx, &list, client.InNamespace(i.Namespace)); err != nil {
		if meta.IsNoMatchError(err) {
			return nil // an installation of an earlier version has no such objects
		}
		return fmt.Errorf("listing RoleRules: %w", err)
	}
	for n := range list.Items {
		rule := &list.Items[n]
		s.RoleRules = append(s.RoleRules, RoleRule{rule.Name, string(rule.Spec.Role), rule.Status.Users, neverMatches(rule)})
	}
	return nil
}

// write prints one line for each question.
func (s RoleStatus) write(t *table) {
	t.row("ROLES", list(s.Roles))
	t.row("GRANTED ROLES", list(s.Granted))
	if s.Protected.Role != "" {
		t.row("PROTECTED ROLE", s.Protected.text())
	}
	t.row("OTHER OWNERS", s.foreignText())
	if s.AwaitingSignUp.Count > 0 {
		t.row("AWAITING SIGN-UP", fmt.Sprintf("%d: %s", s.AwaitingSignUp.Count, named(s.AwaitingSignUp.Names, s.AwaitingSignUp.Count)))
	}
}

func (p Protected) text() string {
	text := fmt.Sprintf("%s, held by %d", p.Role, p.Users)
	if p.Users > 0 {
		text += ": " + named(p.Holders, p.Users)
	}
	if p.Users < p.Minimum {
		text += fmt.Sprintf(". WARNING: fewer than %d (--min-protected) can use it. Grant it to somebody", p.Minimum)
	}
	return text
}

func (s RoleStatus) foreignText() string {
	if len(s.ForeignMarkers) == 0 {
		return "none"
	}
	return "roles that other installations granted, which stay as they are: " + list(s.ForeignMarkers)
}

// writeLists prints the roles that expire soon, and the RoleRules.
func (s RoleStatus) writeLists(t *table, now time.Time) {
	if len(s.Expiring) > 0 {
		t.line("")
		t.row("EXPIRES SOON", "USER", "ROLE", "AT", "IN")
	}
	for n, e := range s.Expiring {
		if n == maxNamed {
			t.line("… and %d more (-o json lists them)", len(s.Expiring)-n)
			break
		}
		t.row(e.FitUser, e.User, e.Role, timeText(e.At), age(e.At, now))
	}
	if len(s.RoleRules) > 0 {
		t.line("")
		t.row("ROLERULE", "ROLE", "USERS", "STATE")
	}
	for _, rule := range s.RoleRules {
		t.row(rule.Name, rule.Role, rule.users(), rule.state())
	}
}

func (r RoleRule) users() string {
	if r.Users == nil {
		return "?"
	}
	return fmt.Sprint(*r.Users)
}

func (r RoleRule) state() string {
	switch {
	case r.NeverMatches != "":
		return "NEVER MATCHES: " + r.NeverMatches
	case r.Users == nil:
		return "not counted yet: no sweep is complete"
	default:
		return "in force"
	}
}

// named lists the first names, and how many more there are.
func named(names []string, total int) string {
	text := strings.Join(names, ", ")
	if more := total - len(names); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
