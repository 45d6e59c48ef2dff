package receiver

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/fitusers"
)

func TestCluster_CacheKeepsOnlyUsedFields(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := manifest("coach-ada", ada)
	u.Labels = map[string]string{"team": "north", v1alpha1.LabelManagedBy: v1alpha1.ManagedBy}
	u.Annotations = map[string]string{"note": "Augusta", v1alpha1.AnnotationHint: "h"}
	u.Spec.Role = "trainer" // makes it user-managed in spite of the label
	w.create(t, u)
	u.Status.Profile = &v1alpha1.Profile{Email: "ada@example.com"}
	if err := w.admin.Status().Update(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	w.create(t, fitusers.New("", "user_2bob", 0))
	e := w.receive(t, nil)
	var got v1alpha1.FitUser
	if err := e.cache.Get(t.Context(), client.ObjectKeyFromObject(u), &got); err != nil {
		t.Fatal(err)
	}
	want := v1alpha1.FitUser{
		ObjectMeta: metav1.ObjectMeta{
			Name: u.Name, Namespace: w.namespace, UID: u.UID, ResourceVersion: u.ResourceVersion,
			CreationTimestamp: u.CreationTimestamp, Annotations: map[string]string{v1alpha1.AnnotationHint: "h"},
		},
		Spec: v1alpha1.FitUserSpec{ClerkUserID: ada},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(v1alpha1.FitUser{}, "TypeMeta")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	e.knows(t, fitusers.NameFor("user_2bob", 0), (*v1alpha1.FitUser).ManagedByOperator)
}

func TestCandidates_ActiveFirstTerminatingOnlyForDeletion(t *testing.T) {
	t.Parallel()
	now := metav1.Now()
	active, terminating := manifest("coach-ada", ada), manifest("old-ada", ada)
	active.UID, terminating.UID = "1", "2"
	terminating.DeletionTimestamp = &now
	found := []*v1alpha1.FitUser{terminating, active}
	if diff := cmp.Diff([]*v1alpha1.FitUser{active, terminating}, candidates(ada, found, v1alpha1.UserDeleted)); diff != "" {
		t.Errorf("for user.deleted (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]*v1alpha1.FitUser{active}, candidates(ada, found, v1alpha1.UserUpdated)); diff != "" {
		t.Errorf("for user.updated (-want +got):\n%s", diff)
	}
}
