package fituser

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/fitusers"
)

// At the start one request per user would cost far more than the listing of the next sweep.
func TestNeedsInitialReconcile(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, c := range map[string]struct {
		reason  string
		hinted  time.Duration // before now; none where 0
		change  func(*v1alpha1.FitUser)
		pending bool
	}{
		"agrees":                               {reason: v1alpha1.ReasonSynced},
		"agrees, and was edited since":         {reason: v1alpha1.ReasonSynced, change: func(u *v1alpha1.FitUser) { u.Generation++ }, pending: true},
		"agrees, and an event came since":      {reason: v1alpha1.ReasonSynced, hinted: time.Minute, pending: true},
		"agrees, and an event came long ago":   {reason: v1alpha1.ReasonSynced, hinted: 2 * time.Hour},
		"was never reconciled":                 {change: func(u *v1alpha1.FitUser) { u.Status = v1alpha1.FitUserStatus{} }, pending: true},
		"waits for a database":                 {reason: v1alpha1.ReasonDatabaseUnavailable, pending: true},
		"waits for its user":                   {reason: v1alpha1.ReasonUserNotFound, pending: true},
		"has no address":                       {reason: v1alpha1.ReasonEmailMissing},
		"has no address, and an event is new":  {reason: v1alpha1.ReasonEmailMissing, hinted: time.Minute, pending: true},
		"has no address, and its event is old": {reason: v1alpha1.ReasonEmailMissing, hinted: 2 * time.Hour},
	} {
		u := fitusers.New("here", "user_jane", 0)
		u.Generation, u.Status.ObservedGeneration = 1, 1
		status := metav1.ConditionFalse
		if c.reason == v1alpha1.ReasonSynced {
			status = metav1.ConditionTrue
		}
		u.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: status, Reason: c.reason}}
		if c.hinted > 0 {
			hint := v1alpha1.Hint{MessageID: "msg_1", Type: v1alpha1.UserUpdated, ReceivedAt: now.Add(-c.hinted).UnixMilli()}
			u.Annotations = map[string]string{v1alpha1.AnnotationHint: hint.Encode()}
		}
		if c.change != nil {
			c.change(u)
		}
		if got := needsInitialReconcile(u, now); got != c.pending {
			t.Errorf("a FitUser that %s: pending %v", name, got)
		}
	}
}
