package fitusers_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/fitusers"
)

func TestSelect_Order(t *testing.T) {
	t.Parallel()
	at := func(hour int) metav1.Time { return metav1.NewTime(time.Date(2026, 1, 1, hour, 0, 0, 0, time.UTC)) }
	object := func(name string, hour int, managed bool) *v1alpha1.FitUser {
		u := fitusers.New("fitai", "user_2ada", 0)
		u.Name, u.UID, u.CreationTimestamp = name, types.UID(name), at(hour)
		if !managed {
			u.Labels = nil
		}
		return u
	}
	terminating := object("a: user-managed, terminating", 0, false)
	deletedAt := at(9)
	terminating.DeletionTimestamp = &deletedAt
	ordered := []*v1alpha1.FitUser{
		object("b: user-managed, oldest", 4, false),
		object("c: user-managed, smaller UID", 5, false),
		object("d: user-managed, greater UID", 5, false),
		object("e: operator-managed, old", 1, true),
		object("f: operator-managed, young", 6, true),
		terminating,
	}
	for range 20 {
		shuffled := slices.Clone(ordered)
		rand.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		set := fitusers.Select("user_2ada", shuffled, nil)
		if diff := cmp.Diff(ordered, set.All()); diff != "" {
			t.Fatalf("-want +got:\n%s", diff)
		}
		if set.Active != ordered[0] || len(set.Duplicates) != 4 || len(set.Terminating) != 1 {
			t.Fatalf("%d duplicates, %d terminating, active is %s", len(set.Duplicates), len(set.Terminating), set.Active.Name)
		}
	}
}
