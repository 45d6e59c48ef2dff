package controllers

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
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/user"
)

func objectSaying(role v1alpha1.Role, ready metav1.ConditionStatus, reason string) *v1alpha1.FitUser {
	object := fitusers.New("default", "user_2a", 0)
	object.Status.Role = role
	if ready != "" {
		object.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: ready, Reason: reason}}
	}
	return object
}

func TestObjectsAreCountedByWhatTheySay(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		object *v1alpha1.FitUser
		want   class
	}{
		"in order":        {objectSaying("admin", metav1.ConditionTrue, v1alpha1.ReasonSynced), class{"admin", "true", "Synced"}},
		"in trouble":      {objectSaying("client", metav1.ConditionFalse, v1alpha1.ReasonEmailConflict), class{"client", "false", "EmailConflict"}},
		"without a word":  {objectSaying("", "", ""), class{"none", "unknown", "none"}},
		"from the future": {objectSaying("owner", metav1.ConditionUnknown, "user_2secret"), class{"none", "unknown", "other"}},
	} {
		if diff := cmp.Diff(test.want, classOf(test.object), cmp.AllowUnexported(class{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// A reason that isReason does not know would be counted as other.
func TestEveryReasonIsCountedByItsName(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "../api/v1alpha1/conditions.go", nil, 0)
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
		if value, _ := strconv.Unquote(declared.Values[0].(*ast.BasicLit).Value); !isReason(value) {
			t.Errorf("%s is counted as other", value)
		}
		return true
	})
	if reasons == 0 {
		t.Error("conditions.go has no reasons")
	}
}

// The watch tells of what is there at the start, of changes and of deletions; what is counted is what is there.
func TestObjectsAreCountedAsTheWatchTells(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	r := &Reconciler{Metrics: NewMetrics(registry), Clock: clocktesting.NewFakeClock(metav1.Now().Time)}
	r.prepare()
	watch, requests := r.onFitUser(), workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[user.ID]())
	t.Cleanup(requests.ShutDown)
	ctx := context.Background()
	fresh, done := objectSaying("", "", ""), objectSaying("trainer", metav1.ConditionTrue, v1alpha1.ReasonSynced)
	failed := objectSaying("trainer", metav1.ConditionFalse, v1alpha1.ReasonDatabaseUnavailable)

	watch.Create(ctx, event.TypedCreateEvent[*v1alpha1.FitUser]{Object: done, IsInInitialList: true}, requests)
	watch.Create(ctx, event.TypedCreateEvent[*v1alpha1.FitUser]{Object: fresh}, requests)
	watch.Update(ctx, event.TypedUpdateEvent[*v1alpha1.FitUser]{ObjectOld: fresh, ObjectNew: done}, requests)
	watch.Update(ctx, event.TypedUpdateEvent[*v1alpha1.FitUser]{ObjectOld: done, ObjectNew: done}, requests)
	wantObjects(t, registry, map[class]float64{{"trainer", "true", "Synced"}: 2})

	watch.Update(ctx, event.TypedUpdateEvent[*v1alpha1.FitUser]{ObjectOld: done, ObjectNew: failed}, requests)
	wantObjects(t, registry, map[class]float64{{"trainer", "true", "Synced"}: 1, {"trainer", "false", "DatabaseUnavailable"}: 1})

	watch.Delete(ctx, event.TypedDeleteEvent[*v1alpha1.FitUser]{Object: failed}, requests)
	watch.Delete(ctx, event.TypedDeleteEvent[*v1alpha1.FitUser]{Object: done}, requests)
	wantObjects(t, registry, map[class]float64{})
}

// wantObjects compares what is counted, zeros apart.
func wantObjects(t *testing.T, registry *prometheus.Registry, want map[class]float64) {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[class]float64{}
	for _, family := range families {
		if family.GetName() != "fituser_objects" {
			continue
		}
		for _, m := range family.GetMetric() {
			if value := m.GetGauge().GetValue(); value != 0 { // labels are sorted: ready, reason, role
				got[class{m.Label[2].GetValue(), m.Label[0].GetValue(), m.Label[1].GetValue()}] = value
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fituser_objects (-want +got):\n%s", diff)
	}
}
