package importer

import "github.com/fitai/fituser-operator/internal/clerk"

// Reason is why a row cannot go to Clerk. Reasons are part of the JSON report.
type Reason string

// The reasons.
const (
	SoftDeleted       Reason = "SoftDeleted"
	Anonymized        Reason = "Anonymized"
	KeyMissing        Reason = "KeyMissing"
	AddressMissing    Reason = "AddressMissing"
	AddressMalformed  Reason = "AddressMalformed"
	AddressDuplicated Reason = "AddressDuplicated"
	AddressTaken      Reason = "AddressTaken"
	PhoneMalformed    Reason = "PhoneMalformed"
	PhoneDuplicated   Reason = "PhoneDuplicated"
	PhoneTaken        Reason = "PhoneTaken"
	ExternalIDTaken   Reason = "ExternalIDTaken"
	ExternalIDForeign Reason = "ExternalIDForeign"
	SettingsDemand    Reason = "SettingsDemandMore"
	SettingsForbid    Reason = "SettingsForbid"
	Refused           Reason = "Refused"
	// The user exists in Clerk, and the row could not get its key.
	KeyTaken   Reason = "KeyTaken"
	RowKept    Reason = "RowKept"
	RowChanged Reason = "RowChanged"
)

// nextStep returns what a person does about a reason.
func (r Reason) nextStep() string {
	return map[Reason]string{
		SoftDeleted:       "softly deleted: nothing to do",
		Anonymized:        "anonymized: nothing to do",
		KeyMissing:        "the row has no key to find it by: give it one",
		AddressMissing:    "no e-mail address: Clerk needs one to recognize the person",
		AddressMalformed:  "not an e-mail address: correct it in the table",
		AddressDuplicated: "another row has the same address, perhaps in another case: merge the rows, or correct one",
		AddressTaken: "a Clerk user has the address: with adoptRows: verifiedEmail in the mapping file, a user without a row gets this one; " +
			"otherwise correct the address",
		PhoneMalformed: "not a phone number in the form +15551234567: correct it, or leave the column out of the mapping file " +
			"(phone: null)",
		PhoneDuplicated: "another row has the same phone number, and in Clerk a number belongs to one user: correct one of them",
		PhoneTaken:      "a Clerk user has the phone number: correct one of them",
		ExternalIDTaken: "a Clerk user that the lists do not show has this external_id: import again in a minute",
		ExternalIDForeign: "the Clerk user with the row's key as external_id has another address, and may be somebody else: " +
			"give that user the row's address, or another external_id",
		SettingsDemand: "Clerk's settings demand data that the row lacks: make it optional in Clerk's dashboard (Configure > User & authentication)",
		SettingsForbid: "Clerk's settings do not provide for a value of the row: turn it on in Clerk's dashboard, or leave the column out of the mapping file",
		Refused:        "Clerk refused the user: look up the code in Clerk's list of errors",
		KeyTaken:       "the user exists, and another row has its id: merge the rows",
		RowKept:        "the user exists, and the application's schema refused the new key",
		RowChanged:     "the user exists, and the row was changed at the same moment: import again",
	}[r]
}

// reasonOf returns the reason that follows from Clerk's refusal.
func reasonOf(refusal clerk.Refusal) Reason {
	switch refusal {
	case clerk.EmailTaken:
		return AddressTaken
	case clerk.EmailInvalid:
		return AddressMalformed
	case clerk.PhoneTaken:
		return PhoneTaken
	case clerk.PhoneInvalid:
		return PhoneMalformed
	case clerk.ExternalIDTaken:
		return ExternalIDTaken
	case clerk.SettingsDemandMore:
		return SettingsDemand
	case clerk.SettingsForbid:
		return SettingsForbid
	default:
		return Refused
	}
}

// Note is what does not go along with a row that goes. Notes are part of the JSON report.
type Note string

// The notes.
const (
	PasswordUnknown Note = "PasswordUnknown"
	PasswordRefused Note = "PasswordRefused"
	RoleUnknown     Note = "RoleUnknown"
)

func (n Note) nextStep() string {
	const signIn = ": the person signs in by a code, or sets a new one"
	switch n {
	case PasswordUnknown:
		return "the password is hashed in a way that Clerk does not know" + signIn
	case PasswordRefused:
		return "Clerk refused the hashed password" + signIn
	case RoleUnknown:
		return "the role is not one of --roles, and becomes the default role: add it first, or spell it under roles: in the mapping file"
	default:
		return ""
	}
}
