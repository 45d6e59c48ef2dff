package clerktest

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// directory is the set of users at one moment. Stored users are immutable: a write stores a new version. A copy of a
// directory, which [Server.Stale] serves as a lagging read replica, therefore copies only pointers.
type directory struct {
	users  map[string]*User
	order  []sortKey         // by time of creation, oldest first
	owners map[string]string // user ids by the key of their unique values
}

// sortKey orders the list of users: by time of creation, then by id.
type sortKey struct {
	createdAt int64
	id        string
}

func newDirectory() *directory {
	return &directory{users: map[string]*User{}, owners: map[string]string{}}
}

func (d *directory) copy() *directory {
	return &directory{users: maps.Clone(d.users), order: slices.Clone(d.order), owners: maps.Clone(d.owners)}
}

// put stores u as the current version of its user.
func (d *directory) put(u *User) {
	if old, ok := d.users[u.ID]; ok {
		d.release(old)
		if old.CreatedAt != u.CreatedAt {
			d.unlink(old)
			d.insert(u)
		}
	} else {
		d.insert(u)
	}
	d.users[u.ID] = u
	for _, v := range uniqueValues(u) {
		d.owners[v.key()] = u.ID
	}
}

func (d *directory) remove(u *User) {
	d.release(u)
	d.unlink(u)
	delete(d.users, u.ID)
}

// release frees the unique values of u, except those that another user has taken since.
func (d *directory) release(u *User) {
	for _, v := range uniqueValues(u) {
		if d.owners[v.key()] == u.ID {
			delete(d.owners, v.key())
		}
	}
}

func (d *directory) insert(u *User) {
	i, _ := d.find(u)
	d.order = slices.Insert(d.order, i, sortKey{u.CreatedAt, u.ID})
}

func (d *directory) unlink(u *User) {
	if i, ok := d.find(u); ok {
		d.order = slices.Delete(d.order, i, i+1)
	}
}

func (d *directory) find(u *User) (int, bool) {
	return slices.BinarySearchFunc(d.order, sortKey{u.CreatedAt, u.ID}, func(a, b sortKey) int {
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

// byEmailID returns the user who owns the e-mail address resource emailID, or nil.
func (d *directory) byEmailID(emailID string) *User {
	return d.users[d.owners[uniqueValue{"id", emailID}.key()]]
}

// conflict returns the first unique value of u that belongs to another user.
func (d *directory) conflict(u *User) (uniqueValue, bool) {
	for _, v := range uniqueValues(u) {
		if holder, found := d.owners[v.key()]; found && holder != u.ID {
			return v, true
		}
	}
	return uniqueValue{}, false
}

// uniqueValue is a value that only one user of an instance may have. The parameter is its name in the API.
type uniqueValue struct {
	parameter string
	value     string
}

// key ignores case: Clerk treats jane@example.com and Jane@Example.com as the same address.
func (v uniqueValue) key() string {
	if v.parameter == "id" || v.parameter == "external_id" {
		return v.parameter + "=" + v.value
	}
	return v.parameter + "=" + strings.ToLower(v.value)
}

// emailKey returns the key of an e-mail address.
func emailKey(address string) string { return uniqueValue{"email_address", address}.key() }

// uniqueValues returns the values of u that no other user may have. An unverified address is none of them, because it
// proves nothing about its user; Clerk's document names reserved addresses as the exception.
func uniqueValues(u *User) []uniqueValue {
	values := make([]uniqueValue, 0, 2*len(u.EmailAddresses)+2*len(u.PhoneNumbers)+2)
	for _, e := range u.EmailAddresses {
		values = append(values, uniqueValue{"id", e.ID})
		if e.claimed() {
			values = append(values, uniqueValue{"email_address", e.EmailAddress})
		}
	}
	for _, p := range u.PhoneNumbers {
		values = append(values, uniqueValue{"phone_number", p.PhoneNumber}, uniqueValue{"id", p.ID})
	}
	if u.Username != nil {
		values = append(values, uniqueValue{"username", *u.Username})
	}
	if u.ExternalID != nil {
		values = append(values, uniqueValue{"external_id", *u.ExternalID})
	}
	return values
}
