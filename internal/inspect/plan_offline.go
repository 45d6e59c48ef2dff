package inspect

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync/atomic"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/state"
	"github.com/fitai/fituser-operator/internal/user"
)

// offlineOwner stands for an owner id that this account may not read. It is written nowhere.
const offlineOwner = "this-installation"

// masked is what --status-profile=masked leaves of a text.
const masked = "***"

// hiddenDomain is the domain of the addresses that stand for those that no status shows.
const hiddenDomain = "hidden.invalid"

// offlineUnknown is what the statuses of FitUsers do not contain.
type offlineUnknown struct {
	profile fituser.ProfileMode
	// users have an account that a status describes, or a status that reports them as deleted in Clerk.
	users map[user.ID]bool
	// stateUnreadable is true when this account may not read the operator state.
	stateUnreadable atomic.Bool
}

// decidable returns those of the users whose preview can be made.
func (o *offlineUnknown) decidable(ids []user.ID) []user.ID {
	return slices.DeleteFunc(slices.Clone(ids), func(id user.ID) bool { return !o.users[id] })
}

// offlineBackends returns Clerk and the table as the statuses of the FitUsers describe them.
func (i *Inspector) offlineBackends(ctx context.Context) (planBackends, error) {
	unknown := &offlineUnknown{users: map[user.ID]bool{}}
	operatorState := &state.Store{Client: lenientState{i.Cluster, &unknown.stateUnreadable}, Namespace: i.Namespace}
	persisted, err := operatorState.Read(ctx)
	if err != nil {
		return planBackends{}, err
	}
	owner := persisted.OwnerID
	if configured, err := i.Roles.Owner(ctx); err == nil {
		owner = cmp.Or(configured, owner)
	}
	owner = cmp.Or(owner, offlineOwner)
	var rules v1alpha1.RoleRuleList
	if err := i.Cluster.List(ctx, &rules, client.InNamespace(i.Namespace)); err != nil {
		return planBackends{}, fmt.Errorf("listing RoleRules: %w", err)
	}
	o := offline{owner: owner, rules: rules.Items, byUser: map[user.ID][]*v1alpha1.FitUser{}}
	if err := i.eachFitUser(ctx, o.collect); err != nil {
		return planBackends{}, err
	}
	accounts := o.standIn(cmp.Or(persisted.InstanceID, "offline"))
	for id := range o.byUser {
		unknown.users[id] = o.decidable(id)
	}
	unknown.profile = o.profile
	return planBackends{
		clerk: accounts, table: standInTable{accounts}, state: operatorState, key: func() string { return "offline" },
		owner: func(context.Context) (string, error) { return owner, nil }, profile: o.profile, unknown: unknown,
	}, nil
}

// lenientState reads an operator state that this account may not read as one that does not exist yet.
type lenientState struct {
	client.Client
	refused *atomic.Bool // several previews read at once
}

// Get implements client.Reader.
func (l lenientState) Get(ctx context.Context, key client.ObjectKey, into client.Object, options ...client.GetOption) error {
	err := l.Client.Get(ctx, key, into, options...)
	if apierrors.IsForbidden(err) {
		l.refused.Store(true)
		return apierrors.NewNotFound(fitusers.Resource(), key.Name)
	}
	return err
}

// offline reads accounts from the statuses of FitUsers.
type offline struct {
	owner   string
	rules   []v1alpha1.RoleRule
	byUser  map[user.ID][]*v1alpha1.FitUser
	profile fituser.ProfileMode
}

// collect keeps a FitUser that is about a user.
func (o *offline) collect(u *v1alpha1.FitUser) {
	if id := user.ID(u.UserID()); id != "" {
		kept := u.DeepCopy()
		kept.ManagedFields = nil
		o.byUser[id] = append(o.byUser[id], kept)
	}
}

// decidable reports whether a status describes the account, or reports that Clerk has no such user.
func (o *offline) decidable(id user.ID) bool {
	return slices.ContainsFunc(o.byUser[id], func(u *v1alpha1.FitUser) bool {
		return fitusers.EverObserved(u) || fituser.ReadyReason(u) == v1alpha1.ReasonUserNotFound
	})
}

// deleted reports whether a status is about a user who is deleted in Clerk.
func deleted(s v1alpha1.FitUserStatus) bool { return s.ClerkUserID == "" && s.Role == "" }

// standIn returns a Clerk with the accounts that the statuses describe.
func (o *offline) standIn(instance string) *standInClerk {
	o.profile = shownProfile(o.statuses)
	c := &standInClerk{
		instance: instance, mapping: user.DefaultMapping(), users: map[user.ID]user.User{}, rows: map[user.ID]user.Row{}, absent: map[user.ID]bool{},
	}
	for id, found := range o.byUser {
		slices.SortFunc(found, fitusers.CompareActive)
		seen := slices.IndexFunc(found, func(u *v1alpha1.FitUser) bool { return fitusers.EverObserved(u) && u.Status.Role != "" })
		if seen < 0 {
			seen = slices.IndexFunc(found, fitusers.EverObserved)
		}
		switch {
		case seen < 0:
			c.absent[id] = o.decidable(id)
		case deleted(found[seen].Status):
			c.absent[id] = true
			c.rows[id] = user.Row{ID: id, Email: string(id) + "@" + hiddenDomain}
		default:
			account := o.account(id, found[seen], found)
			c.users[id] = account
			if account.Email != "" {
				c.rows[id] = c.mapping.DesiredRow(account, user.Role(found[seen].Status.Role))
			}
		}
	}
	c.sort()
	return c
}

// shownProfile returns the --status-profile that statuses were written with, as far as they show it.
func shownProfile(statuses iter.Seq[*v1alpha1.FitUserStatus]) fituser.ProfileMode {
	mode := fituser.ProfileNone
	for s := range statuses {
		switch {
		case s.Profile == nil:
		case s.Profile.Email != "" && !strings.Contains(s.Profile.Email, masked):
			return fituser.ProfileFull
		default:
			mode = fituser.ProfileMasked
		}
	}
	return mode
}

// stricter returns the mode of the two that shows less.
func stricter(a, b fituser.ProfileMode) fituser.ProfileMode {
	for _, mode := range []fituser.ProfileMode{fituser.ProfileNone, fituser.ProfileMasked} {
		if a == mode || b == mode {
			return mode
		}
	}
	return fituser.ProfileFull
}

func (o *offline) statuses(yield func(*v1alpha1.FitUserStatus) bool) {
	for _, found := range o.byUser {
		for _, u := range found {
			if !yield(&u.Status) {
				return
			}
		}
	}
}

// account returns the user that a status describes. All are the user's FitUsers.
func (o *offline) account(id user.ID, seen *v1alpha1.FitUser, all []*v1alpha1.FitUser) user.User {
	s := seen.Status
	u := user.User{
		ID: id, Banned: s.Clerk.Banned, Locked: s.Clerk.Locked, Deprovisioned: s.Clerk.Deprovisioned,
		CreatedAt: s.Clerk.CreatedAt.Time,
	}
	if s.Profile != nil {
		u.Email, u.FirstName, u.LastName, u.Phone = s.Profile.Email, s.Profile.FirstName, s.Profile.LastName, s.Profile.Phone
	}
	if maskedTest := s.Clerk.TestUser && o.profile == fituser.ProfileMasked; u.Email != "" && !maskedTest {
		u.VerifiedEmails = append(u.VerifiedEmails, user.NormalizeEmail(u.Email))
	}
	if u.Email == "" && o.profile == fituser.ProfileNone && fituser.ReadyReason(seen) != v1alpha1.ReasonEmailMissing {
		u.Email = string(id) + "@" + hiddenDomain
	}
	for _, bound := range all {
		if bound.Spec.Email != "" {
			u.VerifiedEmails = append(u.VerifiedEmails, user.NormalizeEmail(bound.Spec.Email))
		}
	}
	u.Role = s.Clerk.Role
	if s.RoleSource != v1alpha1.RoleSource(user.FromDefault) {
		u.Role = cmp.Or(u.Role, string(s.Role))
	}
	o.addMarker(&u, s, all)
	o.addRuleMatch(&u, s)
	return u
}

// addMarker adds the marker that the source of the role implies.
func (o *offline) addMarker(u *user.User, s v1alpha1.FitUserStatus, all []*v1alpha1.FitUser) {
	u.Marker = user.Marker{Role: string(s.Role), Owner: o.owner}
	switch {
	case s.MarkerOwner != "":
		u.Marker = user.Marker{Role: u.Role, Owner: s.MarkerOwner}
		if s.MarkerOwner == unnamedOwner {
			u.Marker.Owner = ""
		}
	case s.RoleSource == v1alpha1.RoleSource(user.FromRule):
		u.Marker.Rule = s.RoleRule
	case s.RoleSource == v1alpha1.RoleSource(user.FromManifest):
		if until := all[0].Spec.RoleExpiresAt; until != nil && all[0].Spec.Role == s.Role {
			u.Marker.Until = until.UTC()
		}
	default:
		u.Marker = user.Marker{}
	}
	u.HasMarker = u.Marker != user.Marker{}
}

// unnamedOwner is what a status contains for a marker without an owner.
const unnamedOwner = "unknown"

// addRuleMatch makes the user match the RoleRule that gave them their role: the status does not show all of their addresses,
// nor what they requested.
func (o *offline) addRuleMatch(u *user.User, s v1alpha1.FitUserStatus) {
	at := slices.IndexFunc(o.rules, func(r v1alpha1.RoleRule) bool { return r.Name == s.RoleRule })
	if s.RoleSource != v1alpha1.RoleSource(user.FromRule) || at < 0 {
		return
	}
	rule := o.rules[at].Spec
	if rule.RequestedAtSignUp {
		u.RequestedRole = string(rule.Role)
	}
	shown := slices.ContainsFunc(u.VerifiedEmails, func(address string) bool {
		_, domain, _ := strings.Cut(address, "@")
		return slices.ContainsFunc(rule.EmailDomains, func(d string) bool { return strings.EqualFold(d, domain) })
	})
	if len(rule.EmailDomains) > 0 && !shown {
		u.VerifiedEmails = append(u.VerifiedEmails, strings.ToLower(string(u.ID)+"@"+rule.EmailDomains[0]))
	}
}

// noteOffline adds what a plan without Clerk cannot know.
func (p *planner) noteOffline(unknown *offlineUnknown) {
	p.Notes = append(p.Notes, "Offline: computed from the statuses of FitUsers. Users without a FitUser are not known, nor are "+
		"further addresses of a user; addresses in statuses count as verified.")
	if unknown.stateUnreadable.Load() {
		p.Notes = append(p.Notes, "The operator state cannot be read: the whole deletion budget is assumed.")
	}
	for _, id := range p.applied.users() {
		if !unknown.users[id] {
			p.Undecided[string(id)] = "no status of a FitUser describes this user"
		}
	}
	for _, r := range p.applied.rules {
		change := p.applied.change(kindRoleRule, r.Name)
		switch {
		case change == "":
		case r.Spec.RequestedAtSignUp:
			p.Undecided[kindRoleRule+" "+r.Name] = "no status shows who requested a role at sign-up"
		case unknown.profile == fituser.ProfileNone:
			p.Undecided[kindRoleRule+" "+r.Name] = "no status shows an address (--status-profile=none)"
		}
	}
}

// errOffline is the error for a user that no status describes.
func errOffline() error { return &clerk.Error{Kind: clerk.Unavailable, Code: "offline"} }
