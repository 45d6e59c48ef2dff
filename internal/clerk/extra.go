package clerk

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/fitai/fituser-operator/internal/user"
)

// wireExtra is the part of Clerk's User that only further fields need. It is decoded apart from [wireUser], and only where
// the mapping has such a field: a sweep of 10⁶ users must not pay for what nobody reads.
type wireExtra struct {
	Username string `json:"username"` // null becomes ""
	// ImageURL is never empty: where the user has no picture (has_image), Clerk draws one, and shows it in its own components.
	ImageURL     string          `json:"image_url"`
	Locale       string          `json:"locale"`
	LastSignInAt int64           `json:"last_sign_in_at"` // Unix milliseconds; null becomes 0
	Public       json.RawMessage `json:"public_metadata"`
}

// decodeExtra returns the texts of further fields; nil for no fields. A value of another type than Clerk's makes the user
// invalid, as in the other fields: it must not look like a value that was removed.
func decodeExtra(body []byte, fields []user.Field) (map[user.Field]string, error) {
	if len(fields) == 0 {
		return nil, nil //nolint:nilnil // no fields have no texts
	}
	var w wireExtra
	if json.Unmarshal(body, &w) != nil || w.LastSignInAt != 0 && !isTime(w.LastSignInAt) {
		return nil, unavailable("response is not a user")
	}
	texts := make(map[user.Field]string, len(fields))
	for _, field := range fields {
		texts[field] = w.text(field)
	}
	return texts, nil
}

// text returns the text of a field; see [user.Field.Kind]. A field that follows from the rest of the user has none.
func (w *wireExtra) text(field user.Field) string {
	switch field {
	case user.FieldUsername:
		return w.Username
	case user.FieldImageURL:
		return w.ImageURL
	case user.FieldLocale:
		return w.Locale
	case user.FieldLastSignInAt:
		if w.LastSignInAt == 0 {
			return ""
		}
		return strconv.FormatInt(w.LastSignInAt, 10)
	default:
		path, _ := field.MetadataPath()
		return textAt(w.Public, path)
	}
}

// textAt returns the text of the value that path leads to; empty where there is none. The keys are compared exactly, as in
// [valueOf].
func textAt(metadata json.RawMessage, path []string) string {
	if len(path) == 0 {
		return ""
	}
	for _, key := range path {
		if metadata = valueOf(metadata, key); metadata == nil {
			return ""
		}
	}
	return textOf(metadata)
}

// textOf returns a string as it is, and any other value as JSON with sorted keys and with its numbers as Clerk wrote them:
// a value that Clerk spells in another order is no change.
func textOf(value json.RawMessage) string {
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.UseNumber()
	var decoded any
	if decoder.Decode(&decoded) != nil || decoded == nil {
		return ""
	}
	if text, isString := decoded.(string); isString {
		return text
	}
	var encoded bytes.Buffer
	encoder := json.NewEncoder(&encoded)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(decoded) != nil {
		return ""
	}
	return string(bytes.TrimSuffix(encoded.Bytes(), []byte("\n")))
}
