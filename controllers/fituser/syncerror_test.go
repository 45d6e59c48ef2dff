package fituser

import (
	"errors"
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
