package clerk

import (
	"encoding/json"
	"time"

	"github.com/fitai/fituser-operator/internal/user"
)

// wireUser is the used part of Clerk's User (Backend API 2025-04-10). The SDK's own type lacks deprovisioned.
type wireUser struct {
	ID             string         `json:"id"`
	Object         string         `json:"object"`
	FirstName      string         `json:"first_name"` // null becomes ""
	LastName       string         `json:"last_name"`
	PrimaryEmailID string         `json:"primary_email_address_id"`
	Emails         []emailAddress `json:"email_addresses"`
	PrimaryPhoneID string         `json:"primary_phone_number_id"`
	Phones         []phoneNumber  `json:"phone_numbers"`
	Public         metadata       `json:"public_metadata"`
	Private        metadata       `json:"private_metadata"`
	Banned         bool           `json:"banned"`
	Locked         bool           `json:"locked"`
	Deprovisioned  bool           `json:"deprovisioned"`
	CreatedAt      int64          `json:"created_at"` // Unix milliseconds
	UpdatedAt      int64          `json:"updated_at"`
}

type emailAddress struct {
	ID    string `json:"id"`
	Email string `json:"email_address"`
}

type phoneNumber struct {
	ID    string `json:"id"`
	Phone string `json:"phone_number"`
}

// metadata keeps the exact keys. With a struct, encoding/json would also accept "ROLE" for "role", which is a different
// key to every other program.
type metadata map[string]json.RawMessage

// UnmarshalJSON implements json.Unmarshaler. Metadata other than an object, which Clerk does not allow, counts as empty.
func (m *metadata) UnmarshalJSON(data []byte) error {
	var keys map[string]json.RawMessage
	if json.Unmarshal(data, &keys) == nil {
		*m = keys
	}
	return nil
}

// text returns the string under key. Other values are returned as their JSON text, which never is a known role.
func (m metadata) text(key string) string {
	raw, ok := m[key]
	if !ok || string(raw) == "null" {
		return ""
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return string(raw)
	}
	return text
}

// decodeUserAs decodes a user and verifies its id.
func decodeUserAs(body []byte, id user.ID) (user.User, error) {
	u, err := decodeUser(body)
	if err != nil {
		return user.User{}, err
	}
	if u.ID != id {
		return user.User{}, unavailable("response is for another user")
	}
	return u, nil
}

// decodeUser decodes a user. An empty body, null, {} and a deleted object are errors: a blank response must never look
// like a user whose fields were all cleared.
func decodeUser(body []byte) (user.User, error) {
	var w wireUser
	// The JSON error is dropped because it could quote the response.
	if err := json.Unmarshal(body, &w); err != nil || !w.isUser() {
		return user.User{}, unavailable("response is not a user")
	}
	id, err := user.ParseID(w.ID)
	if err != nil {
		return user.User{}, unavailable("response is a user without a Clerk id")
	}
	u := user.User{
		ID: id, Email: w.primaryEmail(), FirstName: w.FirstName, LastName: w.LastName, Phone: w.primaryPhone(),
		Role:   w.Public.text("role"),
		Banned: w.Banned, Locked: w.Locked, Deprovisioned: w.Deprovisioned,
		CreatedAt: time.UnixMilli(w.CreatedAt), UpdatedAt: time.UnixMilli(w.UpdatedAt),
	}
	u.MarkerRole, u.HasMarker = w.marker()
	return u, nil
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

// marker reads private_metadata.fituser. A marker in another format is a marker without a role: the operator removes it
// and keeps the user's role.
func (w *wireUser) marker() (role string, present bool) {
	raw, ok := w.Private["fituser"]
	if !ok || string(raw) == "null" {
		return "", false
	}
	var marker map[string]any // not a struct, for the reason given at metadata
	if json.Unmarshal(raw, &marker) == nil {
		role, _ = marker["role"].(string)
	}
	return role, true
}
