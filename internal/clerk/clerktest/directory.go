package clerktest

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// directory is the set of users at one moment. A stored user never changes: a write stores a new version. So a copy
// of a directory, which is what a lagging read replica serves, costs pointers only.
type directory struct {
	users map[string]*User
	order []position        // by creation, oldest first
	owner map[string]string // what must be unique in the instance, see claims -> user id
}

// position is where a user stands in the list, ordered by time of creation and then id.
type position struct {
	createdAt int64
	id        string
}

func newDirectory() *directory {
	return &directory{users: map[string]*User{}, owner: map[string]string{}}
}

func (d *directory) copy() *directory {
	return &directory{users: maps.Clone(d.users), order: slices.Clone(d.order), owner: maps.Clone(d.owner)}
}

// put stores u as the current version of its user.
func (d *directory) put(u *User) {
	if old, ok := d.users[u.ID]; ok {
		d.release(old)
		if old.CreatedAt != u.CreatedAt {
			d.unplace(old)
			d.place(u)
		}
	} else {
		d.place(u)
	}
	d.users[u.ID] = u
	for _, c := range claims(u) {
		d.owner[c.key()] = u.ID
	}
}

func (d *directory) remove(u *User) {
	d.release(u)
	d.unplace(u)
	delete(d.users, u.ID)
}

// release gives up what u claims, except what somebody else has claimed since.
func (d *directory) release(u *User) {
	for _, c := range claims(u) {
		if d.owner[c.key()] == u.ID {
			delete(d.owner, c.key())
		}
	}
}

func (d *directory) place(u *User) {
	i, _ := d.find(u)
	d.order = slices.Insert(d.order, i, position{u.CreatedAt, u.ID})
}

func (d *directory) unplace(u *User) {
	if i, ok := d.find(u); ok {
		d.order = slices.Delete(d.order, i, i+1)
	}
}

func (d *directory) find(u *User) (int, bool) {
	return slices.BinarySearchFunc(d.order, position{u.CreatedAt, u.ID}, func(a, b position) int {
		return cmp.Or(cmp.Compare(a.createdAt, b.createdAt), cmp.Compare(a.id, b.id))
	})
}

// all returns every user, oldest first.
func (d *directory) all() []*User {
	users := make([]*User, len(d.order))
	for i, p := range d.order {
		users[i] = d.users[p.id]
	}
	return users
}

// byEmailID returns the user who has the e-mail address resource with that id, or nil.
func (d *directory) byEmailID(emailID string) *User {
	return d.users[d.owner[claim{"id", emailID}.key()]]
}

// conflict returns the first claim of u that belongs to somebody else.
func (d *directory) conflict(u *User) (claim, bool) {
	for _, c := range claims(u) {
		if holder, taken := d.owner[c.key()]; taken && holder != u.ID {
			return c, true
		}
	}
	return claim{}, false
}

// claim is a value that only one user of an instance may have. The parameter is the API's name for it.
type claim struct {
	parameter string
	value     string
}

// key ignores case: Clerk takes jane@example.com and Jane@Example.com for the same address.
func (c claim) key() string {
	if c.parameter == "id" || c.parameter == "external_id" {
		return c.parameter + "=" + c.value
	}
	return c.parameter + "=" + strings.ToLower(c.value)
}

func claims(u *User) []claim {
	held := make([]claim, 0, 2*len(u.EmailAddresses)+2*len(u.PhoneNumbers)+2)
	for _, e := range u.EmailAddresses {
		held = append(held, claim{"email_address", e.EmailAddress}, claim{"id", e.ID})
	}
	for _, p := range u.PhoneNumbers {
		held = append(held, claim{"phone_number", p.PhoneNumber}, claim{"id", p.ID})
	}
	if u.Username != nil {
		held = append(held, claim{"username", *u.Username})
	}
	if u.ExternalID != nil {
		held = append(held, claim{"external_id", *u.ExternalID})
	}
	return held
}
