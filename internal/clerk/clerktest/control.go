package clerktest

import (
	"fmt"
	"slices"
	"time"
)

// Person is the data of a new user. Every field may be empty.
type Person struct {
	// ID is the user's id. If it is empty, the server generates one.
	ID         string
	Email      string // verified, primary
	Phone      string // verified, primary; in the E.164 form +15550100
	FirstName  string
	LastName   string
	Username   string
	ExternalID string
	// VerifiedEmails and UnverifiedEmails are further addresses.
	VerifiedEmails, UnverifiedEmails []string
	// Nil metadata becomes {}.
	PublicMetadata, PrivateMetadata, UnsafeMetadata Metadata
}

// SignUp adds a user, sends user.created and returns the user's id. Like every method that changes users from Go, it
// panics where the API would return an error, because then the test itself is wrong.
func (s *Server) SignUp(p Person) string {
	u := s.userFromPerson(p, s.now())
	must(s.addUser(&u, browserOrigin()))
	return u.ID
}

// Import adds n users without sending events, as if they existed before the webhook endpoint. The users are numbered
// across imports (user00001@example.com, "First00001", "Last00001") and were created one second apart, the last one now.
// It returns their ids, oldest first.
func (s *Server) Import(n int) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, ids := s.now(), make([]string, 0, n)
	for i := range n {
		s.imported++
		u := s.userFromPerson(Person{
			Email:     fmt.Sprintf("user%05d@example.com", s.imported),
			FirstName: fmt.Sprintf("First%05d", s.imported),
			LastName:  fmt.Sprintf("Last%05d", s.imported),
		}, now.Add(time.Duration(i+1-n)*time.Second))
		if v, conflict := s.dir.conflict(&u); conflict {
			panic("clerktest: " + v.parameter + " belongs to another user")
		}
		s.dir.put(&u)
		ids = append(ids, u.ID)
	}
	return ids
}

// User returns the current version of a user, and whether the user exists.
func (s *Server) User(id string) (User, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, ok := s.dir.users[id]
	if !ok {
		return User{}, false
	}
	return u.clone(), true
}

// Users returns all users, oldest first.
func (s *Server) Users() []User {
	s.mu.Lock()
	all := s.dir.all()
	s.mu.Unlock()
	users := make([]User, len(all))
	for i, u := range all {
		users[i] = u.clone()
	}
	return users
}

// Update applies any change to a user, advances updated_at and sends user.updated.
func (s *Server) Update(id string, apply func(*User)) {
	s.mustChange(id, false, apply)
}

// SignIn signs a user in. It advances only last_sign_in_at, last_active_at and updated_at, and sends user.updated only
// with [Config.SignInEvents].
func (s *Server) SignIn(id string) {
	s.mustChange(id, !s.config.SignInEvents, func(u *User) {
		now := s.now().UnixMilli()
		u.LastSignInAt, u.LastActiveAt = new(now), new(now)
	})
}

// SetNames changes both names; "" is null.
func (s *Server) SetNames(id, first, last string) {
	s.Update(id, func(u *User) { u.FirstName, u.LastName = nilIfEmpty(first), nilIfEmpty(last) })
}

// AddEmail adds a further address to a user. The user's first address becomes primary. A verified address must belong to
// nobody else; an unverified one may be listed by several users.
func (s *Server) AddEmail(id, address string, verified bool) {
	s.Update(id, func(u *User) {
		if _, found := u.indexOf(address); found {
			panic("clerktest: " + id + " has the address already")
		}
		verification := s.unverifiedNow()
		if verified {
			verification = s.verifiedNow("email_code")
		}
		u.addEmail(s.newEmail(address, verification))
	})
}

// VerifyEmail makes an unverified address of a user a verified one, which must belong to nobody else.
func (s *Server) VerifyEmail(id, address string) {
	s.changeEmail(id, address, func(u *User, i int) {
		now := s.now().UnixMilli()
		u.EmailAddresses[i].Verification, u.EmailAddresses[i].UpdatedAt = s.verifiedNow("email_code"), now
	})
}

// RemoveEmail removes an address from a user. Another user can then verify it.
func (s *Server) RemoveEmail(id, address string) {
	s.changeEmail(id, address, func(u *User, i int) { u.removeEmail(u.EmailAddresses[i].ID) })
}

// changeEmail changes the user's address at index i.
func (s *Server) changeEmail(id, address string, apply func(u *User, i int)) {
	s.Update(id, func(u *User) {
		i, found := u.indexOf(address)
		if !found {
			panic("clerktest: " + id + " does not have the address")
		}
		apply(u, i)
	})
}

// SetPrimaryEmail replaces the user's primary address by address. The old address becomes available. If address belongs to
// another user, that user loses it first. An empty address only removes the primary address.
func (s *Server) SetPrimaryEmail(id, address string) {
	s.mu.Lock()
	holder, found := s.dir.owners[emailKey(address)]
	s.mu.Unlock()
	if found && holder != id {
		s.Update(holder, func(u *User) { u.removeAddress(address) })
	}
	s.Update(id, func(u *User) {
		u.removeAddress(address)
		u.replacePrimaryEmail(s.newEmail(address, s.verifiedNow("email_code")))
	})
}

// SwapEmails exchanges the primary addresses of two users atomically.
func (s *Server) SwapEmails(a, b string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first, second := s.mustGet(a), s.mustGet(b)
	firstEmail, secondEmail := first.PrimaryEmail(), second.PrimaryEmail()
	first.replacePrimaryEmail(s.newEmail(secondEmail, s.verifiedNow("email_code")))
	second.replacePrimaryEmail(s.newEmail(firstEmail, s.verifiedNow("email_code")))
	s.storeVersion(&first, browserOrigin(), false)
	s.storeVersion(&second, browserOrigin(), false)
}

// SetPublicMetadata replaces all of a user's public metadata, as an edit in Clerk's dashboard does.
func (s *Server) SetPublicMetadata(id string, m Metadata) {
	s.mustChange(id, s.config.SilentMetadata, func(u *User) { u.PublicMetadata = m.clone() })
}

// SetPrivateMetadata replaces all of a user's private metadata.
func (s *Server) SetPrivateMetadata(id string, m Metadata) {
	s.mustChange(id, s.config.SilentMetadata, func(u *User) { u.PrivateMetadata = m.clone() })
}

// SetUnsafeMetadata replaces all of a user's unsafe metadata, as the user's own client can.
func (s *Server) SetUnsafeMetadata(id string, m Metadata) {
	s.mustChange(id, s.config.SilentMetadata, func(u *User) { u.UnsafeMetadata = m.clone() })
}

// Ban bans a user.
func (s *Server) Ban(id string) { s.Update(id, ban) }

// Unban lifts a ban.
func (s *Server) Unban(id string) { s.Update(id, unban) }

// Lock locks a user. The lock lasts until [Server.Unlock].
func (s *Server) Lock(id string) { s.Update(id, lock) }

// Unlock unlocks a user.
func (s *Server) Unlock(id string) { s.Update(id, unlock) }

// Deprovision deactivates a user as directory sync does. That is an update, not a deletion.
func (s *Server) Deprovision(id string) { s.Update(id, func(u *User) { u.Deprovisioned = true }) }

// Delete deletes a user and sends user.deleted.
func (s *Server) Delete(id string) {
	_, err := s.removeUser(id, browserOrigin())
	must(err)
}

func (s *Server) mustChange(id string, quiet bool, apply func(*User)) {
	_, err := s.change(id, browserOrigin(), quiet, func(u *User) error {
		apply(u)
		return nil
	})
	must(err)
}

// mustGet returns a copy of the user. The caller holds s.mu.
func (s *Server) mustGet(id string) User {
	u, ok := s.dir.users[id]
	if !ok {
		panic("clerktest: " + userNotFound(id).items[0].LongMessage)
	}
	return u.clone()
}

func must(err error) {
	if err != nil {
		panic(fmt.Sprintf("clerktest: %s: %v", asAPIError(err).items[0].LongMessage, err))
	}
}

// userFromPerson returns the user for p, created at the given time.
func (s *Server) userFromPerson(p Person, at time.Time) User {
	id := p.ID
	if id == "" {
		id = s.ids.id("user_", at)
	}
	u := newUser(id, at)
	u.FirstName, u.LastName = nilIfEmpty(p.FirstName), nilIfEmpty(p.LastName)
	u.Username, u.ExternalID = nilIfEmpty(p.Username), nilIfEmpty(p.ExternalID)
	u.PublicMetadata = orEmpty(p.PublicMetadata.clone())
	u.PrivateMetadata = orEmpty(p.PrivateMetadata.clone())
	u.UnsafeMetadata = orEmpty(p.UnsafeMetadata.clone())
	if p.Email != "" {
		u.addEmail(s.newEmail(p.Email, s.verifiedNow("email_code")))
	}
	for _, address := range p.VerifiedEmails {
		u.addEmail(s.newEmail(address, s.verifiedNow("email_code")))
	}
	for _, address := range p.UnverifiedEmails {
		u.addEmail(s.newEmail(address, s.unverifiedNow()))
	}
	if p.Phone != "" {
		u.addPhone(s.newPhone(p.Phone, s.verifiedNow("phone_code")))
	}
	return u
}

func (s *Server) verifiedNow(strategy string) *Verification {
	return verifiedByCode(strategy, s.now().UnixMilli())
}

// unverifiedNow returns the verification of an address to which a code was sent.
func (s *Server) unverifiedNow() *Verification {
	v := s.verifiedNow("email_code")
	v.Status, v.Attempts = "unverified", new(int64(0))
	return v
}

// removeAddress removes an address from the user, if the user has it.
func (u *User) removeAddress(address string) {
	if i, found := u.indexOf(address); found {
		u.removeEmail(u.EmailAddresses[i].ID)
	}
}

// indexOf returns the index of an address, in upper or lower case, among the user's addresses.
func (u *User) indexOf(address string) (i int, found bool) {
	i = slices.IndexFunc(u.EmailAddresses, func(e EmailAddress) bool { return emailKey(e.EmailAddress) == emailKey(address) })
	return i, i >= 0
}

// replacePrimaryEmail replaces the primary address by e. If e has no address, it only removes the primary address.
func (u *User) replacePrimaryEmail(e EmailAddress) {
	u.removeAddress(u.PrimaryEmail())
	u.PrimaryEmailAddressID = nil
	if e.EmailAddress != "" {
		u.addEmail(e)
	}
}

func nilIfEmpty(s string) *string {
	if s == "" {
		return nil
	}
	return new(s)
}
