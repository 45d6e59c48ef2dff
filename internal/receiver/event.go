package receiver

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"time"
	"unicode/utf8"

	strictjson "sigs.k8s.io/json"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

// event is everything that the receiver uses from a verified body.
type event struct {
	eventType  v1alpha1.EventType
	userID     user.ID
	occurredAt int64 // the event's own time in Unix milliseconds, 0 when unknown
	updatedAt  int64 // the user's updated_at in Unix milliseconds, 0 when unknown
}

// envelope holds the fields of Clerk's event that are read. They stay raw, so that a wrong type in one field does not
// affect the others. Source: the event catalogue in Clerk's dashboard.
type envelope struct {
	Type       json.RawMessage `json:"type"`
	InstanceID json.RawMessage `json:"instance_id"`
	Timestamp  json.RawMessage `json:"timestamp"`
	Data       json.RawMessage `json:"data"`
}

// userData holds the fields of the event's user that are read: the id for the request to Clerk, and how new Clerk's
// response must be.
type userData struct {
	ID        json.RawMessage `json:"id"`
	UpdatedAt json.RawMessage `json:"updated_at"`
}

// decodeEvent decodes a verified body. instanceID is the Clerk instance whose events count, or "" for any. When decoding
// fails after the type was read, the returned event contains the type.
func decodeEvent(body []byte, instanceID string, now time.Time) (event, error) {
	var outer envelope
	if !utf8.Valid(body) || !isObject(body) || decodeObject(body, &outer) != nil {
		return event{}, rejectedJSON
	}
	eventType, ok := decodeString(outer.Type)
	e := event{eventType: v1alpha1.EventType(eventType)}
	switch {
	case !ok || eventType == "":
		return event{}, rejectedEvent
	case !e.eventType.Known():
		return e, ignored
	case !fromInstance(outer.InstanceID, instanceID):
		return e, rejectedInstance
	case !isObject(outer.Data):
		return e, rejectedEvent
	}
	var data userData
	if decodeObject(outer.Data, &data) != nil {
		return e, rejectedJSON
	}
	id, _ := decodeString(data.ID)
	var err error
	if e.userID, err = user.ParseID(id); err != nil {
		return e, rejectedEvent
	}
	e.occurredAt, e.updatedAt = parseUnixTime(outer.Timestamp, now), parseUnixTime(data.UpdatedAt, now)
	return e, nil
}

// fromInstance reports whether the event is from the wanted instance. An event without an instance counts as such: older
// examples of Clerk's dashboard have none, and the reconciler asks Clerk about the user anyway.
func fromInstance(raw json.RawMessage, wanted string) bool {
	got, ok := decodeString(raw)
	return wanted == "" || ok && (got == "" || got == wanted)
}

func isObject(raw []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(raw, " \t\r\n"), []byte("{"))
}

// decodeObject decodes exactly one JSON object into a struct. It uses Kubernetes' JSON library because the standard one
// accepts "TYPE" for "type" and silently keeps the last of two equal keys, where a proxy in front of the receiver may
// have kept the first. Both libraries limit the nesting.
func decodeObject(raw []byte, into any) error {
	strict, err := strictjson.UnmarshalStrict(raw, into, strictjson.DisallowDuplicateFields)
	return errors.Join(append(strict, err)...)
}

// decodeString decodes a JSON string. It returns "" for a missing field and for null; ok is false for other types.
func decodeString(raw json.RawMessage) (s string, ok bool) {
	if len(raw) == 0 {
		return "", true
	}
	return s, json.Unmarshal(raw, &s) == nil
}

// minMilliseconds separates the units: smaller numbers are seconds. As seconds it is the year 5138, as milliseconds 1973.
const minMilliseconds = 100_000_000_000

// parseUnixTime converts a JSON number to a time in Unix milliseconds; Clerk sends seconds in some events. It returns 0,
// which means unknown, for other values and for times in the future. Hints are ordered by time, so a hint from 2099
// would win over every later one.
func parseUnixTime(raw json.RawMessage, now time.Time) int64 {
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	if n < minMilliseconds {
		n *= 1000
	}
	if n > now.Add(tolerance).UnixMilli() {
		return 0
	}
	return n
}
