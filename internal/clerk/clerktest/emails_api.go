package clerktest

import (
	"net/http"
	"slices"
)

func (s *Server) newEmail(addr string, v *Verification) EmailAddress {
	now := s.now()
	return EmailAddress{
		ID: s.ids.id("idn_", now), Object: "email_address", EmailAddress: addr, Verification: v,
		LinkedTo: []any{}, CreatedAt: now.UnixMilli(), UpdatedAt: now.UnixMilli(),
	}
}

func (s *Server) newPhone(number string, v *Verification) PhoneNumber {
	now := s.now()
	return PhoneNumber{
		ID: s.ids.id("idn_", now), Object: "phone_number", PhoneNumber: number, Verification: v,
		LinkedTo: []any{}, BackupCodes: []string{}, CreatedAt: now.UnixMilli(), UpdatedAt: now.UnixMilli(),
	}
}

// addEmail adds an address to the user. The first address becomes primary.
func (u *User) addEmail(e EmailAddress) {
	u.EmailAddresses = append(u.EmailAddresses, e)
	if u.PrimaryEmailAddressID == nil {
		u.PrimaryEmailAddressID = new(e.ID)
	}
}

// addPhone adds a phone number to the user. The first number becomes primary.
func (u *User) addPhone(p PhoneNumber) {
	u.PhoneNumbers = append(u.PhoneNumbers, p)
	if u.PrimaryPhoneNumberID == nil {
		u.PrimaryPhoneNumberID = new(p.ID)
	}
}

// removeEmail removes an address resource from the user. If it was primary, the first remaining verified address becomes
// primary. That is a choice, as Clerk does not document it.
func (u *User) removeEmail(id string) {
	u.EmailAddresses = slices.DeleteFunc(u.EmailAddresses, func(e EmailAddress) bool { return e.ID == id })
	if u.PrimaryEmailAddressID == nil || *u.PrimaryEmailAddressID != id {
		return
	}
	u.PrimaryEmailAddressID = nil
	if i := slices.IndexFunc(u.EmailAddresses, EmailAddress.verified); i >= 0 {
		u.PrimaryEmailAddressID = new(u.EmailAddresses[i].ID)
	}
}

// createEmail handles POST /email_addresses.
func (s *Server) createEmail(r *http.Request) (any, error) {
	f, err := readForm(r)
	if err != nil {
		return nil, err
	}
	var userID, addr string
	var verified, primary bool
	for name, target := range map[string]*string{"user_id": &userID, "email_address": &addr} {
		if f.value(name, "string", target); *target == "" {
			f.fail(missing(name))
		}
	}
	f.flag("verified", &verified)
	f.flag("primary", &primary)
	f.ignore("notify_primary_email_address_changed")
	if addr != "" && !validEmail(addr) {
		f.fail(wrongFormat("email_address", "a valid email address"))
	}
	if err := f.finish(); err != nil {
		return nil, err
	}
	e := s.newEmail(addr, nil)
	if verified {
		e.Verification = verifiedByAdmin()
	}
	_, err = s.change(userID, originOf(r), false, func(u *User) error {
		if holder, claimed := s.dir.owners[emailKey(addr)]; claimed && holder != u.ID {
			return identifierExists(uniqueValue{"email_address", addr})
		}
		u.addEmail(e)
		if primary {
			u.PrimaryEmailAddressID = new(e.ID)
		}
		return nil
	})
	return e, err
}

// getEmail handles GET /email_addresses/{id}.
func (s *Server) getEmail(r *http.Request) (any, error) {
	var owner *User
	s.readDirectory(r, func(d *directory) { owner = d.byEmailID(r.PathValue("id")) })
	if owner == nil {
		return nil, catalogError(http.StatusNotFound, "resource_not_found")
	}
	return owner.email(r.PathValue("id"))
}

// updateEmail handles PATCH /email_addresses/{id}.
func (s *Server) updateEmail(r *http.Request) (any, error) {
	f, err := readForm(r)
	if err != nil {
		return nil, err
	}
	var verified, primary bool
	f.flag("verified", &verified)
	f.flag("primary", &primary)
	f.ignore("notify_primary_email_address_changed")
	if err := f.finish(); err != nil {
		return nil, err
	}
	id := r.PathValue("id")
	owner, err := s.changeEmailOwner(r, func(u *User) {
		i := slices.IndexFunc(u.EmailAddresses, func(e EmailAddress) bool { return e.ID == id })
		if verified {
			u.EmailAddresses[i].Verification = verifiedByAdmin()
		}
		if primary {
			u.PrimaryEmailAddressID = new(id)
		}
		u.EmailAddresses[i].UpdatedAt = s.now().UnixMilli()
	})
	if err != nil {
		return nil, err
	}
	return owner.email(id)
}

// deleteEmail handles DELETE /email_addresses/{id}.
func (s *Server) deleteEmail(r *http.Request) (any, error) {
	id := r.PathValue("id")
	_, err := s.changeEmailOwner(r, func(u *User) { u.removeEmail(id) })
	return DeletedObject{Deleted: true, ID: id, Object: "email_address"}, err
}

// changeEmailOwner changes the user who owns the address resource in the path.
func (s *Server) changeEmailOwner(r *http.Request, apply func(*User)) (*User, error) {
	id := r.PathValue("id")
	s.mu.Lock()
	owner := s.dir.byEmailID(id)
	s.mu.Unlock()
	if owner == nil {
		return nil, catalogError(http.StatusNotFound, "resource_not_found")
	}
	return s.change(owner.ID, originOf(r), false, func(u *User) error {
		if _, err := u.email(id); err != nil {
			return err // deleted concurrently
		}
		apply(u)
		return nil
	})
}

// email returns the user's address resource id.
func (u *User) email(id string) (EmailAddress, error) {
	for _, e := range u.EmailAddresses {
		if e.ID == id {
			return e, nil
		}
	}
	return EmailAddress{}, catalogError(http.StatusNotFound, "resource_not_found")
}
