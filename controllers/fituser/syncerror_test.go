package fituser

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/store"
)

// A lost race for an address concerns another row, not the database.
func TestStoreError_LostRaceIsRowPending(t *testing.T) {
	t.Parallel()
	for _, err := range []error{store.ErrConflict, store.ErrNotFound} {
		got := storeError(err)
		if got.reason != v1alpha1.ReasonRowPending || conditionOf(got, "").Status != metav1.ConditionUnknown || !errors.Is(got, err) {
			t.Errorf("%v becomes %+v", err, got)
		}
	}
}

// What a person must change in the database is in the message. It is retried, but rarely.
func TestStoreError_RefusalOfTheApplication(t *testing.T) {
	t.Parallel()
	for class, want := range map[error]string{
		store.ErrTrigger: v1alpha1.ReasonRowRefused, store.ErrRowInUse: v1alpha1.ReasonRowInUse,
	} {
		refusal := &store.Error{Class: class, Cause: "rows of the table workouts refer to it", Name: "fk_user", Code: "SQLSTATE 23503"}
		got := storeError(fmt.Errorf("writing row of user_jane: %w", refusal))
		if got.reason != want || got.cause != nil || got.retryAfter < slowRetry {
			t.Errorf("%v becomes %+v", class, got)
		}
		if !strings.Contains(got.message, "rows of the table workouts refer to it (fk_user, SQLSTATE 23503)") {
			t.Errorf("message %q", got.message)
		}
	}
}
