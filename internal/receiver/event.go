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

// event is all that the receiver takes from a verified body.
type event struct {
	kind      v1alpha1.EventType
	user      user.ID
	at        int64 // the event's own time, Unix milliseconds, 0 when unknown
	updatedAt int64 // the user's updated_at likewise
}

// envelope is Clerk's event, as far as it is read. The fields stay raw so that a wrong type in one of them is that
// field's fault alone. Source: the event catalogue in Clerk's dashboard.
type envelope struct {
	Type       json.RawMessage `json:"type"`
	InstanceID json.RawMessage `json:"instance_id"`
	Timestamp  json.RawMessage `json:"timestamp"`
	Data       json.RawMessage `json:"data"`
}

// userData is the user in the event, as far as it is read: to find out whom to ask Clerk about, and since when.
type userData struct {
	ID        json.RawMessage `json:"id"`
	UpdatedAt json.RawMessage `json:"updated_at"`
}

// decodeEvent reads a verified body. instanceID is the instance whose events are taken, or "" for any. The event has its
// kind even where the error is not nil, once that much was read.
func decodeEvent(body []byte, instanceID string, now time.Time) (event, error) {
	var outer envelope
	if !utf8.Valid(body) || !isObject(body) || decodeObject(body, &outer) != nil {
		return event{}, rejectedJSON
	}
	kind, ok := text(outer.Type)
	e := event{kind: v1alpha1.EventType(kind)}
	switch {
	case !ok || kind == "":
		return event{}, rejectedEvent
	case !concernsUser(e.kind):
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
	id, _ := text(data.ID)
	var err error
	if e.user, err = user.ParseID(id); err != nil {
		return e, rejectedEvent
	}
	e.at, e.updatedAt = instant(outer.Timestamp, now), instant(data.UpdatedAt, now)
	return e, nil
}

// hint is what the event says to the reconciler.
func (e event) hint(message string, received time.Time) v1alpha1.Hint {
	h := v1alpha1.Hint{MessageID: message, Type: e.kind, UserUpdatedAt: e.updatedAt, EventAt: e.at, ReceivedAt: received.UnixMilli()}
	if e.kind == v1alpha1.UserDeleted { // carries no updated_at
		h.UserUpdatedAt = e.at
	}
	return h
}

func concernsUser(kind v1alpha1.EventType) bool {
	return kind == v1alpha1.UserCreated || kind == v1alpha1.UserUpdated || kind == v1alpha1.UserDeleted
}

// fromInstance reports whether an event may be taken. One that names no instance may: older examples of Clerk's
// dashboard name none, and Clerk is asked about the user anyway.
func fromInstance(raw json.RawMessage, wanted string) bool {
	got, ok := text(raw)
	return wanted == "" || ok && (got == "" || got == wanted)
}

func isObject(raw []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(raw, " \t\r\n"), []byte("{"))
}

// decodeObject decodes exactly one JSON object into a struct. It uses Kubernetes' JSON library because the standard one
// takes "TYPE" for "type" and, of two equal keys, silently the last: whoever looked at the event before us may have
// taken the first. Both bound the nesting.
func decodeObject(raw []byte, into any) error {
	strict, err := strictjson.UnmarshalStrict(raw, into, strictjson.DisallowDuplicateFields)
	return errors.Join(append(strict, err)...)
}

// text is a JSON string, or "" for none at all or null. It is not ok for anything else.
func text(raw json.RawMessage) (s string, ok bool) {
	if len(raw) == 0 {
		return "", true
	}
	return s, json.Unmarshal(raw, &s) == nil
}

// firstMillisecond separates the units: as seconds it is the year 5138, as milliseconds 1973.
const firstMillisecond = 100_000_000_000

// instant is a JSON number as a time in Unix milliseconds; Clerk sends seconds in some events. It is 0, which means
// unknown, for anything else, and for times that have not come yet: hints are ordered by them, and one from 2099 would
// be the last word about its user.
func instant(raw json.RawMessage, now time.Time) int64 {
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	if n < firstMillisecond {
		n *= 1000
	}
	if n > now.Add(tolerance).UnixMilli() {
		return 0
	}
	return n
}
