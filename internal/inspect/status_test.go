package inspect

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fitai/fituser-operator/api/v1alpha1"
)

// deferred returns a FitUser whose deletion is deferred.
func deferred(n int) *v1alpha1.FitUser {
	u := &v1alpha1.FitUser{Spec: v1alpha1.FitUserSpec{ClerkUserID: fmt.Sprintf("user_%02d", n)}}
	u.Status.Conditions = []metav1.Condition{
		{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonDeletionDeferred},
	}
	return u
}

func TestStatus_NamesFirstDeferredUsers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		users int
		want  string
	}{
		"none":      {0, "none deferred\n"},
		"few":       {2, "2 DEFERRED: user_00, user_01. To allow them"},
		"as many":   {10, "10 DEFERRED: user_00, user_01, user_02, user_03, user_04, user_05, user_06, user_07, user_08, user_09. To"},
		"many":      {12, "12 DEFERRED: user_00, user_01, user_02, user_03, user_04, user_05, user_06, user_07, user_08, user_09 and 2 more. To"},
		"next step": {1, "kubectl annotate configmap fituser-operator identity.fitai.dev/allow-deletions=true"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s Status
			groups := map[string]*NotReadyGroup{}
			for n := range test.users {
				s.countNotReady(deferred(n), groups)
			}
			var out strings.Builder
			if err := s.Text(&out, time.Now()); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(out.String(), test.want) {
				t.Errorf("%q is missing in:\n%s", test.want, out.String())
			}
		})
	}
}
