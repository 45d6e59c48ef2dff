package clerktest

import (
	"net/http"
	"net/mail"
	"regexp"
)

// metadataMoved is the version of the API from which metadata is no parameter of PATCH /users/{id} any more.
const metadataMoved = "2026-05-12"

// phonePattern is the E.164 form of a phone number.
var phonePattern = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

// getUser is GET /users/{id}.
func (s *Server) getUser(r *http.Request) (any, error) {
	var found *User
	s.view(r, func(d *directory) { found = d.users[r.PathValue("id")] })
	if found == nil {
		return nil, userNotFound(r.PathValue("id"))
	}
	return found, nil
}

// deleteUser is DELETE /users/{id}. The Go SDK sends a body, null, with it.
func (s *Server) deleteUser(r *http.Request) (any, error) {
	if _, err := readForm(r); err != nil {
		return nil, err
	}
	return s.drop(r.PathValue("id"), caller(r))
}

// updateUser is PATCH /users/{id}.
func (s *Server) updateUser(r *http.Request) (any, error) {
	f, err := readForm(r)
	if err != nil {
		return nil, err
	}
	return s.change(r.PathValue("id"), caller(r), false, func(u *User) error {
		s.readProfile(f, u)
		f.primaries(u)
		if header, query := askedVersions(r); header+query < metadataMoved {
			// The schema allows null here; that it empties the field is a choice.
			f.allMetadata(u, true, func(_, next Metadata) Metadata { return orEmpty(next) })
		}
		f.ignore("notify_primary_email_address_changed", "profile_image_id", "sign_out_of_other_sessions")
		return f.done()
	})
}

// createUser is POST /users.
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
	f.ignore("skip_password_requirement", "web3_wallet")
	if err := f.done(); err != nil {
		return nil, err
	}
	if !withoutIdentifier && len(u.EmailAddresses)+len(u.PhoneNumbers) == 0 && u.Username == nil {
		return nil, invalid("email_address", "form_data_missing", "missing data",
			`["email_address"] data doesn't match user requirements set for this instance`)
	}
	if err := s.add(&u, caller(r)); err != nil {
		return nil, err
	}
	return u, nil
}

// readProfile reads what creating and updating have in common.
func (s *Server) readProfile(f *form, u *User) {
	f.text("external_id", &u.ExternalID)
	f.name("first_name", &u.FirstName)
	f.name("last_name", &u.LastName)
	f.text("locale", &u.Locale)
	f.text("username", &u.Username)
	f.flag("delete_self_enabled", &u.DeleteSelfEnabled)
	f.flag("create_organization_enabled", &u.CreateOrganizationEnabled)
	f.flag("bypass_client_trust", &u.BypassClientTrust)
	f.value("create_organizations_limit", "integer", &u.CreateOrganizationsLimit)
	f.instant("legal_accepted_at", &u.LegalAcceptedAt)
	created := &u.CreatedAt
	f.instant("created_at", &created)
	u.CreatedAt = *created
	var password *string
	for _, name := range []string{"password", "password_digest"} {
		if f.value(name, "string", &password) && password != nil {
			u.PasswordEnabled, u.PasswordLastUpdatedAt = true, new(s.now().UnixMilli())
		}
	}
	f.ignore("password_hasher", "skip_password_checks", "totp_secret", "backup_codes", "skip_legal_checks")
}

// readAddresses reads the e-mail addresses and phone numbers of a new user. The first of each becomes the primary
// one.
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

// address is an e-mail address or phone number that a new user is to have.
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

// addresses reads the list of that name and the parallel list of its identification statuses.
func (f *form) addresses(name string, valid func(string) bool, want string) []address {
	var values, statuses []string
	f.texts(name, &values)
	statusName := name + "_identification_status"
	f.texts(statusName, &statuses)
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

// primaries reads which of u's addresses are primary. They must be u's own and verified.
func (f *form) primaries(u *User) {
	verified := map[string]bool{}
	for _, e := range u.EmailAddresses {
		verified[e.ID] = e.Verification != nil && e.Verification.Status == "verified"
	}
	f.primary("primary_email_address_id", verified, &u.PrimaryEmailAddressID)
	verified = map[string]bool{}
	for _, p := range u.PhoneNumbers {
		verified[p.ID] = p.Verification != nil && p.Verification.Status == "verified"
	}
	f.primary("primary_phone_number_id", verified, &u.PrimaryPhoneNumberID)
	f.primary("primary_web3_wallet_id", nil, &u.PrimaryWeb3WalletID)
}

func (f *form) primary(name string, verified map[string]bool, target **string) {
	var id *string
	if !f.value(name, "string", &id) || id == nil {
		return
	}
	switch isVerified, own := verified[*id]; {
	case !own:
		f.fail(invalid(name, "form_resource_not_found", "is missing",
			"The resource associated with the supplied "+name+" was not found."))
	case !isVerified:
		f.fail(invalid(name, "form_verification_needed", "is unverified",
			"This identification needs to be verified before you can perform this action."))
	default:
		*target = id
	}
}
