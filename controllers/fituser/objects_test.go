package fituser

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/user"
)

func objectWith(role v1alpha1.Role, ready metav1.ConditionStatus, reason string) *v1alpha1.FitUser {
	object := fitusers.New("default", "user_2a", 0)
	object.Status.Role = role
	if ready != "" {
		object.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: ready, Reason: reason}}
	}
	return object
}

func waitingObject() *v1alpha1.FitUser {
	object := objectWith("", metav1.ConditionFalse, v1alpha1.ReasonUserNotFound)
	object.Status.RowDeletionAt = &metav1.Time{}
	return object
}

func TestObjectState(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		object *v1alpha1.FitUser
		want   objectState
	}{
		"in sync":          {objectWith("admin", metav1.ConditionTrue, v1alpha1.ReasonSynced), objectState{role: "admin", ready: "true", reason: "Synced"}},
		"failing":          {objectWith("client", metav1.ConditionFalse, v1alpha1.ReasonEmailConflict), objectState{role: "client", ready: "false", reason: "EmailConflict"}},
		"row waits":        {waitingObject(), objectState{role: "none", ready: "false", reason: "UserNotFound", rowWaits: true}},
		"without a status": {objectWith("", "", ""), objectState{role: "none", ready: "unknown", reason: "none"}},
		"unknown values":   {objectWith("owner", metav1.ConditionUnknown, "user_2secret"), objectState{role: "none", ready: "unknown", reason: "other"}},
	} {
		if diff := cmp.Diff(test.want, newObjectGauges(user.DefaultRoles()).stateOf(test.object), cmp.AllowUnexported(objectState{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// A reason that Reasons lacks would be counted as other.
func TestObjectState_KnowsEveryReason(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "../../api/v1alpha1/conditions.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	reasons := 0
	ast.Inspect(file, func(node ast.Node) bool {
		declared, ok := node.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(declared.Names[0].Name, "Reason") {
			return true
		}
		reasons++
		value, _ := strconv.Unquote(declared.Values[0].(*ast.BasicLit).Value)
		if got := newObjectGauges(user.DefaultRoles()).stateOf(objectWith("", metav1.ConditionFalse, value)).reason; got != value {
			t.Errorf("%s is counted as %s", value, got)
		}
		return true
	})
	if reasons == 0 {
		t.Error("conditions.go has no reasons")
	}
}

// The watch delivers the initial list, changes and deletions; the gauges count what exists.
func TestObjectGauges_FollowTheWatch(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	r := New(Config{Metrics: NewMetrics(registry, user.DefaultRoles(), user.DefaultMapping()), Clock: clocktesting.NewFakeClock(metav1.Now().Time)})
	watch, requests := r.EventHandler(), workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[user.ID]())
	t.Cleanup(requests.ShutDown)
	ctx := context.Background()
	fresh, done := objectWith("", "", ""), objectWith("trainer", metav1.ConditionTrue, v1alpha1.ReasonSynced)
	failed := objectWith("trainer", metav1.ConditionFalse, v1alpha1.ReasonDatabaseUnavailable)

	watch.Create(ctx, event.TypedCreateEvent[*v1alpha1.FitUser]{Object: done, IsInInitialList: true}, requests)
	watch.Create(ctx, event.TypedCreateEvent[*v1alpha1.FitUser]{Object: fresh}, requests)
	watch.Update(ctx, event.TypedUpdateEvent[*v1alpha1.FitUser]{ObjectOld: fresh, ObjectNew: done}, requests)
	watch.Update(ctx, event.TypedUpdateEvent[*v1alpha1.FitUser]{ObjectOld: done, ObjectNew: done}, requests)
	wantObjects(t, registry, map[objectState]float64{{role: "trainer", ready: "true", reason: "Synced"}: 2})

	watch.Update(ctx, event.TypedUpdateEvent[*v1alpha1.FitUser]{ObjectOld: done, ObjectNew: failed}, requests)
	wantObjects(t, registry, map[objectState]float64{{role: "trainer", ready: "true", reason: "Synced"}: 1, {role: "trainer", ready: "false", reason: "DatabaseUnavailable"}: 1})

	watch.Delete(ctx, event.TypedDeleteEvent[*v1alpha1.FitUser]{Object: failed}, requests)
	watch.Delete(ctx, event.TypedDeleteEvent[*v1alpha1.FitUser]{Object: done}, requests)
	wantObjects(t, registry, map[objectState]float64{})
}

// wantObjects compares the gauges, without zeros.
func wantObjects(t *testing.T, registry *prometheus.Registry, want map[objectState]float64) {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[objectState]float64{}
	for _, family := range families {
		if family.GetName() != "fituser_objects" {
			continue
		}
		for _, m := range family.GetMetric() {
			if value := m.GetGauge().GetValue(); value != 0 { // labels are sorted: ready, reason, role
				got[objectState{role: m.Label[2].GetValue(), ready: m.Label[0].GetValue(), reason: m.Label[1].GetValue()}] = value
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fituser_objects (-want +got):\n%s", diff)
	}
}

func TestObjectGauges_UnknownRolesAndDeferredUsers(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	m := NewMetrics(registry, user.DefaultRoles(), user.DefaultMapping())
	unknown := objectWith("client", metav1.ConditionTrue, v1alpha1.ReasonSynced)
	unknown.Status.Clerk = &v1alpha1.AccountState{Role: "owner"}
	known := objectWith("trainer", metav1.ConditionTrue, v1alpha1.ReasonSynced)
	known.Status.Clerk = &v1alpha1.AccountState{Role: "admin"} // about to be revoked
	deferred := objectWith("", metav1.ConditionFalse, v1alpha1.ReasonDeletionDeferred)
	want := func(step string, unknownRoles, deletionsDeferred float64) {
		t.Helper()
		if got := testutil.ToFloat64(m.objects.unknownRoles); got != unknownRoles {
			t.Errorf("%s: %v unknown roles, want %v", step, got, unknownRoles)
		}
		if got := testutil.ToFloat64(m.objects.deferred); got != deletionsDeferred {
			t.Errorf("%s: %v deferred, want %v", step, got, deletionsDeferred)
		}
	}
	for _, u := range []*v1alpha1.FitUser{unknown, known, deferred} {
		m.objects.added(u)
	}
	want("after the list", 1, 1)
	m.SetSweepDeferred(3)
	want("a sweep deferred more than report it", 1, 3)
	m.SetSweepDeferred(0)
	m.objects.changed(unknown, known)
	m.objects.changed(deferred, known)
	want("after changes", 0, 0)
	m.objects.added(unknown)
	m.objects.removed(unknown)
	want("after a deletion", 0, 0)
}
