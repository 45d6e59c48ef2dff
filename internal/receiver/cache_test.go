package receiver

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
)

func TestTheCacheHoldsWhatIsLookedAtAndNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := manifest("coach-ada", ada)
	u.Labels = map[string]string{"team": "north"}
	u.Annotations = map[string]string{"note": "Augusta", v1alpha1.AnnotationHint: "h", v1alpha1.AnnotationMadeBy: v1alpha1.MadeByOperator}
	u.Spec.Role = "trainer" // so it is a person's, whoever made it
	w.create(t, u)
	u.Status.Profile = &v1alpha1.Profile{Email: "ada@example.com"}
	if err := w.admin.Status().Update(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	w.create(t, v1alpha1.NewFitUser("", "user_2bob", 0))
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
	e.knows(t, v1alpha1.NameFor("user_2bob", 0), (*v1alpha1.FitUser).MadeByOperator)
}

func TestWhichFitUserServes(t *testing.T) {
	t.Parallel()
	at := func(hour int) metav1.Time { return metav1.NewTime(time.Date(2026, 1, 1, hour, 0, 0, 0, time.UTC)) }
	object := func(name string, hour int, change func(*v1alpha1.FitUser)) v1alpha1.FitUser {
		u := manifest(name, ada)
		u.UID, u.CreationTimestamp = types.UID(name), at(hour)
		if change != nil {
			change(u)
		}
		return *u
	}
	made := func(u *v1alpha1.FitUser) {
		u.Annotations = map[string]string{v1alpha1.AnnotationMadeBy: v1alpha1.MadeByOperator}
	}
	deleting := func(u *v1alpha1.FitUser) { now := at(9); u.DeletionTimestamp = &now }
	ordered := []v1alpha1.FitUser{
		object("b: a person's, the oldest", 4, nil),
		object("c: a person's, smaller UID", 5, nil),
		object("d: a person's, greater UID", 5, nil),
		object("e: the operator's, old", 1, made),
		object("f: the operator's, young", 6, made),
		object("a: a person's, being deleted", 0, deleting),
	}
	for range 20 {
		users := append([]v1alpha1.FitUser{}, ordered...)
		rand.Shuffle(len(users), func(i, j int) { users[i], users[j] = users[j], users[i] })
		if diff := cmp.Diff(ordered, candidates(append([]v1alpha1.FitUser{}, users...), v1alpha1.UserDeleted)); diff != "" {
			t.Fatalf("for a deletion (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(ordered[:5], candidates(users, v1alpha1.UserUpdated)); diff != "" {
			t.Fatalf("for news (-want +got):\n%s", diff)
		}
	}
}
