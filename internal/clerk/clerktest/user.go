package clerktest

import (
	"slices"
	"time"
)

// User is a user in Clerk's Backend API and webhooks: schema User of Clerk's OpenAPI document. A nil pointer is JSON
// null; times are Unix milliseconds. The fields are in the alphabetical order of their keys, as in real webhook bodies.
//
// Versions of a user share the targets of their pointers. To change a User, replace its pointers and do not write through
// them.
type User struct {
	BackupCodeEnabled         bool           `json:"backup_code_enabled"`
	Banned                    bool           `json:"banned"`
	BypassClientTrust         bool           `json:"bypass_client_trust"`
	CreateOrganizationEnabled bool           `json:"create_organization_enabled"`
	CreateOrganizationsLimit  *int64         `json:"create_organizations_limit"`
	CreatedAt                 int64          `json:"created_at"`
	DeleteSelfEnabled         bool           `json:"delete_self_enabled"`
	Deprovisioned             bool           `json:"deprovisioned"`
	EmailAddresses            []EmailAddress `json:"email_addresses"`
	EnterpriseAccounts        []any          `json:"enterprise_accounts"`
	ExternalAccounts          []any          `json:"external_accounts"`
	ExternalID                *string        `json:"external_id"`
	FirstName                 *string        `json:"first_name"`
	HasImage                  bool           `json:"has_image"`
	ID                        string         `json:"id"`
	ImageURL                  string         `json:"image_url"`
	LastActiveAt              *int64         `json:"last_active_at"`
	LastName                  *string        `json:"last_name"`
	LastSignInAt              *int64         `json:"last_sign_in_at"`
	LegalAcceptedAt           *int64         `json:"legal_accepted_at"`
	Locale                    *string        `json:"locale"`
	Locked                    bool           `json:"locked"`
	LockoutExpiresInSeconds   *int64         `json:"lockout_expires_in_seconds"`
	MFADisabledAt             *int64         `json:"mfa_disabled_at"`
	MFAEnabledAt              *int64         `json:"mfa_enabled_at"`
	Object                    string         `json:"object"`
	Passkeys                  []any          `json:"passkeys"`
	PasswordEnabled           bool           `json:"password_enabled"`
	PasswordLastUpdatedAt     *int64         `json:"password_last_updated_at"`
	PhoneNumbers              []PhoneNumber  `json:"phone_numbers"`
	PrimaryEmailAddressID     *string        `json:"primary_email_address_id"`
	PrimaryPhoneNumberID      *string        `json:"primary_phone_number_id"`
	PrimaryWeb3WalletID       *string        `json:"primary_web3_wallet_id"`
	PrivateMetadata           Metadata       `json:"private_metadata"`
	ProfileImageURL           string         `json:"profile_image_url"`
	PublicMetadata            Metadata       `json:"public_metadata"`
	SAMLAccounts              []any          `json:"saml_accounts"`
	TOTPEnabled               bool           `json:"totp_enabled"`
	TwoFactorEnabled          bool           `json:"two_factor_enabled"`
	UnsafeMetadata            Metadata       `json:"unsafe_metadata"`
	UpdatedAt                 int64          `json:"updated_at"`
	Username                  *string        `json:"username"`
	// VerificationAttemptsRemaining is null if account lockout is disabled.
	VerificationAttemptsRemaining *int64 `json:"verification_attempts_remaining"`
	Web3Wallets                   []any  `json:"web3_wallets"`

	// PasswordDigest and PasswordHasher are the password as it was created. Clerk never shows it.
	PasswordDigest string `json:"-"`
	PasswordHasher string `json:"-"`
}

// EmailAddress is Clerk's schema EmailAddress. A nil Verification means that verification was never attempted. A reserved
// address is unverified and still unique to its user.
type EmailAddress struct {
	CreatedAt    int64         `json:"created_at"`
	EmailAddress string        `json:"email_address"`
	ID           string        `json:"id"`
	LinkedTo     []any         `json:"linked_to"`
	Object       string        `json:"object"`
	Reserved     bool          `json:"reserved"`
	UpdatedAt    int64         `json:"updated_at"`
	Verification *Verification `json:"verification"`
}

// PhoneNumber is Clerk's schema PhoneNumber.
type PhoneNumber struct {
	BackupCodes             []string      `json:"backup_codes"`
	CreatedAt               int64         `json:"created_at"`
	DefaultSecondFactor     bool          `json:"default_second_factor"`
	ID                      string        `json:"id"`
	LinkedTo                []any         `json:"linked_to"`
	Object                  string        `json:"object"`
	PhoneNumber             string        `json:"phone_number"`
	Reserved                bool          `json:"reserved"`
	ReservedForSecondFactor bool          `json:"reserved_for_second_factor"`
	UpdatedAt               int64         `json:"updated_at"`
	Verification            *Verification `json:"verification"`
}

// Verification is the verification of an address or number. Its status is unverified, verified, failed or expired.
type Verification struct {
	Attempts *int64 `json:"attempts"`
	ExpireAt *int64 `json:"expire_at"`
	Object   string `json:"object"`
	Status   string `json:"status"`
	Strategy string `json:"strategy"`
}

// DeletedObject is the response to a deletion and the data of the event user.deleted: schema DeletedObject.
type DeletedObject struct {
	Deleted    bool    `json:"deleted"`
	ExternalID *string `json:"external_id,omitempty"`
	ID         string  `json:"id"`
	Object     string  `json:"object"`
}

// verified reports whether the user proved to own the address.
func (e EmailAddress) verified() bool {
	return e.Verification != nil && e.Verification.Status == "verified"
}

// claimed reports whether no other user can have the address.
func (e EmailAddress) claimed() bool { return e.Reserved || e.verified() }

// PrimaryEmail returns the primary address of the user, or "".
func (u User) PrimaryEmail() string {
	for _, e := range u.EmailAddresses {
		if u.PrimaryEmailAddressID != nil && e.ID == *u.PrimaryEmailAddressID {
			return e.EmailAddress
		}
	}
	return ""
}

// newUser returns a user without addresses, with Clerk's default values.
func newUser(id string, at time.Time) User {
	ms := at.UnixMilli()
	image := "https://img.clerk.com/" + id
	return User{
		ID: id, Object: "user", CreatedAt: ms, UpdatedAt: ms,
		ImageURL: image, ProfileImageURL: image,
		CreateOrganizationEnabled: true, DeleteSelfEnabled: true,
		PublicMetadata: Metadata{}, PrivateMetadata: Metadata{}, UnsafeMetadata: Metadata{},
		EmailAddresses: []EmailAddress{}, PhoneNumbers: []PhoneNumber{}, Web3Wallets: []any{}, Passkeys: []any{},
		ExternalAccounts: []any{}, SAMLAccounts: []any{}, EnterpriseAccounts: []any{},
		VerificationAttemptsRemaining: new(int64(100)),
	}
}

// clone returns a copy that can be changed without affecting the original.
func (u User) clone() User {
	u.EmailAddresses = slices.Clone(u.EmailAddresses)
	u.PhoneNumbers = slices.Clone(u.PhoneNumbers)
	u.PublicMetadata = u.PublicMetadata.clone()
	u.PrivateMetadata = u.PrivateMetadata.clone()
	u.UnsafeMetadata = u.UnsafeMetadata.clone()
	return u
}

// deleted returns the user's [DeletedObject].
func (u User) deleted() DeletedObject {
	return DeletedObject{Deleted: true, ExternalID: u.ExternalID, ID: u.ID, Object: "user"}
}

// verifiedByCode returns a verification by a code from an e-mail ("email_code") or text message ("phone_code").
func verifiedByCode(strategy string, at int64) *Verification {
	const validity = 10 * time.Minute
	return &Verification{
		Object: "verification_otp", Status: "verified", Strategy: strategy,
		Attempts: new(int64(1)), ExpireAt: new(at + validity.Milliseconds()),
	}
}

// verifiedByAdmin returns the verification of an address that was added as verified through the Backend API.
func verifiedByAdmin() *Verification {
	return &Verification{Object: "verification_admin", Status: "verified", Strategy: "admin"}
}
