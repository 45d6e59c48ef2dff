package clerk

import (
	"encoding/json"
	"time"

	"github.com/fitai/fituser-operator/internal/user"
)

// wireUser is Clerk's User (Backend API 2025-04-10), reduced to what is used. The SDK's own type lacks deprovisioned.
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

// metadata keeps the exact keys. A struct would not do: encoding/json also takes "ROLE" for "role", and the two are
// different keys to everybody else.
type metadata map[string]json.RawMessage

// UnmarshalJSON implements json.Unmarshaler. Metadata that is no object, which Clerk does not allow, counts as none.
func (m *metadata) UnmarshalJSON(data []byte) error {
	var keys map[string]json.RawMessage
	if json.Unmarshal(data, &keys) == nil {
		*m = keys
	}
	return nil
}

// text is the string under key; a value that is no string is given as its JSON text, which is no role.
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

// decodeUserAs decodes a user and makes sure that it is the one that was asked for.
func decodeUserAs(body []byte, id user.ID) (user.User, error) {
	u, err := decodeUser(body)
	if err != nil {
		return user.User{}, err
	}
	if u.ID != id {
		return user.User{}, unavailable("the answer is another user than the one asked for")
	}
	return u, nil
}

// decodeUser decodes a user. Nothing, null, {} and a deleted object are errors: a blank answer must never look like a
// user whose fields were all cleared.
func decodeUser(body []byte) (user.User, error) {
	var w wireUser
	// The text of a JSON error is not used: it could quote the answer.
	if err := json.Unmarshal(body, &w); err != nil || !w.isUser() {
		return user.User{}, unavailable("the answer is not a user")
	}
	id, err := user.ParseID(w.ID)
	if err != nil {
		return user.User{}, unavailable("the answer is a user without a Clerk id")
	}
	u := user.User{
		ID: id, Email: w.primaryEmail(), FirstName: w.FirstName, LastName: w.LastName, Phone: w.primaryPhone(),
		Role:   w.Public.text("role"),
		Banned: w.Banned, Locked: w.Locked, Deprovisioned: w.Deprovisioned,
		CreatedAt: time.UnixMilli(w.CreatedAt), UpdatedAt: time.UnixMilli(w.UpdatedAt),
	}
	u.MarkerRole, u.HasMarker = w.mark()
	return u, nil
}

// decodeList takes a list of users apart. Each entry is decoded by itself, so that one that cannot be understood spoils
// no other. null is no list.
func decodeList(body []byte) ([]json.RawMessage, error) {
	var entries []json.RawMessage
	if err := json.Unmarshal(body, &entries); err != nil || entries == nil {
		return nil, unavailable("the answer is not a list of users")
	}
	return entries, nil
}

// decodeID takes the id out of an entry of a list, whatever else is wrong with the entry.
func decodeID(entry []byte) (user.ID, error) {
	var named struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(entry, &named); err != nil {
		return "", unavailable("an entry of the list is not a user")
	}
	id, err := user.ParseID(named.ID)
	if err != nil {
		return "", unavailable("an entry of the list has no Clerk id")
	}
	return id, nil
}

// isUser reports whether w has what every user has: times, and a list of addresses even where it is empty.
func (w *wireUser) isUser() bool {
	return w.Object == "user" && w.Emails != nil && isTime(w.CreatedAt) && isTime(w.UpdatedAt)
}

// isTime bounds Unix milliseconds to what can be written as a date: years of four digits.
func isTime(milliseconds int64) bool {
	const year10000 = 253402300800_000
	return 0 < milliseconds && milliseconds < year10000
}

// primaryEmail is empty when the user has none, and when the primary id points nowhere, as in Clerk's example events.
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

// mark reads private_metadata.fituser. A mark that is not of our making is a mark of no role: it is dropped, and the
// role stays.
func (w *wireUser) mark() (role string, marked bool) {
	raw, ok := w.Private["fituser"]
	if !ok || string(raw) == "null" {
		return "", false
	}
	var mark map[string]any // and no struct, for the reason given at metadata
	if json.Unmarshal(raw, &mark) == nil {
		role, _ = mark["role"].(string)
	}
	return role, true
}
