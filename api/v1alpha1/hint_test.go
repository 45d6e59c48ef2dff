package v1alpha1_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/api/v1alpha1"
)

func TestHint_EncodeAndParse(t *testing.T) {
	t.Parallel()
	for name, hint := range map[string]v1alpha1.Hint{
		"usual": {
			MessageID: "msg_p5jXN8AQM9LWM0D4loKWxJek", Type: v1alpha1.UserUpdated,
			UserUpdatedAt: 1700000000123, EventAt: 1700000000140, ReceivedAt: 1700000000900,
		},
		"without the event's times": {MessageID: "msg_1", Type: v1alpha1.UserDeleted, ReceivedAt: 1},
		"longest": {
			MessageID: strings.Repeat("m", 128), Type: v1alpha1.UserUpdated,
			UserUpdatedAt: math.MinInt64, EventAt: math.MinInt64, ReceivedAt: math.MinInt64,
		},
	} {
		u := &v1alpha1.FitUser{}
		u.Annotations = map[string]string{v1alpha1.AnnotationHint: hint.Encode()}
		got, ok := u.Hint()
		if diff := cmp.Diff(hint, got); !ok || diff != "" {
			t.Errorf("%s: ok is %v, and (-want +got):\n%s", name, ok, diff)
		}
	}
}

// Everybody who may edit the object may write the annotation.
func TestParseHint_InvalidIsIgnored(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"nothing":             "",
		"no JSON":             "please sync",
		"null":                "null",
		"list":                "[]",
		"empty object":        "{}",
		"no message ID":       `{"type":"user.updated","receivedAt":1}`,
		"no type":             `{"message":"msg_1","receivedAt":1}`,
		"unknown event type":  `{"message":"msg_1","type":"session.created","receivedAt":1}`,
		"time as text":        `{"message":"msg_1","type":"user.updated","receivedAt":"now"}`,
		"fraction":            `{"message":"msg_1","type":"user.updated","receivedAt":1.5}`,
		"number too large":    `{"message":"msg_1","type":"user.updated","receivedAt":9223372036854775808}`,
		"two objects":         `{"message":"msg_1","type":"user.updated","receivedAt":1}{}`,
		"truncated":           `{"message":"msg_1","type":"user.updated","receivedAt":1`,
		"message ID too long": `{"message":"` + strings.Repeat("m", 129) + `","type":"user.updated","receivedAt":1}`,
		"very long":           `{"message":"msg_1","type":"user.updated","receivedAt":1,"x":"` + strings.Repeat("x", 1<<18) + `"}`,
		"deep":                strings.Repeat("[", 500),
	} {
		if hint, ok := v1alpha1.ParseHint(value); ok || hint != (v1alpha1.Hint{}) {
			t.Errorf("%s: %+v, %v", name, hint, ok)
		}
	}
}

// The reconciler writes the message ID to status.observedHint. If it were too long, the API server would refuse every
// status of this user.
func TestParseHint_MessageIDFitsIntoTheStatus(t *testing.T) {
	t.Parallel()
	limit := *schemaOf(t, "fitusers").Properties["status"].Properties["observedHint"].MaxLength
	for length := range 500 {
		value := `{"message":"` + strings.Repeat("m", length) + `","type":"user.updated","receivedAt":1}`
		hint, ok := v1alpha1.ParseHint(value)
		if ok != (length > 0 && length <= limit) {
			t.Errorf("a message ID of %d characters: %v, %v", length, hint, ok)
		}
	}
}

func FuzzParseHint(f *testing.F) {
	f.Add(v1alpha1.Hint{MessageID: "msg_1", Type: v1alpha1.UserCreated, UserUpdatedAt: 1, EventAt: 2, ReceivedAt: 3}.Encode())
	f.Add(`{"message":"<<<\u0000\ud800","type":"user.deleted"}`)
	f.Fuzz(func(t *testing.T, value string) {
		hint, ok := v1alpha1.ParseHint(value)
		if !ok && hint != (v1alpha1.Hint{}) {
			t.Errorf("invalid, but %+v", hint)
		}
		if len(hint.MessageID) > 128 {
			t.Errorf("a message ID of %d bytes", len(hint.MessageID))
		}
	})
}

// claim is what a hint states about Clerk: a response is at least this new, or the user is deleted.
type claim struct {
	updatedAt int64
	deleted   bool
}

func claimOf(h v1alpha1.Hint) claim {
	return claim{h.UserUpdatedAt, h.Type == v1alpha1.UserDeleted}
}

// newer reports whether c is newer than other. Nothing is newer than a deletion.
func (c claim) newer(other claim) bool {
	return c.updatedAt > other.updatedAt || c.updatedAt == other.updatedAt && c.deleted
}

// Deliveries arrive in any order, and each several times.
func TestHint_MergeKeepsTheNewestEvent(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	types := v1alpha1.EventTypes()
	for range 2000 {
		var hints []v1alpha1.Hint
		var want claim
		for i := range 1 + random.IntN(5) {
			at := random.Int64N(4) // often the same; 0 is unknown
			hint := v1alpha1.Hint{
				MessageID: "msg_" + string(rune('a'+i)), Type: types[random.IntN(len(types))], UserUpdatedAt: at, EventAt: at, ReceivedAt: 10 + at,
			}
			if claim := claimOf(hint); i == 0 || claim.newer(want) {
				want = claim
			}
			hints = append(hints, hint)
		}
		hints = append(hints, hints[random.IntN(len(hints))])
		got := merged(hints)
		if claimOf(got) != want {
			t.Fatalf("%+v: %+v, want %+v", hints, got, want)
		}
		if last := hints[len(hints)-1]; got.MessageID != last.MessageID || got.ReceivedAt != last.ReceivedAt {
			t.Fatalf("%+v: %+v does not contain the last arrival", hints, got)
		}
	}
}

func merged(hints []v1alpha1.Hint) v1alpha1.Hint {
	var all v1alpha1.Hint
	for _, h := range hints {
		all = all.Merge(h)
	}
	return all
}

func TestHint_OccurredAt(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		hint v1alpha1.Hint
		want int64
	}{
		"the event's own time":     {v1alpha1.Hint{EventAt: 5000, ReceivedAt: 9000}, 5000},
		"unknown":                  {v1alpha1.Hint{ReceivedAt: 9000}, 9000},
		"an event from the future": {v1alpha1.Hint{EventAt: 10_000, ReceivedAt: 9000}, 9000},
		"a time before 1970":       {v1alpha1.Hint{EventAt: -1, ReceivedAt: 9000}, 9000},
		"the largest time":         {v1alpha1.Hint{EventAt: math.MaxInt64, ReceivedAt: math.MaxInt64}, math.MaxInt64},
	} {
		if got := test.hint.OccurredAt(); !got.Equal(time.UnixMilli(test.want)) {
			t.Errorf("%s: %v, want %v", name, got, time.UnixMilli(test.want))
		}
	}
}

func TestFitUser_ManagedByOperator(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*v1alpha1.FitUser)
		want   bool
	}{
		"as created":                 {func(*v1alpha1.FitUser) {}, true},
		"with the former default":    {func(u *v1alpha1.FitUser) { u.Spec.DeletionPolicy = v1alpha1.DeletionPolicyDelete }, true},
		"with another label":         {func(u *v1alpha1.FitUser) { u.Labels["team"] = "a" }, true},
		"with a role":                {func(u *v1alpha1.FitUser) { u.Spec.Role = "admin" }, false},
		"suspended":                  {func(u *v1alpha1.FitUser) { u.Spec.Suspend = true }, false},
		"retained":                   {func(u *v1alpha1.FitUser) { u.Spec.DeletionPolicy = v1alpha1.DeletionPolicyRetain }, false},
		"anonymized":                 {func(u *v1alpha1.FitUser) { u.Spec.DeletionPolicy = v1alpha1.DeletionPolicyAnonymize }, false},
		"without the label":          {func(u *v1alpha1.FitUser) { u.Labels = nil }, false},
		"managed by another program": {func(u *v1alpha1.FitUser) { u.Labels[v1alpha1.LabelManagedBy] = "Helm" }, false},
	} {
		u := &v1alpha1.FitUser{Spec: v1alpha1.FitUserSpec{ClerkUserID: "user_1"}}
		u.Labels = map[string]string{v1alpha1.LabelManagedBy: v1alpha1.ManagedBy}
		test.change(u)
		if got := u.ManagedByOperator(); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// A constant that EventTypes does not list would be a hint that the receiver writes and no reconciler understands.
func TestEventTypes_ListsEveryConstant(t *testing.T) {
	t.Parallel()
	declared := constants(t, "hint.go", "EventType")
	if len(declared) < 3 {
		t.Fatalf("hint.go declares only the event types %v", declared)
	}
	var listed []string
	for _, eventType := range v1alpha1.EventTypes() {
		listed = append(listed, string(eventType))
	}
	if diff := cmp.Diff(declared, listed); diff != "" {
		t.Errorf("EventTypes() (-declared +listed):\n%s", diff)
	}
	for _, eventType := range v1alpha1.EventTypes() {
		if !eventType.Known() {
			t.Errorf("%s is not known", eventType)
		}
	}
}
