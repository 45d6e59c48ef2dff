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

func TestHintComesBackAsItWasRecorded(t *testing.T) {
	t.Parallel()
	for name, hint := range map[string]v1alpha1.Hint{
		"usual": {
			MessageID: "msg_p5jXN8AQM9LWM0D4loKWxJek", Type: v1alpha1.UserUpdated,
			UserUpdatedAt: 1700000000123, EventAt: 1700000000140, ReceivedAt: 1700000000900,
		},
		"without the event's times": {MessageID: "msg_1", Type: v1alpha1.UserDeleted, ReceivedAt: 1},
		"as long as it can be": {
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

// Anybody who may edit the object may write the annotation.
func TestWhatIsNoHintIsIgnored(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"nothing":               "",
		"no JSON":               "please sync",
		"null":                  "null",
		"list":                  "[]",
		"empty object":          "{}",
		"no message":            `{"type":"user.updated","receivedAt":1}`,
		"no type":               `{"message":"msg_1","receivedAt":1}`,
		"type of no user event": `{"message":"msg_1","type":"session.created","receivedAt":1}`,
		"time in words":         `{"message":"msg_1","type":"user.updated","receivedAt":"now"}`,
		"fraction":              `{"message":"msg_1","type":"user.updated","receivedAt":1.5}`,
		"too large a number":    `{"message":"msg_1","type":"user.updated","receivedAt":9223372036854775808}`,
		"two objects":           `{"message":"msg_1","type":"user.updated","receivedAt":1}{}`,
		"cut off":               `{"message":"msg_1","type":"user.updated","receivedAt":1`,
		"message too long":      `{"message":"` + strings.Repeat("m", 129) + `","type":"user.updated","receivedAt":1}`,
		"very long":             `{"message":"msg_1","type":"user.updated","receivedAt":1,"x":"` + strings.Repeat("x", 1<<18) + `"}`,
		"deep":                  strings.Repeat("[", 500),
	} {
		if hint, ok := v1alpha1.ParseHint(value); ok || hint != (v1alpha1.Hint{}) {
			t.Errorf("%s: %+v, %v", name, hint, ok)
		}
	}
}

// The reconciler writes the message's id to status.observedHint, and what is too long for it would make every status of
// this user be refused.
func TestMessageOfAHintFitsIntoTheStatus(t *testing.T) {
	t.Parallel()
	limit := *fitUserSchema(t).Properties["status"].Properties["observedHint"].MaxLength
	for length := range 500 {
		value := `{"message":"` + strings.Repeat("m", length) + `","type":"user.updated","receivedAt":1}`
		hint, ok := v1alpha1.ParseHint(value)
		if ok != (length > 0 && length <= limit) {
			t.Errorf("a message of %d characters: %v, %v", length, hint, ok)
		}
	}
}

func FuzzParseHint(f *testing.F) {
	f.Add(v1alpha1.Hint{MessageID: "msg_1", Type: v1alpha1.UserCreated, UserUpdatedAt: 1, EventAt: 2, ReceivedAt: 3}.Encode())
	f.Add(`{"message":"<<<\u0000\ud800","type":"user.deleted"}`)
	f.Fuzz(func(t *testing.T, value string) {
		hint, ok := v1alpha1.ParseHint(value)
		if !ok && hint != (v1alpha1.Hint{}) {
			t.Errorf("no hint, but %+v", hint)
		}
		if len(hint.MessageID) > 128 {
			t.Errorf("a message of %d bytes", len(hint.MessageID))
		}
	})
}

// claim is what a hint says about Clerk's state: Clerk's answer is at least so new, or the user is gone.
type claim struct {
	updatedAt int64
	gone      bool
}

func claimOf(h v1alpha1.Hint) claim {
	return claim{h.UserUpdatedAt, h.Type == v1alpha1.UserDeleted}
}

// newer reports whether c came after other. Nothing comes after a deletion.
func (c claim) newer(other claim) bool {
	return c.updatedAt > other.updatedAt || c.updatedAt == other.updatedAt && c.gone
}

// Deliveries come in any order, and of each several times.
func TestMergedHintsSayWhatTheNewestSays(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	types := []v1alpha1.EventType{v1alpha1.UserCreated, v1alpha1.UserUpdated, v1alpha1.UserDeleted}
	for range 2000 {
		var hints []v1alpha1.Hint
		var want claim
		for i := range 1 + random.IntN(5) {
			at := random.Int64N(4) // often the same; 0 is unknown
			hint := v1alpha1.Hint{
				MessageID: "msg_" + string(rune('a'+i)), Type: types[random.IntN(3)], UserUpdatedAt: at, EventAt: at, ReceivedAt: 10 + at,
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
			t.Fatalf("%+v: the last arrival does not show in %+v", hints, got)
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

func TestSince(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		hint v1alpha1.Hint
		want int64
	}{
		"the event's own time":                    {v1alpha1.Hint{EventAt: 5000, ReceivedAt: 9000}, 5000},
		"unknown":                                 {v1alpha1.Hint{ReceivedAt: 9000}, 9000},
		"an event from the future counts as now":  {v1alpha1.Hint{EventAt: 10_000, ReceivedAt: 9000}, 9000},
		"a time before 1970 counts as unknown":    {v1alpha1.Hint{EventAt: -1, ReceivedAt: 9000}, 9000},
		"the largest time there is is no trouble": {v1alpha1.Hint{EventAt: math.MaxInt64, ReceivedAt: math.MaxInt64}, math.MaxInt64},
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
		"as created":                    {func(*v1alpha1.FitUser) {}, true},
		"with the API server's default": {func(u *v1alpha1.FitUser) { u.Spec.DeletionPolicy = v1alpha1.DeletionPolicyDelete }, true},
		"with another label":            {func(u *v1alpha1.FitUser) { u.Labels["team"] = "a" }, true},
		"with a role":                   {func(u *v1alpha1.FitUser) { u.Spec.Role = "admin" }, false},
		"suspended":                     {func(u *v1alpha1.FitUser) { u.Spec.Suspend = true }, false},
		"retained":                      {func(u *v1alpha1.FitUser) { u.Spec.DeletionPolicy = v1alpha1.DeletionPolicyRetain }, false},
		"without the label":             {func(u *v1alpha1.FitUser) { u.Labels = nil }, false},
		"managed by another program":    {func(u *v1alpha1.FitUser) { u.Labels[v1alpha1.LabelManagedBy] = "Helm" }, false},
	} {
		u := &v1alpha1.FitUser{Spec: v1alpha1.FitUserSpec{ClerkUserID: "user_1"}}
		u.Labels = map[string]string{v1alpha1.LabelManagedBy: v1alpha1.ManagedBy}
		test.change(u)
		if got := u.ManagedByOperator(); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}
