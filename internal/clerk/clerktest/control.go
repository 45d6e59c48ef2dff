package clerktest

import (
	"fmt"
	"time"
)

// Person is what somebody types when signing up. Every field may be empty.
type Person struct {
	// ID is the id the user is to get; "" is one of Clerk's own making.
	ID         string
	Email      string // verified, primary
	Phone      string // verified, primary; in the E.164 form +15550100
	FirstName  string
	LastName   string
	Username   string
	ExternalID string
	// The metadata; nil is {}.
	PublicMetadata, PrivateMetadata, UnsafeMetadata Metadata
}

// SignUp adds a user, sends user.created and returns the user's id. Like every method that changes users from Go,
// it panics where the API would refuse: the test itself is wrong then.
func (s *Server) SignUp(p Person) string {
	u := s.person(p, s.now())
	must(s.add(&u, browser()))
	return u.ID
}

// Import adds n users who were there before any webhook endpoint was: no events are sent. The users differ in a
// number that counts on from import to import (user00001@example.com, "First00001", "Last00001") and were created a
// second apart, the last one just now. It returns their ids, oldest first.
func (s *Server) Import(n int) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, ids := s.now(), make([]string, 0, n)
	for i := range n {
		s.imported++
		u := s.person(Person{
			Email:     fmt.Sprintf("user%05d@example.com", s.imported),
			FirstName: fmt.Sprintf("First%05d", s.imported),
			LastName:  fmt.Sprintf("Last%05d", s.imported),
		}, now.Add(time.Duration(i+1-n)*time.Second))
		if c, conflict := s.dir.conflict(&u); conflict {
			panic("clerktest: " + c.parameter + " is taken")
		}
		s.dir.put(&u)
		ids = append(ids, u.ID)
	}
	return ids
}

// User returns a user as Clerk has it now, and whether there is one.
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

// Update changes a user in any way, moves updated_at and sends user.updated.
func (s *Server) Update(id string, apply func(*User)) {
	s.mustChange(id, false, apply)
}

// SignIn signs a user in: last_sign_in_at, last_active_at and updated_at move, nothing else does. It sends
// user.updated only with [Config.SignInEvents].
func (s *Server) SignIn(id string) {
	s.mustChange(id, !s.config.SignInEvents, func(u *User) {
		now := s.now().UnixMilli()
		u.LastSignInAt, u.LastActiveAt = new(now), new(now)
	})
}

// SetNames changes both names; "" is null.
func (s *Server) SetNames(id, first, last string) {
	s.Update(id, func(u *User) { u.FirstName, u.LastName = orNull(first), orNull(last) })
}

// SetPrimaryEmail makes address the user's primary one in place of the present one, which becomes free. Where
// another user has the address, that user loses it first. An empty address leaves the user without a primary one.
func (s *Server) SetPrimaryEmail(id, address string) {
	s.mu.Lock()
	holder, held := s.dir.owner[claim{"email_address", address}.key()]
	s.mu.Unlock()
	if held && holder != id {
		s.Update(holder, func(u *User) { u.dropEmail(address) })
	}
	s.Update(id, func(u *User) {
		u.dropEmail(address)
		u.replacePrimary(s.newEmail(address, s.verifiedNow("email_code")))
	})
}

// SwapEmails exchanges the primary addresses of two users, with no moment in between at which one of them has none.
func (s *Server) SwapEmails(a, b string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first, second := s.mustHave(a), s.mustHave(b)
	ofFirst, ofSecond := first.PrimaryEmail(), second.PrimaryEmail()
	first.replacePrimary(s.newEmail(ofSecond, s.verifiedNow("email_code")))
	second.replacePrimary(s.newEmail(ofFirst, s.verifiedNow("email_code")))
	s.store(&first, browser(), false)
	s.store(&second, browser(), false)
}

// SetPublicMetadata replaces the whole of a user's public metadata, as a person in Clerk's dashboard does.
func (s *Server) SetPublicMetadata(id string, m Metadata) {
	s.mustChange(id, s.config.SilentMetadata, func(u *User) { u.PublicMetadata = m.clone() })
}

// SetPrivateMetadata replaces the whole of a user's private metadata.
func (s *Server) SetPrivateMetadata(id string, m Metadata) {
	s.mustChange(id, s.config.SilentMetadata, func(u *User) { u.PrivateMetadata = m.clone() })
}

// SetUnsafeMetadata replaces the whole of a user's unsafe metadata, as the user can.
func (s *Server) SetUnsafeMetadata(id string, m Metadata) {
	s.mustChange(id, s.config.SilentMetadata, func(u *User) { u.UnsafeMetadata = m.clone() })
}

// Ban bans a user.
func (s *Server) Ban(id string) { s.Update(id, ban) }

// Unban lifts a ban.
func (s *Server) Unban(id string) { s.Update(id, unban) }

// Lock locks a user until [Server.Unlock].
func (s *Server) Lock(id string) { s.Update(id, lock) }

// Unlock unlocks a user.
func (s *Server) Unlock(id string) { s.Update(id, unlock) }

// Deprovision switches a user off as directory sync does. That is an update, not a deletion.
func (s *Server) Deprovision(id string) { s.Update(id, func(u *User) { u.Deprovisioned = true }) }

// Delete deletes a user and sends user.deleted.
func (s *Server) Delete(id string) {
	_, err := s.drop(id, browser())
	must(err)
}

func (s *Server) mustChange(id string, quiet bool, apply func(*User)) {
	_, err := s.change(id, browser(), quiet, func(u *User) error {
		apply(u)
		return nil
	})
	must(err)
}

// mustHave returns a copy of the user to change. The caller holds s.mu.
func (s *Server) mustHave(id string) User {
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

// person makes the user that p becomes at a time of creation.
func (s *Server) person(p Person, at time.Time) User {
	id := p.ID
	if id == "" {
		id = s.ids.id("user_", at)
	}
	u := newUser(id, at)
	u.FirstName, u.LastName = orNull(p.FirstName), orNull(p.LastName)
	u.Username, u.ExternalID = orNull(p.Username), orNull(p.ExternalID)
	u.PublicMetadata = orEmpty(p.PublicMetadata.clone())
	u.PrivateMetadata = orEmpty(p.PrivateMetadata.clone())
	u.UnsafeMetadata = orEmpty(p.UnsafeMetadata.clone())
	if p.Email != "" {
		u.addEmail(s.newEmail(p.Email, s.verifiedNow("email_code")))
	}
	if p.Phone != "" {
		u.addPhone(s.newPhone(p.Phone, s.verifiedNow("phone_code")))
	}
	return u
}

func (s *Server) verifiedNow(strategy string) *Verification {
	return verifiedByCode(strategy, s.now().UnixMilli())
}

// dropEmail takes an address from the user, if the user has it.
func (u *User) dropEmail(address string) {
	for _, e := range u.EmailAddresses {
		if (claim{"email_address", e.EmailAddress}).key() == (claim{"email_address", address}).key() {
			u.removeEmail(e.ID)
			return
		}
	}
}

// replacePrimary puts e in the place of the primary address, which is removed. An e without an address only removes.
func (u *User) replacePrimary(e EmailAddress) {
	u.dropEmail(u.PrimaryEmail())
	u.PrimaryEmailAddressID = nil
	if e.EmailAddress != "" {
		u.addEmail(e)
	}
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return new(s)
}
