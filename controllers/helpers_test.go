package controllers_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/user"
)

var messages atomic.Int64

// unique returns a different text with each call.
func unique() string { return fmt.Sprint(messages.Add(1)) }

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func setAnnotation(object metav1.Object, key, value string) {
	annotations := object.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[key] = value
	object.SetAnnotations(annotations)
}

// conflictDelay is how long a reconcile waits after a conflict.
const conflictDelay = 200 * time.Millisecond

// discardQueue drops requests. The test reconciles by itself.
type discardQueue struct {
	workqueue.TypedRateLimitingInterface[user.ID]
}

func (discardQueue) Add(user.ID) {}

// endGrace advances the clock past the grace period of every manifest that is deleted so far. The grace period starts at the
// API server's time, which is not the test's.
func (w *world) endGrace() {
	now := w.clock.Now()
	if wall := time.Now(); wall.After(now) {
		now = wall
	}
	w.clock.SetTime(now.Add(fituser.DefaultRevocationGrace + time.Second))
}

// metric returns the value of a metric without labels, or with exactly these label values in the order of the labels' names.
func (w *world) metric(name string, labels ...string) float64 {
	w.Helper()
	families, err := w.registry.Gather()
	if err != nil {
		w.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			var values []string
			for _, label := range m.GetLabel() {
				values = append(values, label.GetValue())
			}
			if family.GetName() == name && slices.Equal(values, labels) {
				return m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	w.Fatalf("metric %s with the labels %q does not exist", name, labels)
	return 0
}

// allFitUsers returns the FitUsers of the namespace, read live.
func (w *world) allFitUsers() []v1alpha1.FitUser {
	w.Helper()
	var all v1alpha1.FitUserList
	if err := w.live().List(w.ctx, &all, client.InNamespace(w.namespace)); err != nil {
		w.Fatal(err)
	}
	return all.Items
}

// reasonOf returns the reason of a FitUser's Ready condition.
func reasonOf(u v1alpha1.FitUser) string { return fituser.ReadyReason(&u) }
