package fitusers_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/fitusers"
)

// The admission policy lets the receiver create exactly this.
func TestNew_HoldsOnlyIDAndLabel(t *testing.T) {
	t.Parallel()
	got := fitusers.New("fitai", "user_2aBc", 1)
	want := &v1alpha1.FitUser{Spec: v1alpha1.FitUserSpec{ClerkUserID: "user_2aBc"}}
	want.Namespace, want.Name = "fitai", "user-2abc-4-1"
	want.Labels = map[string]string{"app.kubernetes.io/managed-by": "fituser-operator"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
