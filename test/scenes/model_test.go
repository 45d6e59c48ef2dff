package scenes_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

// model is one user in Clerk, the API server and the table, with the documentation's rules for their agreement. It restates
// the rules as plainly as possible, so that the operator is not compared with itself. The rules of roles are in
// model_roles_test.go, those of agreement in model_violation_test.go.
type model struct {
	installation
	id      user.ID
	now     time.Time
	account *clerktest.User // nil: not in Clerk
	// objects are the user's FitUsers: those that name the id, and those that name an address of the user.
	objects []*v1alpha1.FitUser
	row     map[string]any // nil: no row
	// holder is the owner of another row that has this user's address. It is nil for an owner who in turn waits for this user:
	// the rows of such a ring can exchange their addresses.
	holder *model
	// otherAdmins are how many other users hold the protected role and can use it.
	otherAdmins int

	active *v1alpha1.FitUser
	reason string // of Ready
}

func (s *scene) modelOf(id user.ID) *model {
	s.Helper()
	return s.modelExcept(id, nil)
}

// modelExcept returns a user's model without holders among the others, who wait for this user.
func (s *scene) modelExcept(id user.ID, others []user.ID) *model {
	s.Helper()
	m := &model{installation: s.installation, id: id, now: s.clock.Now(), row: s.raw.Row(id)}
	if u, ok := s.clerk.User(string(id)); ok {
		m.account = &u
		for _, row := range s.raw.Query("SELECT id FROM users WHERE email = $1 AND id <> $2", u.PrimaryEmail(), string(id)) {
			if holder := user.ID(fmt.Sprint(row["id"])); !slices.Contains(others, holder) {
				m.holder = s.modelExcept(holder, append(others, id))
			}
		}
	}
	if s.minProtected > 0 {
		m.otherAdmins = s.admins(id)
	}
	m.objects = s.objectsFor(id, m.account)
	m.active = activeOf(m.objects)
	if m.active != nil {
		m.reason = fituser.ReadyReason(m.active)
	}
	return m
}

// admins counts the users other than id who hold the protected role and can use it.
func (s *scene) admins(except user.ID) (n int) {
	for _, u := range s.clerk.Users() {
		if u.ID != string(except) && u.PublicMetadata["role"] == "admin" && !u.Banned {
			n++
		}
	}
	return n
}

// objectsFor returns copies of the FitUsers whose user this is. A manifest that names an address belongs to the user who
// holds it as a verified one, but not while it is bound to another user. It belongs to a deleted user while it is bound.
func (s *scene) objectsFor(id user.ID, account *clerktest.User) []*v1alpha1.FitUser {
	s.Helper()
	var found []*v1alpha1.FitUser
	for _, u := range s.current() {
		belongs := u.Spec.ClerkUserID == string(id)
		if u.Spec.Email != "" {
			bound := u.Status.ClerkUserID == string(id)
			belongs = bound && account == nil || (bound || u.Status.ClerkUserID == "") && account != nil && holdsVerified(account, u.Spec.Email)
		}
		if belongs {
			found = append(found, u.DeepCopy())
		}
	}
	return found
}

// waitsForRow reports whether a manifest still belongs to a deleted user, whose row is not deleted yet because the manifest
// is suspended or the deletion budget is spent.
func (s *scene) waitsForRow(u *v1alpha1.FitUser) bool {
	if u.Status.ClerkUserID == "" || u.Status.Clerk == nil {
		return false
	}
	if _, there := s.clerk.User(u.Status.ClerkUserID); there {
		return false
	}
	waits := u.Spec.Suspend || fituser.ReadyReason(u) == v1alpha1.ReasonDeletionDeferred
	return waits && s.raw.Row(user.ID(u.Status.ClerkUserID)) != nil
}

// holdsVerified reports whether the user holds an address as a verified one, in upper or lower case.
func holdsVerified(u *clerktest.User, address string) bool {
	return slices.ContainsFunc(u.EmailAddresses, func(e clerktest.EmailAddress) bool {
		return strings.EqualFold(e.EmailAddress, address) && e.Verification != nil && e.Verification.Status == "verified"
	})
}

// activeOf returns the active FitUser: not terminating; user-managed before operator-managed; one that names the id before
// one that names an address; the older; the smaller UID.
func activeOf(objects []*v1alpha1.FitUser) *v1alpha1.FitUser {
	staying := slices.DeleteFunc(slices.Clone(objects), func(u *v1alpha1.FitUser) bool { return u.DeletionTimestamp != nil })
	rank := func(u *v1alpha1.FitUser) int {
		switch {
		case u.ManagedByOperator():
			return 2
		case u.Spec.ClerkUserID == "":
			return 1
		default:
			return 0
		}
	}
	slices.SortFunc(staying, func(a, b *v1alpha1.FitUser) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.UID, b.UID))
	})
	if len(staying) == 0 {
		return nil
	}
	return staying[0]
}
