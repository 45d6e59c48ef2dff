package v1alpha1

import (
	"encoding/json"
	"slices"
	"time"
)

// Annotations that the operator reads. All other metadata belongs to the author of the object.
const (
	// AnnotationHint holds a [Hint]: Clerk has news of this user. The receiver writes it for the reconciler.
	AnnotationHint = "identity.fitai.dev/hint"
	// AnnotationReconcile requests a reconcile when a person sets it to a new value. See status.lastHandledReconcile.
	AnnotationReconcile = "identity.fitai.dev/reconcile"
	// AnnotationRevision is the Git revision of a manifest, for status.roleHistory. The tool that applies it sets it.
	AnnotationRevision = "identity.fitai.dev/revision"
	// AnnotationTakeOwnership, set to "true", takes the user over from another installation.
	AnnotationTakeOwnership = "identity.fitai.dev/take-ownership"
	// AnnotationRebind, set to a Clerk id, lets the protected role follow the address of spec.email to that user.
	AnnotationRebind = "identity.fitai.dev/rebind"
	// AnnotationAllowLastAdmin, set to "true", revokes the protected role although too few other users hold it.
	AnnotationAllowLastAdmin = "identity.fitai.dev/allow-last-admin"
)

// LabelManagedBy is set to [ManagedBy] on a FitUser that the operator created. See [FitUser.ManagedByOperator].
const (
	LabelManagedBy = "app.kubernetes.io/managed-by"
	ManagedBy      = "fituser-operator"
)

// EventType is the type of a Clerk event that concerns a user.
type EventType string

// The event types that are hints. All other types are acknowledged and ignored. A new one is added here and to
// [EventTypes]; nothing else lists them.
const (
	UserCreated EventType = "user.created"
	UserUpdated EventType = "user.updated"
	UserDeleted EventType = "user.deleted"
)

// EventTypes returns the event types that are hints.
func EventTypes() []EventType { return []EventType{UserCreated, UserUpdated, UserDeleted} }

// Known reports whether t is one of [EventTypes].
func (t EventType) Known() bool { return slices.Contains(EventTypes(), t) }

// Hint requests a reconcile of the user because of an event. It holds only what is needed to decide whether Clerk's API
// already reflects that event, and no value of the user.
type Hint struct {
	// MessageID is the svix-id of the delivery. Retries of one message share it.
	MessageID string `json:"message"`
	// Type is the type of the newest event.
	Type EventType `json:"type"`
	// UserUpdatedAt is the user's updated_at in the newest event, in Unix milliseconds, 0 when unknown. A response of
	// Clerk's API with an older updated_at does not reflect that event yet. For user.deleted, which carries no updated_at,
	// it is the event's own time.
	UserUpdatedAt int64 `json:"userUpdatedAt,omitempty"`
	// EventAt is the event's own time in Unix milliseconds, 0 when unknown.
	EventAt int64 `json:"eventAt,omitempty"`
	// ReceivedAt is when the receiver received the delivery, in Unix milliseconds.
	ReceivedAt int64 `json:"receivedAt"`
	// Trace is the receiver's span as a W3C traceparent, for a trace from the webhook to the row. It is empty without
	// tracing.
	Trace string `json:"trace,omitempty"`
}

const (
	// maxHintLength bounds the annotation in bytes.
	maxHintLength = 512
	// maxMessageIDLength bounds the message ID in bytes: it must fit into status.observedHint.
	maxMessageIDLength = 128
)

// Merge returns the hint to record when next arrives while h is recorded. It keeps the type and times of the newer event
// in any order of arrival (a deletion wins a tie: nothing follows it), and the message ID and arrival of next.
func (h Hint) Merge(next Hint) Hint {
	same := h.UserUpdatedAt == next.UserUpdatedAt
	if h.UserUpdatedAt > next.UserUpdatedAt || same && h.Type == UserDeleted {
		next.Type, next.UserUpdatedAt, next.EventAt = h.Type, h.UserUpdatedAt, h.EventAt
	}
	return next
}

// OccurredAt returns the event's own time, or the time of its arrival when that is unknown or in the future. A delivery
// may be hours late.
func (h Hint) OccurredAt() time.Time {
	if h.EventAt > 0 && h.EventAt < h.ReceivedAt {
		return time.UnixMilli(h.EventAt)
	}
	return time.UnixMilli(h.ReceivedAt)
}

// Encode returns the annotation's value.
func (h Hint) Encode() string {
	b, err := json.Marshal(h)
	if err != nil {
		panic(err) // strings and integers always marshal
	}
	return string(b)
}

// Hint returns the hint of u. ok is false without a hint, and when a person has written something else there.
func (u *FitUser) Hint() (hint Hint, ok bool) {
	return ParseHint(u.Annotations[AnnotationHint])
}

// ParseHint parses an annotation's value.
func ParseHint(value string) (hint Hint, ok bool) {
	if len(value) > maxHintLength || json.Unmarshal([]byte(value), &hint) != nil || !hint.valid() {
		return Hint{}, false
	}
	return hint, true
}

func (h Hint) valid() bool {
	return h.Type.Known() && h.MessageID != "" && len(h.MessageID) <= maxMessageIDLength
}

// ManagedByOperator reports whether the operator created u and its spec and label are unedited since. The operator
// deletes only such FitUsers.
func (u *FitUser) ManagedByOperator() bool {
	// Delete was the default of the CustomResourceDefinition, so that it does not show an edit.
	policy := u.Spec.DeletionPolicy == "" || u.Spec.DeletionPolicy == DeletionPolicyDelete
	bare := u.Spec.ClerkUserID != "" && u.Spec.Role == "" && !u.Spec.Suspend && policy
	return bare && u.Labels[LabelManagedBy] == ManagedBy
}
