package scenes_test

import (
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/user"
)

// inClerk makes one change in Clerk.
func (p *sequence) inClerk() {
	if rapid.IntRange(0, 3).Draw(p.draw, "sign up") == 0 || len(p.clerk.Users()) == 1 {
		p.signUpNext()
		return
	}
	id, _ := p.anyUser()
	what := p.pick("in Clerk", "renames", "moves address", "swaps addresses", "loses address",
		"adds an address", "removes an address", "is banned", "is deleted", "gets a role", "is granted a role elsewhere", "signs in")
	p.logStep("%s %s", id, what)
	switch what {
	case "renames":
		p.clerk.SetNames(id, canary+p.pick("name", "A", "B"), "")
	case "moves address":
		p.moveAddress(id)
	case "swaps addresses":
		p.swapAddresses(id)
	case "loses address":
		p.clerk.SetPrimaryEmail(id, "")
	case "adds an address":
		p.addAddress(id)
	case "removes an address":
		p.removeAddress(id)
	case "is banned":
		p.clerk.Ban(id)
	case "is deleted":
		p.abandonBeforeDeletion(user.ID(id))
		p.clerk.Delete(id)
		p.sendEvent(id, v1alpha1.UserDeleted)
		return
	case "gets a role":
		p.clerk.SetPublicMetadata(id, clerktest.Metadata{"role": p.pick("role in Clerk", "admin", "trainer", "client", "owner", ""), "theme": "dark"})
	case "is granted a role elsewhere":
		role := p.pick("role elsewhere", "admin", "trainer")
		marker := map[string]any{"role": role, "owner": p.pick("owner", otherOwner, formerOwner, "")}
		p.clerk.SetPublicMetadata(id, clerktest.Metadata{"role": role})
		p.clerk.SetPrivateMetadata(id, clerktest.Metadata{"fituser": marker})
	case "signs in":
		p.clerk.SignIn(id)
	}
	p.sendEvent(id, v1alpha1.UserUpdated)
}

func (p *sequence) signUpNext() {
	for _, name := range names() {
		if id := user.ID("user_" + name); !slices.Contains(p.usedIDs, id) {
			at := p.pick("address", append(names(), "new")...)
			p.logStep("%s signs up as %s", id, at)
			if p.addressTaken(address(at)) {
				at = "only." + name
			}
			p.signUpAgain(name, address(at))
			p.usedIDs = append(p.usedIDs, id)
			p.sendEvent(string(id), v1alpha1.UserCreated)
			return
		}
	}
}

func (p *sequence) addressTaken(address string) bool {
	return slices.ContainsFunc(p.clerk.Users(), func(u clerktest.User) bool {
		return slices.ContainsFunc(u.EmailAddresses, func(e clerktest.EmailAddress) bool { return e.EmailAddress == address })
	})
}

// moveAddress gives a user an address, which another user may lose.
func (p *sequence) moveAddress(id string) {
	to := address(p.pick("address", append(names(), "new")...))
	for _, u := range p.clerk.Users() {
		if u.ID != id && u.PrimaryEmail() == to {
			defer p.sendEvent(u.ID, v1alpha1.UserUpdated)
		}
	}
	p.clerk.SetPrimaryEmail(id, to)
}

// addAddress adds a further address to a user, or verifies it if it is there.
func (p *sequence) addAddress(id string) {
	at := address(p.pick("address", append(names(), "new")...))
	verified := p.pick("verified", "yes", "no") == "yes" && !slices.ContainsFunc(p.clerk.Users(), func(u clerktest.User) bool {
		return u.ID != id && holdsVerified(&u, at)
	})
	u, _ := p.clerk.User(id)
	switch {
	case !slices.ContainsFunc(u.EmailAddresses, func(e clerktest.EmailAddress) bool { return e.EmailAddress == at }):
		p.clerk.AddEmail(id, at, verified)
	case verified:
		p.clerk.VerifyEmail(id, at)
	}
}

// removeAddress removes an address other than the primary one.
func (p *sequence) removeAddress(id string) {
	u, _ := p.clerk.User(id)
	for _, e := range u.EmailAddresses {
		if e.EmailAddress != u.PrimaryEmail() {
			p.clerk.RemoveEmail(id, e.EmailAddress)
			return
		}
	}
}

// abandonBeforeDeletion marks a user who is about to be deleted and whose row may stay. If a process ended after it wrote the
// row and before a status recorded that, the row stays: see docs/reliability.md. It also stays when a manifest that names an
// address retains it: the manifest then waits for the next holder of the address.
func (p *sequence) abandonBeforeDeletion(id user.ID) {
	account, _ := p.clerk.User(string(id))
	observed := slices.ContainsFunc(p.objectsOf(id), fitusers.EverObserved)
	retained := slices.ContainsFunc(p.current(), func(u *v1alpha1.FitUser) bool {
		return u.Spec.DeletionPolicy == v1alpha1.DeletionPolicyRetain && u.Spec.Email != "" &&
			(u.UserID() == string(id) || holdsVerified(&account, u.Spec.Email))
	})
	p.abandoned[id] = p.abandoned[id] || retained || !observed && p.raw.Row(id) != nil
}

func (p *sequence) swapAddresses(id string) {
	with, _ := p.anyUser()
	a, _ := p.clerk.User(id)
	b, _ := p.clerk.User(with)
	lists := func(u clerktest.User, address string) bool {
		return slices.ContainsFunc(u.EmailAddresses, func(e clerktest.EmailAddress) bool { return e.EmailAddress == address })
	}
	if id == with || a.PrimaryEmail() == "" || b.PrimaryEmail() == "" || lists(a, b.PrimaryEmail()) || lists(b, a.PrimaryEmail()) {
		return
	}
	p.clerk.SwapEmails(id, with)
	p.sendEvent(with, v1alpha1.UserUpdated)
}

// inTheTable edits a row by hand, or deletes a user's FitUsers.
func (p *sequence) inTheTable() {
	id := "user_" + p.pick("row", names()...)
	what := p.pick("in the table", "deletes", "edits", "gives another's address to", "inserts a row before", "deletes the FitUsers of")
	p.logStep("an administrator %s %s", what, id)
	switch what {
	case "deletes":
		p.raw.Exec("DELETE FROM users WHERE id = $1", id)
	case "edits":
		p.raw.Exec("UPDATE users SET role = 'admin', first_name = 'x', phone = '1' WHERE id = $1", id)
	case "gives another's address to":
		p.raw.Exec("UPDATE OR IGNORE users SET email = $2 WHERE id = $1", id, address(p.pick("address", names()...)))
	case "inserts a row before":
		p.raw.Exec("INSERT OR IGNORE INTO users (id, email, first_name, last_name, role, created_at, updated_at)"+
			" VALUES ('legacy', $1, 'x', 'y', 'admin', 1, 1)", address(strings.TrimPrefix(id, "user_")))
	case "deletes the FitUsers of":
		for _, object := range p.objectsOf(user.ID(id)) {
			p.abandoned[user.ID(id)] = true
			p.remove(object.Name)
		}
	}
}
