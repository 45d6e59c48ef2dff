package controllers

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/workqueue"

	"github.com/fitai/fituser-operator/internal/user"
)

var messages atomic.Int64

// unique is a text that no other call gives.
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

// discardQueue takes requests that the test makes itself.
type discardQueue struct {
	workqueue.TypedRateLimitingInterface[user.ID]
}

func (discardQueue) Add(user.ID) {}

// eventually waits for something that other goroutines or Clerk's pauses decide, long enough for the slowest machine.
func (w *world) eventually(is func() bool) {
	w.Helper()
	err := wait.PollUntilContextTimeout(w.ctx, 10*time.Millisecond, 2*time.Minute, true,
		func(context.Context) (bool, error) { return is(), nil })
	if err != nil {
		w.Fatal("it never came to be")
	}
}
