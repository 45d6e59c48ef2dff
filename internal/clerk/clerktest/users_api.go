package clerktest

import (
	"net/http"
	"net/mail"
	"regexp"
)

// noMetadataInUpdate is the first API version in which PATCH /users/{id} no longer accepts metadata.
const noMetadataInUpdate = "2026-05-12"

// phonePattern is the E.164 form of a phone number.
var phonePattern = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

// getUser handles GET /users/{id}.
func (s *Server) getUser(r *http.Request) (any, error) {
	var found *User
	s.readDirectory(r, func(d *directory) { found = d.users[r.PathValue("id")] })
	if found == nil {
		return nil, userNotFound(r.PathValue("id"))
	}
	return found, nil
}

// deleteUser handles DELETE /users/{id}. The Go SDK sends null as its body.
func (s *Server) deleteUser(r *http.Request) (any, error) {
	if _, err := readForm(r); err != nil {
		return nil, err
	}
	return s.removeUser(r.PathValue("id"), originOf(r))
}

// updateUser handles PATCH /users/{id}.
func (s *Server) updateUser(r *http.Request) (any, error) {
	f, err := readForm(r)
	if err != nil {
		return nil, err
	}
	return s.change(r.PathValue("id"), originOf(r), false, func(u *User) error {
		s.readProfile(f, u)
		f.readPrimaries(u)
		if header, query := requestedVersions(r); header+query < noMetadataInUpdate {
			// The schema allows null here. Clearing the field is this package's choice.
			f.allMetadata(u, true, func(_, next Metadata) Metadata { return orEmpty(next) })
		}
		f.ignore("notify_primary_email_address_changed", "profile_image_id", "sign_out_of_other_sessions")
		return f.finish()
	})
}

// createUser handles POST /users.
func (s *Server) createUser(r *http.Request) (any, error) {
	f, err := readForm(r)
	if err != nil {
		return nil, err
	}
	now := s.now()
	u := newUser(s.ids.id("user_", now), now)
	s.readProfile(f, &u)
	s.readAddresses(f, &u)
	f.allMetadata(&u, false, func(_, next Metadata) Metadata { return next })
	f.flag("banned", &u.Banned)
	f.flag("locked", &u.Locked)
	var withoutIdentifier bool
	f.flag("skip_user_requirement", &withoutIdentifier)
	var withoutPassword bool
	f.flag("skip_password_requirement", &withoutPassword)
	f.ignore("web3_wallet")
	if err := f.finish(); err != nil {
		return nil, err
	}
	if s.config.PasswordRequired && !withoutPassword && !u.PasswordEnabled {
		return nil, invalid("password", "form_data_missing", "missing data",
			`["password"] data doesn't match user requirements set for this instance`)
	}
	if !withoutIdentifier && len(u.EmailAddresses)+len(u.PhoneNumbers) == 0 && u.Username == nil {
		return nil, invalid("email_address", "form_data_missing", "missing data",
			`["email_address"] data doesn't match user requirements set for this instance`)
	}
	if err := s.createWithinQuota(&u, originOf(r)); err != nil {
		return nil, err
	}
	return u, nil
}

// readProfile reads the parameters that creating and updating share.
func (s *Server) readProfile(f *form, u *User) {
	f.nullableText("external_id", &u.ExternalID)
	f.text("first_name", &u.FirstName)
	f.text("last_name", &u.LastName)
	f.nullableText("locale", &u.Locale)
	f.nullableText("username", &u.Username)
	f.flag("delete_self_enabled", &u.DeleteSelfEnabled)
	f.flag("create_organization_enabled", &u.CreateOrganizationEnabled)
	f.flag("bypass_client_trust", &u.BypassClientTrust)
	f.value("create_organizations_limit", "integer", &u.CreateOrganizationsLimit)
	f.timestamp("legal_accepted_at", &u.LegalAcceptedAt)
	created := &u.CreatedAt
	f.timestamp("created_at", &created)
	u.CreatedAt = *created
	s.readPassword(f, u)
	f.ignore("skip_password_checks", "totp_secret", "backup_codes", "skip_legal_checks")
}

// readAddresses reads the e-mail addresses and phone numbers of a new user. The first of each becomes primary.
func (s *Server) readAddresses(f *form, u *User) {
	for i, a := range f.addresses("email_address", validEmail, "a valid email address") {
		u.addEmail(s.newEmail(a.value, a.verification()))
		u.EmailAddresses[i].Reserved = a.reserved
	}
	const e164 = "a valid phone number according to E.164 international standard"
	for i, a := range f.addresses("phone_number", validPhone, e164) {
		u.addPhone(s.newPhone(a.value, a.verification()))
		u.PhoneNumbers[i].Reserved = a.reserved
	}
}

// address is an e-mail address or phone number of a new user.
type address struct {
	value    string
	reserved bool
}

func (a address) verification() *Verification {
	if a.reserved {
		return nil
	}
	return verifiedByAdmin()
}

// addresses reads the list called name and the parallel list of its identification statuses.
func (f *form) addresses(name string, valid func(string) bool, want string) []address {
	var values, statuses []string
	f.list(name, &values)
	statusName := name + "_identification_status"
	f.list(statusName, &statuses)
	if len(statuses) != 0 && len(statuses) != len(values) {
		f.fail(invalid(statusName, "form_param_array_length_mismatch", "length mismatch",
			statusName+" must contain exactly one item for each item in "+name+"."))
		return nil
	}
	read := make([]address, 0, len(values))
	for i, value := range values {
		if !valid(value) {
			f.fail(wrongFormat(name, want))
			continue
		}
		read = append(read, address{value: value, reserved: len(statuses) > 0 && statuses[i] == "reserved"})
	}
	return read
}

func validEmail(s string) bool {
	parsed, err := mail.ParseAddress(s)
	return err == nil && parsed.Address == s
}

func validPhone(s string) bool { return phonePattern.MatchString(s) }

func orEmpty(m Metadata) Metadata {
	if m == nil {
		return Metadata{}
	}
	return m
}

// readPrimaries reads which of u's addresses become primary. They must belong to u and be verified.
func (f *form) readPrimaries(u *User) {
	verified := map[string]bool{}
	for _, e := range u.EmailAddresses {
		verified[e.ID] = e.verified()
	}
	f.readPrimary("primary_email_address_id", verified, &u.PrimaryEmailAddressID)
	verified = map[string]bool{}
	for _, p := range u.PhoneNumbers {
		verified[p.ID] = p.Verification != nil && p.Verification.Status == "verified"
	}
	f.readPrimary("primary_phone_number_id", verified, &u.PrimaryPhoneNumberID)
	f.readPrimary("primary_web3_wallet_id", nil, &u.PrimaryWeb3WalletID)
}

func (f *form) readPrimary(name string, verified map[string]bool, target **string) {
	var id *string
	if !f.value(name, "string", &id) || id == nil {
		return
	}
	switch isVerified, found := verified[*id]; {
	case !found:
		f.fail(invalid(name, "form_resource_not_found", "is missing",
			"The resource associated with the supplied "+name+" was not found."))
	case !isVerified:
		f.fail(invalid(name, "form_verification_needed", "is unverified",
			"This identification needs to be verified before you can perform this action."))
	default:
		*target = id
	}
}
