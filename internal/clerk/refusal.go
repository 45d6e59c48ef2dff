package clerk

import "errors"

// Refusal is why Clerk refuses to create or change a user, as far as a person can act on it.
type Refusal string

// The refusals. Their names appear in reports.
const (
	// EmailTaken, PhoneTaken and ExternalIDTaken: another user has it.
	EmailTaken      Refusal = "EmailTaken"
	PhoneTaken      Refusal = "PhoneTaken"
	ExternalIDTaken Refusal = "ExternalIDTaken"
	// EmailInvalid and PhoneInvalid: Clerk accepts no such address or number.
	EmailInvalid Refusal = "EmailInvalid"
	PhoneInvalid Refusal = "PhoneInvalid"
	// PasswordInvalid: the hashed password does not have the format of its algorithm.
	PasswordInvalid Refusal = "PasswordInvalid"
	// SettingsDemandMore: the instance's settings demand data that the user lacks, such as a phone number.
	SettingsDemandMore Refusal = "SettingsDemandMore"
	// SettingsForbid: the instance's settings do not provide for a parameter, such as a phone number or a last name.
	SettingsForbid Refusal = "SettingsForbid"
	// QuotaExceeded: the instance holds as many users as its plan allows; a development instance 100.
	QuotaExceeded Refusal = "QuotaExceeded"
	// Refused: Clerk gives another reason. See the error's code.
	Refused Refusal = "Refused"
)

// RefusalOf returns why Clerk refused; empty for an error of another kind than [Rejected].
func RefusalOf(err error) Refusal {
	rejection, isError := errors.AsType[*Error](err)
	if !isError || rejection.Kind != Rejected {
		return ""
	}
	switch rejection.Code {
	case "form_identifier_exists":
		return rejection.byParam(EmailTaken, PhoneTaken, ExternalIDTaken)
	case "form_param_format_invalid", "form_param_value_invalid", "form_param_max_length_exceeded":
		return rejection.byParam(EmailInvalid, PhoneInvalid, Refused)
	case "form_password_digest_invalid_code":
		return PasswordInvalid
	case "form_data_missing":
		return SettingsDemandMore
	case "form_param_unknown":
		return SettingsForbid
	case "user_quota_exceeded", "quota_exceeded":
		return QuotaExceeded
	default:
		return Refused
	}
}

// byParam returns the refusal that belongs to the parameter that Clerk names.
func (e *Error) byParam(email, phone, externalID Refusal) Refusal {
	switch e.Param {
	case "email_address":
		return email
	case "phone_number":
		return phone
	case "external_id":
		return externalID
	default:
		return Refused
	}
}
