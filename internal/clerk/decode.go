package clerk

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"

	"github.com/fitai/fituser-operator/internal/user"
)

// wireUser is the used part of Clerk's User (Backend API 2025-04-10). The SDK's own type lacks deprovisioned.
type wireUser struct {
	ID             string          `json:"id"`
	Object         string          `json:"object"`
	ExternalID     string          `json:"external_id"` // null becomes ""
	FirstName      string          `json:"first_name"`
	LastName       string          `json:"last_name"`
	PrimaryEmailID string          `json:"primary_email_address_id"`
	Emails         []emailAddress  `json:"email_addresses"`
	PrimaryPhoneID string          `json:"primary_phone_number_id"`
	Phones         []phoneNumber   `json:"phone_numbers"`
	Public         roleMetadata    `json:"public_metadata"`
	Private        privateMetadata `json:"private_metadata"`
	Unsafe         roleMetadata    `json:"unsafe_metadata"`
	Banned         bool            `json:"banned"`
	Locked         bool            `json:"locked"`
	Deprovisioned  bool            `json:"deprovisioned"`
	CreatedAt      int64           `json:"created_at"` // Unix milliseconds
	UpdatedAt      int64           `json:"updated_at"`
}

type emailAddress struct {
	ID    string `json:"id"`
	Email string `json:"email_address"`
	// Verification is null if verification was never attempted.
	Verification struct {
		Verified verifiedStatus `json:"status"`
	} `json:"verification"`
}

// verifiedStatus is true for the status "verified" and false for all others. It exists because a sweep decodes 10⁶ users:
// a string would be allocated for each address.
type verifiedStatus bool

// UnmarshalJSON implements json.Unmarshaler.
func (v *verifiedStatus) UnmarshalJSON(data []byte) error {
	*v = string(data) == `"verified"`
	return nil
}

type phoneNumber struct {
	ID    string `json:"id"`
	Phone string `json:"phone_number"`
}

// roleMetadata is the key role of public_metadata or unsafe_metadata. A value that is not a string is its JSON text.
type roleMetadata string

// UnmarshalJSON implements json.Unmarshaler.
func (m *roleMetadata) UnmarshalJSON(data []byte) error {
	*m = ""
	raw := valueOf(data, "role")
	if raw == nil {
		return nil
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		text = string(raw)
	}
	*m = roleMetadata(text)
	return nil
}

// privateMetadata is the key fituser of private_metadata: the marker.
type privateMetadata struct {
	hasMarker bool
	marker    user.Marker
}

// UnmarshalJSON implements json.Unmarshaler. A marker in another format is a marker without role and owner, which belongs
// to nobody.
func (m *privateMetadata) UnmarshalJSON(data []byte) error {
	*m = privateMetadata{}
	raw := valueOf(data, "fituser")
	if raw == nil {
		return nil
	}
	m.hasMarker = true
	var keys map[string]any        // not a struct, for the reason given at valueOf
	_ = json.Unmarshal(raw, &keys) // fails for a marker in another format, which has no keys
	text := func(key string) string {
		value, _ := keys[key].(string)
		return value
	}
	m.marker = user.Marker{Role: text("role"), Owner: text("owner"), Rule: text("rule")}
	if until, err := time.Parse(time.RFC3339, text("until")); err == nil && isTime(until.UnixMilli()) {
		m.marker.Until = until.UTC()
	}
	return nil
}

// valueOf returns the value of a key in metadata; nil where the key is absent or null. It compares keys exactly. With a
// struct, encoding/json would also accept "ROLE" for "role", which is a different key to every other program. Metadata
// other than an object, which Clerk does not allow, has no keys.
func valueOf(metadata []byte, key string) json.RawMessage {
	// Most users' metadata lacks the key, and decoding all of an application's metadata is costly. A backslash can spell
	// any letter.
	if !bytes.Contains(metadata, []byte(key)) && !bytes.ContainsRune(metadata, '\\') {
		return nil
	}
	var keys map[string]json.RawMessage
	if json.Unmarshal(metadata, &keys) != nil || string(keys[key]) == "null" {
		return nil
	}
	return keys[key]
}

// decodeUserAs decodes a user and verifies its id.
func decodeUserAs(body []byte, id user.ID, extra ...user.Field) (user.User, error) {
	u, err := decodeUser(body, extra...)
	if err != nil {
		return user.User{}, err
	}
	if u.ID != id {
		return user.User{}, unavailable("response is for another user")
	}
	return u, nil
}

// decodeUser decodes a user, and the further fields extra.
func decodeUser(body []byte, extra ...user.Field) (user.User, error) {
	var w wireUser
	return w.decode(body, extra...)
}

// decode decodes a user. An empty body, null, {} and a deleted object are errors: a blank response must never look like a
// user whose fields were all cleared.
func (w *wireUser) decode(body []byte, extra ...user.Field) (user.User, error) {
	// The JSON error is dropped because it could quote the response.
	if err := json.Unmarshal(body, w); err != nil || !w.isUser() {
		return user.User{}, unavailable("response is not a user")
	}
	id, err := user.ParseID(w.ID)
	if err != nil {
		return user.User{}, unavailable("response is a user without a Clerk id")
	}
	texts, err := decodeExtra(body, extra)
	if err != nil {
		return user.User{}, err
	}
	return user.User{
		ID: id, ExternalID: w.ExternalID, Email: w.primaryEmail(), FirstName: w.FirstName, LastName: w.LastName, Phone: w.primaryPhone(),
		Role: string(w.Public), HasMarker: w.Private.hasMarker, Marker: w.Private.marker,
		RequestedRole: string(w.Unsafe), VerifiedEmails: w.verifiedEmails(), HasEmails: w.hasEmails(),
		Banned: w.Banned, Locked: w.Locked, Deprovisioned: w.Deprovisioned,
		CreatedAt: time.UnixMilli(w.CreatedAt), UpdatedAt: time.UnixMilli(w.UpdatedAt),
		Extra: texts,
	}, nil
}

// decodeList splits a list of users into its entries. The caller decodes each entry separately, so that an invalid entry
// does not affect the others. null is an error.
func decodeList(body []byte) ([]json.RawMessage, error) {
	var entries []json.RawMessage
	if err := json.Unmarshal(body, &entries); err != nil || entries == nil {
		return nil, unavailable("response is not a list of users")
	}
	return entries, nil
}

// decodeID returns the id of a list entry, even if the rest of the entry is invalid.
func decodeID(entry []byte) (user.ID, error) {
	var named struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(entry, &named); err != nil {
		return "", unavailable("a list entry is not a user")
	}
	id, err := user.ParseID(named.ID)
	if err != nil {
		return "", unavailable("a list entry has no Clerk id")
	}
	return id, nil
}

// isUser reports whether w has the fields of every user: times, and a list of addresses, which may be empty.
func (w *wireUser) isUser() bool {
	return w.Object == "user" && w.Emails != nil && isTime(w.CreatedAt) && isTime(w.UpdatedAt)
}

// isTime reports whether Unix milliseconds are a date with a four-digit year.
func isTime(milliseconds int64) bool {
	const year10000 = 253402300800_000
	return 0 < milliseconds && milliseconds < year10000
}

// primaryEmail returns the primary address. It is empty also when the primary id is dangling, as in Clerk's example
// events.
func (w *wireUser) primaryEmail() string {
	for _, e := range w.Emails {
		if e.ID != "" && e.ID == w.PrimaryEmailID {
			return e.Email
		}
	}
	return ""
}

func (w *wireUser) primaryPhone() string {
	for _, p := range w.Phones {
		if p.ID != "" && p.ID == w.PrimaryPhoneID {
			return p.Phone
		}
	}
	return ""
}

// hasEmails reports whether the user has an address, primary or not.
func (w *wireUser) hasEmails() bool {
	return slices.ContainsFunc(w.Emails, func(e emailAddress) bool { return e.Email != "" })
}

// verifiedEmails returns all verified addresses, normalized; nil when there are none.
func (w *wireUser) verifiedEmails() []string {
	verified := 0
	for _, e := range w.Emails {
		if e.Verification.Verified {
			verified++
		}
	}
	if verified == 0 {
		return nil
	}
	addresses := make([]string, 0, verified)
	for _, e := range w.Emails {
		if e.Verification.Verified {
			addresses = append(addresses, user.NormalizeEmail(e.Email))
		}
	}
	return addresses
}
