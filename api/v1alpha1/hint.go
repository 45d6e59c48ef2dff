package v1alpha1

import (
	"encoding/json"
	"slices"
	"time"
)

// Annotations of the operator. All else in metadata belongs to whoever made the object.
const (
	// AnnotationHint holds a [Hint]: the receiver's word to the reconciler that Clerk has news of this user.
	AnnotationHint = "identity.fitai.dev/hint"
	// AnnotationReconcile, set by a person to any new value, asks for a look at the user now.
	AnnotationReconcile = "identity.fitai.dev/reconcile"
)

// LabelManagedBy is set to [ManagedBy] on a FitUser that the operator created. See [FitUser.ManagedByOperator].
const (
	LabelManagedBy = "app.kubernetes.io/managed-by"
	ManagedBy      = "fituser-operator"
)

// EventType is the type of a Clerk event that concerns a user.
type EventType string

// The events that are hints. All other types are acknowledged and ignored.
const (
	UserCreated EventType = "user.created"
	UserUpdated EventType = "user.updated"
	UserDeleted EventType = "user.deleted"
)

// EventTypes returns the types of events that are hints.
func EventTypes() []EventType { return []EventType{UserCreated, UserUpdated, UserDeleted} }

// Known reports whether t is one of [EventTypes].
func (t EventType) Known() bool { return slices.Contains(EventTypes(), t) }

// Hint says "look at this user again", and carries only what is needed to tell whether Clerk's API has already caught
// up with its own event. No value of the user is in it.
type Hint struct {
	// MessageID is the svix-id of the delivery; retries of one message share it.
	MessageID string `json:"message"`
	// Type is the type of the newest event seen.
	Type EventType `json:"type"`
	// UserUpdatedAt is the user's updated_at in the newest event seen, in Unix milliseconds: an older answer of Clerk's
	// API does not contain that event yet. For user.deleted, which carries none, it is the event's own time. 0: unknown.
	UserUpdatedAt int64 `json:"userUpdatedAt,omitempty"`
	// EventAt is the event's own time in Unix milliseconds, 0 when unknown.
	EventAt int64 `json:"eventAt,omitempty"`
	// ReceivedAt is when the receiver took the delivery, in Unix milliseconds.
	ReceivedAt int64 `json:"receivedAt"`
	// Trace is the receiver's span as W3C's traceparent, for a trace from the webhook to the row; empty without tracing.
	Trace string `json:"trace,omitempty"`
}

const (
	// maxHintLength bounds the annotation in bytes.
	maxHintLength = 512
	// maxMessageLength bounds the message's id in bytes: it must fit into status.observedHint.
	maxMessageLength = 128
)

// Merge is the hint to record when next arrives while h is recorded. The later event's word about Clerk's state stays,
// in whatever order the two arrived; of two at the same time the deletion is the later, as nothing comes after it. That
// something arrived is always recorded.
func (h Hint) Merge(next Hint) Hint {
	same := h.UserUpdatedAt == next.UserUpdatedAt
	if h.UserUpdatedAt > next.UserUpdatedAt || same && h.Type == UserDeleted {
		next.Type, next.UserUpdatedAt, next.EventAt = h.Type, h.UserUpdatedAt, h.EventAt
	}
	return next
}

// OccurredAt is when the event happened, as far as is known: a delivery may be hours late.
func (h Hint) OccurredAt() time.Time {
	if h.EventAt > 0 && h.EventAt < h.ReceivedAt {
		return time.UnixMilli(h.EventAt)
	}
	return time.UnixMilli(h.ReceivedAt)
}

// Encode is the annotation's value.
func (h Hint) Encode() string {
	b, err := json.Marshal(h)
	if err != nil {
		panic(err) // strings and integers always marshal
	}
	return string(b)
}

// Hint reads the hint on u. There may be none, and a person may have put anything there: ok is false then.
func (u *FitUser) Hint() (hint Hint, ok bool) {
	return ParseHint(u.Annotations[AnnotationHint])
}

// ParseHint reads an annotation's value.
func ParseHint(value string) (hint Hint, ok bool) {
	if len(value) > maxHintLength || json.Unmarshal([]byte(value), &hint) != nil || !hint.valid() {
		return Hint{}, false
	}
	return hint, true
}

func (h Hint) valid() bool {
	return h.Type.Known() && h.MessageID != "" && len(h.MessageID) <= maxMessageLength
}

// ManagedByOperator reports whether the operator created u and nobody has edited its spec or its label since. The
// operator deletes only such FitUsers.
func (u *FitUser) ManagedByOperator() bool {
	bare := u.Spec.Role == "" && !u.Spec.Suspend && u.Spec.DeletionPolicy != DeletionPolicyRetain
	return bare && u.Labels[LabelManagedBy] == ManagedBy
}
