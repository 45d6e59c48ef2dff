package inspect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

// subject is what a person asks about: a user, or manifests whose address nobody holds.
type subject struct {
	// id is empty when no user is known. unbound are then the manifests.
	id      user.ID
	unbound []*v1alpha1.FitUser
	// unverified are users with the address of the manifests who have not verified it.
	unverified []user.ID
}

// find returns the user with a Clerk id, a FitUser's name, or an e-mail address. An address is looked up in the FitUsers
// and, where --status-profile hides it there, in Clerk.
func (i *Inspector) find(ctx context.Context, name string) (subject, error) {
	if id, err := user.ParseID(name); err == nil {
		return subject{id: id}, nil
	}
	known, unbound, err := i.findFitUsers(ctx, name)
	if err != nil {
		return subject{}, err
	}
	s := subject{unbound: unbound}
	address := name
	if len(unbound) > 0 {
		address = unbound[0].Spec.Email
	}
	if len(known) == 0 && strings.Contains(address, "@") && i.Clerk != nil {
		if known, s.unverified, err = i.findInClerk(ctx, address); err != nil {
			return subject{}, err
		}
		if len(unbound) == 0 {
			known = append(known, s.unverified...)
		}
	}
	return s.of(known)
}

// of returns the subject with the one user among those that were found.
func (s subject) of(found []user.ID) (subject, error) {
	slices.Sort(found)
	found = slices.Compact(found)
	switch {
	case len(found) > 1:
		return subject{}, fmt.Errorf("several users match, name one by Clerk id: %v", found)
	case len(found) == 1:
		s.id = found[0]
	case len(s.unbound) == 0:
		return subject{}, errors.New("no user found: name one by Clerk id (user_…), by FitUser name, or by an e-mail address " +
			"that Clerk has")
	}
	return s, nil
}

// findFitUsers returns the users of the FitUsers that match, and the matching manifests that are bound to no user.
func (i *Inspector) findFitUsers(ctx context.Context, name string) (known []user.ID, unbound []*v1alpha1.FitUser, err error) {
	err = i.eachFitUser(ctx, func(u *v1alpha1.FitUser) {
		switch {
		case !names(u, name):
		case u.UserID() != "":
			known = append(known, user.ID(u.UserID()))
		default:
			unbound = append(unbound, u.DeepCopy())
		}
	})
	return known, unbound, err
}

// names reports whether a FitUser has a name, or an address in its spec or status.
func names(u *v1alpha1.FitUser, name string) bool {
	if name == "" {
		return false
	}
	profile := u.Status.Profile
	return u.Name == name || strings.EqualFold(u.Spec.Email, name) || profile != nil && strings.EqualFold(profile.Email, name)
}

// findInClerk returns the users with an address in Clerk: those who hold it, and those who have not verified it.
func (i *Inspector) findInClerk(ctx context.Context, address string) (holders, unverified []user.ID, err error) {
	accounts, err := i.Clerk.FindByEmail(ctx, address)
	for _, account := range accounts {
		if account.Holds(address) {
			holders = append(holders, account.ID)
		} else {
			unverified = append(unverified, account.ID)
		}
	}
	return holders, unverified, err
}
